"""The catalogue: the services and features of a project that can be requested, compiled at the first request.

One catalogue and its reader belong to one thread. Lists of features are kept too, the last few hundred of them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from feature_platform.compute.plans.light import is_light
from feature_platform.declarations.on_demand import OnDemandView
from feature_platform.declarations.project import Project
from feature_platform.declarations.service import FeatureService, selection_of
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.errors import NotServed, OnlineStoreFailed, RequestRefused, UnknownName
from feature_platform.online.base import Reader
from feature_platform.serving.service import ServedService, WorkBounds
from feature_platform.serving.windows import is_light_view

AD_HOC = "request"  # the name of a list of features, which has no service
UNPUBLISHED = "it was never published"
_KEPT = 256
_EXACT, _ON_DEMAND = 200, 100  # as `Plan.weight` counts; both measured, and rounded up
_VERSION = re.compile(r"@(v[0-9]+|latest)$")

Wanted = tuple[str, ...] | str
"""The name of a service, or a list of `view:feature` after a first word that says whether names are full or short."""


@dataclass(eq=False)
class ServingPlan:
    """A service or a list of features, compiled to be answered.

    Attributes:
        is_heavy: computing the answer takes long, so that it belongs in a thread.
        needed: the join keys and request fields that entities bring.
        weight: what an entity costs, in stored values of which an answer is joined.
        knows_keys: whether the entities show which keys will be read; those of tiles depend on the moment, too.
        notes: what the endpoints keep with it, such as names that are JSON already.
    """

    served: ServedService
    is_heavy: bool
    needed: tuple[str, ...]
    weight: int = 1
    knows_keys: bool = True
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def service(self) -> FeatureService:
        """Return the service, declared or made from a list of features."""
        return self.served.service


class Offer:
    """The declarations of a project that can be requested, by name."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.services = {each.name: each for each in project.services}
        self.views: dict[str, FeatureView | OnDemandView] = {
            each.name: each for each in project.declarations if isinstance(each, (FeatureView, OnDemandView))
        }

    @property
    def stored_views(self) -> Sequence[FeatureView]:
        """Return the views that services read; all views of a project without services."""
        read = dict.fromkeys(view for service in self.services.values() for view in service.stored_views)
        return list(read) or [each for each in self.views.values() if isinstance(each, FeatureView)]

    def service(self, wanted: Wanted) -> FeatureService:
        """Return a service by its name, or one made from a list of features.

        Raises:
            UnknownName: no such service, view or feature.
            RequestRefused: something that names no feature.
            InvalidDeclaration: features that cannot be in one answer.
        """
        if isinstance(wanted, str):
            if wanted not in self.services:
                raise UnknownName(f"Project `{self.project.name}`", "feature service", wanted[:200], self.services)
            return self.services[wanted]
        full, *references = wanted
        asked: dict[str, list[str]] = {}
        for view, feature in map(split_reference, references):
            asked.setdefault(view, []).append(feature)
        return FeatureService(
            AD_HOC, [self._view(view)[tuple(names)] for view, names in asked.items()], full_names=full == "full"
        )

    def _view(self, name: str) -> FeatureView | OnDemandView:
        if name not in self.views:
            raise UnknownName(f"Project `{self.project.name}`", "feature view", name[:200], self.views)
        return self.views[name]


def missing_views(views: Sequence[FeatureView], reader: Reader) -> Sequence[dict[str, str]]:
    """Return the views that cannot be read, and why."""
    missing: list[dict[str, str]] = []
    for view in views:
        try:
            reader.get(view.name, ())
        except NotServed:
            missing.append({"view": view.name, "why": UNPUBLISHED})
        except OnlineStoreFailed:
            missing.append({"view": view.name, "why": "the online store cannot be read"})
    return missing


class Catalogue:
    """The plans that were compiled for one reader.

    Args:
        bounds: how much work one answer may be.
    """

    def __init__(
        self,
        offer: Offer,
        reader: Reader,
        watch: Callable[[Mapping[FeatureView, Any]], None],
        saw_clipped: Callable[[str, int], None],
        bounds: WorkBounds,
    ) -> None:
        self.offer = offer
        self.reader = reader
        self._watch = watch
        self._bounds = bounds
        self._saw_clipped = saw_clipped
        self._services: dict[Wanted, ServingPlan] = {}
        self._lists: dict[Wanted, ServingPlan] = {}

    def plan(self, wanted: Wanted) -> ServingPlan:
        """Return the plan of a service or a list of features, compiled once; raises as `Offer.service`."""
        plans = self._services if isinstance(wanted, str) else self._lists
        plan = plans.get(wanted)
        if plan is None:
            plan = self._compile(self.offer.service(wanted))
            if len(plans) >= _KEPT:
                del plans[next(iter(plans))]
            plans[wanted] = plan
        return plan

    def _compile(self, service: FeatureService) -> ServingPlan:
        served = ServedService(service, self.reader)
        served.watch = self._watch
        served.bounds = self._bounds
        served.saw_clipped = self._saw_clipped
        exact = [view for view in service.views if view.kind is ViewKind.EXACT]
        expressions = [each.view.expressions[name] for each in service.on_demand for name in each.features]
        light = all(map(is_light_view, exact)) and all(map(is_light, expressions)) and not service.impute
        weight = _EXACT if exact else _ON_DEMAND if expressions else 1
        return ServingPlan(served, not light, (*served.join_keys, *service.request), weight, not exact)


def feature_list_of(references: Sequence[str], *, full_names: bool) -> Wanted:
    """Return a list of `view:feature` as `Catalogue.plan` takes it."""
    return ("full" if full_names else "short", *references)


def split_reference(reference: str) -> tuple[str, str]:
    """Split `view:feature` or `view@v2:feature` into view and feature; a view has one version, the newest.

    Raises:
        RequestRefused: it is written in another way.

    >>> split_reference("delays@v2:mean_7d")
    ('delays', 'mean_7d')
    """
    view, colon, feature = reference.partition(":")
    if not colon or not view or not feature:
        raise RequestRefused("lists a feature that is not written `view:feature`", "Put a colon between the two.")
    return _VERSION.sub("", view), feature


def full_names(served: ServedService, types: Mapping[str, pl.DataType]) -> Mapping[str, str]:
    """Map each feature of a service to its name with that of its view in front."""
    names_in_full: dict[str, str] = {}
    types_of_views = {compiled.view: compiled.types for compiled in served.compiled_views()}
    for each in map(selection_of, served.service.selections):
        names = types_of_views[each] if isinstance(each, FeatureView) else each.features
        owner = view_of(each).name if isinstance(each, (FeatureView, FeatureSelection)) else each.view.name
        names_in_full |= {served.service.column(each, name): f"{owner}__{name}" for name in names}
    return {name: names_in_full.get(name, name) for name in types}
