"""A feature service: the features that one model reads, and how their gaps are filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feature_platform.declarations.naming import checked_name
from feature_platform.declarations.source import checked_owner
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.errors import InvalidDeclaration
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
        if isinstance(features, (FeatureView, FeatureSelection)) or not features:
            raise InvalidDeclaration(
                culprit, f"has features={features!r}", "Give a list of views or view selections."
            )
        for each in features:
            if not isinstance(each, (FeatureView, FeatureSelection)):
                raise InvalidDeclaration(
                    culprit, f"lists {each!r}", 'Give feature views or selections `view["a"]`.'
                )
        for feature, rule in (impute or {}).items():
            if not isinstance(rule, Imputation):
                raise InvalidDeclaration(
                    culprit, f"imputes `{feature}` by {rule!r}", "Give e.g. fp.Impute.constant(0)."
                )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "selections", tuple(features))
        object.__setattr__(self, "impute", dict(impute or {}))
        object.__setattr__(self, "full_names", full_names)
        object.__setattr__(self, "owner", checked_owner(culprit, owner))
        object.__setattr__(self, "description", description)
        self._check_collisions(culprit)

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """Its views, each once, in order."""
        return tuple(dict.fromkeys(view_of(each) for each in self.selections))

    def _check_collisions(self, culprit: str) -> None:
        owners: dict[str, str] = {}
        for each in self.selections:
            view = view_of(each)
            for feature in named_features(each):
                name = f"{view.name}__{feature}" if self.full_names else feature
                if name in owners:
                    raise InvalidDeclaration(
                        culprit,
                        f"gets `{name}` from both `{owners[name]}` and `{view.name}`",
                        "Select fewer features or pass full_names=True.",
                    )
                owners[name] = view.name


def named_features(selected: FeatureView | FeatureSelection) -> tuple[str, ...]:
    """The features that a declaration names; none for a whole row view, whose columns only data tells."""
    if isinstance(selected, FeatureSelection):
        return selected.features
    return selected.windowing.features if selected.windowing else ()
