"""A feature service: the features that one model reads, and how their gaps are filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feature_platform.declarations.naming import SPINE_TIME, checked_name, shown
from feature_platform.declarations.source import checked_owner
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.errors import DuplicateName, InvalidDeclaration, UnknownName
from feature_platform.imputation import Imputation


@dataclass(frozen=True, init=False, eq=False)
class FeatureService:
    """Features of one or more views under one name.

    Args:
        features: views (all their features) and selections (`view["a", "b"]`), in column order.
        impute: how missing values of a feature are filled, fitted on the past only.
        full_names: name columns `view__feature`, for views whose features share names.
    """

    name: str
    selections: tuple[FeatureView | FeatureSelection, ...]
    impute: Mapping[str, Imputation]
    full_names: bool
    owner: str | None
    description: str

    def __init__(
        self,
        name: str,
        features: Sequence[FeatureView | FeatureSelection],
        *,
        impute: Mapping[str, Imputation] | None = None,
        full_names: bool = False,
        owner: str | None = None,
        description: str = "",
    ) -> None:
        culprit = f"Feature service `{checked_name('Feature service', name)}`"
        if not isinstance(features, Sequence) or not features:
            raise InvalidDeclaration(
                culprit, f"has features={shown(features)}", "Give a list of views or view selections."
            )
        for each in features:
            if not isinstance(each, (FeatureView, FeatureSelection)):
                raise InvalidDeclaration(
                    culprit, f"lists {shown(each)}", 'Give feature views or selections `view["a"]`.'
                )
        if impute is not None and not isinstance(impute, Mapping):
            raise InvalidDeclaration(
                culprit, f"has impute={shown(impute)}", 'Give e.g. impute={"a": fp.Impute.constant(0)}.'
            )
        for feature, rule in (impute or {}).items():
            if not isinstance(rule, Imputation):
                raise InvalidDeclaration(
                    culprit, f"imputes `{feature}` by {shown(rule)}", "Give e.g. fp.Impute.constant(0)."
                )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "selections", tuple(features))
        object.__setattr__(self, "impute", dict(impute or {}))
        object.__setattr__(self, "full_names", full_names)
        object.__setattr__(self, "owner", checked_owner(culprit, owner))
        object.__setattr__(self, "description", description)
        self._check_views(culprit)
        self._check_collisions(culprit)

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """Its views, each once, in order."""
        return tuple(dict.fromkeys(view_of(each) for each in self.selections))

    def _check_views(self, culprit: str) -> None:
        names = [view.name for view in self.views]
        for view in self.views:
            if names.count(view.name) > 1:
                raise DuplicateName("feature view", view.name)
            listed = [each for each in self.selections if view_of(each) is view]
            if len(listed) > 1 and view in listed:
                raise InvalidDeclaration(
                    culprit, f"lists all of `{view.name}` and more of it", "List it once, or select features."
                )

    def _check_collisions(self, culprit: str) -> None:
        spine = {SPINE_TIME: "the spine"}
        spine |= {key: f"the join keys of `{view.name}`" for view in self.views for key in view.join_keys}
        owners: dict[str, str] = {}
        for each in self.selections:
            view = view_of(each)
            for feature in named_features(each):
                name = f"{view.name}__{feature}" if self.full_names else feature
                if name in owners or name in spine:
                    raise InvalidDeclaration(
                        culprit,
                        f"gets `{name}` from both {(spine | owners)[name]} and `{view.name}`",
                        "Select fewer features or pass full_names=True.",
                    )
                owners[name] = f"`{view.name}`"
        if all(named_features(each) for each in self.selections):
            for feature in self.impute:
                if feature not in owners:
                    raise UnknownName(culprit, "feature to impute", feature, owners)


def named_features(selected: FeatureView | FeatureSelection) -> tuple[str, ...]:
    """The features that a declaration names; none for a whole row view, whose columns only data tells."""
    if isinstance(selected, FeatureSelection):
        return selected.features
    return selected.windowing.features if selected.windowing else ()
