"""A feature service: the features that one model reads, and how their gaps are filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from warnings import warn

import polars as pl

from feature_platform.declarations.about import About, Stage, validate_stage
from feature_platform.declarations.field import Field
from feature_platform.declarations.naming import SPINE_TIME, describe_value, validate_name
from feature_platform.declarations.on_demand import OnDemandSelection, OnDemandView
from feature_platform.declarations.request import merge_bounds, merge_fields
from feature_platform.declarations.source import validate_owner
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.ground.errors import DuplicateName, FeatureDeprecated, InvalidDeclaration, UnknownName
from feature_platform.parts.imputation import Imputation

Selected = FeatureView | FeatureSelection | OnDemandView | OnDemandSelection


@dataclass(frozen=True, init=False, eq=False)
class FeatureService:
    """Features of one or more views under one name.

    Args:
        features: views (all their features) and selections (`view["a", "b"]`), on-demand ones too, in column order.
            What on-demand features read of views that are not listed is joined, and not shown.
        impute: how missing values of a feature are filled, fitted on the past only.
        full_names: name columns `view__feature`, for views whose features share names.
        stage: how far it can be relied on; a stable service reads no experimental features.
    """

    name: str
    selections: tuple[Selected, ...]
    impute: Mapping[str, Imputation]
    full_names: bool
    stage: Stage | None
    owner: str | None
    description: str

    def __init__(
        self,
        name: str,
        features: Sequence[Selected],
        *,
        impute: Mapping[str, Imputation] | None = None,
        full_names: bool = False,
        stage: Stage | None = None,
        owner: str | None = None,
        description: str = "",
    ) -> None:
        culprit = f"Feature service `{validate_name('Feature service', name)}`"
        if not isinstance(features, Sequence) or not features:
            raise InvalidDeclaration(
                culprit, f"has features={describe_value(features)}", "Give a list of views or view selections."
            )
        for selection in features:
            if not isinstance(selection, Selected):
                raise InvalidDeclaration(
                    culprit, f"lists {describe_value(selection)}", 'Give feature views or selections `view["a"]`.'
                )
        if impute is not None and not isinstance(impute, Mapping):
            raise InvalidDeclaration(
                culprit, f"has impute={describe_value(impute)}", 'Give e.g. impute={"a": fp.Impute.constant(0)}.'
            )
        for feature, rule in (impute or {}).items():
            if not isinstance(rule, Imputation):
                raise InvalidDeclaration(
                    culprit, f"imputes `{feature}` by {describe_value(rule)}", "Give e.g. fp.Impute.constant(0)."
                )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "selections", tuple(features))
        object.__setattr__(self, "impute", dict(impute or {}))
        object.__setattr__(self, "full_names", full_names)
        object.__setattr__(self, "stage", validate_stage(culprit, stage))
        object.__setattr__(self, "owner", validate_owner(culprit, owner))
        object.__setattr__(self, "description", description)
        merge_fields(culprit, (selection.request for selection in self.on_demand))
        merge_bounds(culprit, (selection.bounded for selection in self.on_demand))
        self._check_views(culprit)
        self._check_collisions(culprit)
        self._check_stages(culprit)

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """Return the views that it reads, each once, in order: those listed, and those that on-demand features need."""
        views: list[FeatureView] = []
        for selection in map(selection_of, self.selections):
            views.extend(selection.needs if isinstance(selection, OnDemandSelection) else [view_of(selection)])
        return tuple(dict.fromkeys(views))

    @property
    def stored_views(self) -> tuple[FeatureView, ...]:
        """Return the views whose tables it reads, each once: an alias has none of its own."""
        return tuple(dict.fromkeys(view.original for view in self.views))

    @property
    def on_demand(self) -> tuple[OnDemandSelection, ...]:
        """Return its on-demand features, as selections, in order."""
        return tuple(each for each in map(selection_of, self.selections) if isinstance(each, OnDemandSelection))

    @property
    def request(self) -> Mapping[str, pl.DataType]:
        """Return the fields that each entity of a request must have, with their types, for its on-demand features."""
        return merge_fields(f"Feature service `{self.name}`", (each.request for each in self.on_demand))

    @property
    def bounded(self) -> Mapping[str, Field]:
        """Return the request fields whose values have bounds."""
        return merge_bounds(f"Feature service `{self.name}`", (each.bounded for each in self.on_demand))

    @property
    def needs(self) -> Mapping[FeatureView, tuple[str, ...]]:
        """Return what its on-demand features read of each view, listed or not.

        `event_time` is the time of the row that was found.
        """
        needs: dict[FeatureView, tuple[str, ...]] = {}
        for selection in self.on_demand:
            for view, names in selection.needs.items():
                needs[view] = tuple(dict.fromkeys((*needs.get(view, ()), *names)))
        return needs

    def column(self, selected: Selected, feature: str) -> str:
        """Return the name of the column of a feature: an alias comes first, and with `full_names` any view."""
        view = _view_of_selection(selected)
        is_alias = isinstance(view, FeatureView) and view.aliased is not None
        return f"{view.name}__{feature}" if self.full_names or is_alias else feature

    @property
    def described_columns(self) -> Mapping[str, tuple[FeatureView, str]]:
        """Return the view and the name of each feature that it shows; of a whole row view those with an `fp.About`."""
        return {
            self.column(selected, name): (view_of(selected), name)
            for selected in self.selections
            if isinstance(selected, (FeatureView, FeatureSelection))
            for name in _names_of(selected)
        }

    @property
    def features_read(self) -> tuple[tuple[FeatureView, str], ...]:
        """Return the features of views that it reads, those of on-demand features, too, each once."""
        needed = [(view, name) for view, names in self.needs.items() for name in names]
        return tuple(dict.fromkeys((*self.described_columns.values(), *needed)))

    def _check_stages(self, culprit: str) -> None:
        for view, name in self.features_read:
            stage = view.stage_of(name)
            if self.stage == "stable" and stage == "experimental":
                raise InvalidDeclaration(
                    culprit,
                    f"is stable and reads `{view.name}.{name}`, which is experimental",
                    "Leave it out, or say that it is stable.",
                )
            if stage == "deprecated":
                about = view.about.get(name) or About(stage="deprecated")
                warn(FeatureDeprecated(culprit, f"{view.name}.{name}", about.successor, about.until), stacklevel=4)

    def _check_views(self, culprit: str) -> None:
        owners = dict.fromkeys([*self.views, *(_view_of_selection(each) for each in self.selections)])
        names = [each.name for each in owners]
        for owner in owners:
            if names.count(owner.name) > 1:
                raise DuplicateName("feature view", owner.name)
            listed = [each for each in self.selections if _view_of_selection(each) is owner]
            if len(listed) > 1 and owner in listed:
                raise InvalidDeclaration(
                    culprit, f"lists all of `{owner.name}` and more of it", "List it once, or select features."
                )

    def _check_collisions(self, culprit: str) -> None:
        spine = {SPINE_TIME: "the spine"}
        spine |= {
            name: f"the request of `{selection.view.name}`"
            for selection in self.on_demand
            for name in selection.request
        }
        spine |= {key: f"the join keys of `{view.name}`" for view in self.views for key in view.join_keys}
        owners: dict[str, str] = {}
        for selection in self.selections:
            for feature in named_features(selection):
                name = self.column(selection, feature)
                if name in owners or name in spine:
                    raise InvalidDeclaration(
                        culprit,
                        f"gets `{name}` from both {(spine | owners)[name]} and `{_view_of_selection(selection).name}`",
                        "Select fewer features or pass full_names=True.",
                    )
                owners[name] = f"`{_view_of_selection(selection).name}`"
        if all(named_features(selection) for selection in self.selections):
            for feature in self.impute:
                if feature not in owners:
                    raise UnknownName(culprit, "feature to impute", feature, owners)


def _names_of(selected: FeatureView | FeatureSelection) -> tuple[str, ...]:
    """Return the features of a selection, as far as the declarations tell."""
    return (
        selected.features
        if isinstance(selected, FeatureSelection)
        else selected.declared_features or (*selected.about,)
    )


def named_features(selected: Selected) -> tuple[str, ...]:
    """Return the features that a declaration names; none for a whole row view, whose columns only data tells."""
    if isinstance(selected, FeatureView):
        return selected.declared_features or ()
    return selected.features


def selection_of(selected: Selected) -> FeatureView | FeatureSelection | OnDemandSelection:
    """Return the same; an on-demand view becomes a selection of all its features."""
    return OnDemandSelection(selected, selected.features) if isinstance(selected, OnDemandView) else selected


def _view_of_selection(selected: Selected) -> FeatureView | OnDemandView:
    return selected if isinstance(selected, (FeatureView, OnDemandView)) else selected.view
