"""A project: every declaration of a module, in the order in which they can be computed."""

from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from types import ModuleType

from feature_platform.declarations.arguments import describe_argument
from feature_platform.declarations.label import Label
from feature_platform.declarations.on_demand import OnDemandSelection, OnDemandView
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import LoggedRequests, Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureSelection, FeatureView
from feature_platform.ground.errors import (
    DependencyCycle,
    DuplicateName,
    InvalidDeclaration,
    UnknownName,
    WrongArgument,
)

Declaration = Source | Union | FeatureView | OnDemandView | Label | Spine | FeatureService | TrainingSet
Asset = Source | FeatureView | Label | Spine | TrainingSet

_KINDS: dict[type, str] = {
    Source: "source",
    Union: "union",
    FeatureView: "feature view",
    OnDemandView: "on-demand view",
    Label: "label",
    Spine: "spine",
    FeatureService: "feature service",
    TrainingSet: "training set",
}


def kind_of_declaration(declaration: Declaration) -> str:
    """Return the kind of a declaration as people call it."""
    return _KINDS[type(declaration)]


def upstream(declaration: Declaration) -> tuple[Declaration, ...]:
    """Return the declarations that a declaration is directly made from."""
    if isinstance(declaration, Union):
        return declaration.members
    if isinstance(declaration, FeatureView):
        return tuple(dict.fromkeys((declaration.source, *(each.dimension for each in declaration.enrichments))))
    if isinstance(declaration, Label):
        return (declaration.source,)
    if isinstance(declaration, Spine):
        rule = declaration.rule
        return (rule.service,) if isinstance(rule, LoggedRequests) else declaration.origins
    if isinstance(declaration, OnDemandView):
        return tuple(dict.fromkeys(view.original for view in declaration.views))
    if isinstance(declaration, FeatureService):
        return (*declaration.stored_views, *(each.view for each in declaration.on_demand))
    if isinstance(declaration, TrainingSet):
        return (declaration.service, declaration.spine, *declaration.labels)
    return ()


def asset_upstream(asset: Asset) -> tuple[Asset, ...]:
    """Return the tables that an asset is computed from.

    Services are looked through, so are unions and labels over windows, and exact views need the events behind them.
    """
    assets: list[Asset] = []
    for declaration in upstream(asset):
        if isinstance(declaration, FeatureService):
            for view in declaration.stored_views:
                enriching = (each.dimension for each in view.enrichments if view.enriches_when_read)
                assets.extend((view, *view.read_from.members, *enriching))
        elif isinstance(declaration, Label):
            assets.extend(declaration.read_from.members)
        elif isinstance(declaration, Union):
            assets.extend(declaration.members)
        elif not isinstance(declaration, OnDemandView):
            assets.append(declaration)
    return tuple(dict.fromkeys(assets))


def has_table(asset: Asset) -> bool:
    """Tell whether an asset is stored; a label over windows is computed when a training set asks for it."""
    return not isinstance(asset, Label) or asset.has_table


def is_partitioned(asset: Asset) -> bool:
    """Tell whether an asset is computed by partition; spines and training sets are whole."""
    return not isinstance(asset, TrainingSet) and asset.partitioned


@dataclass(frozen=True, eq=False)
class Project:
    """All declarations of one code location and their one time partitioning."""

    name: str
    partitions: Partitions
    declarations: tuple[Declaration, ...]

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Return what becomes a table, upstream first."""
        return tuple(
            each
            for each in self.declarations
            if not isinstance(each, (Union, FeatureService, OnDemandView)) and has_table(each)
        )

    @property
    def services(self) -> tuple[FeatureService, ...]:
        """Return its feature services."""
        return tuple(each for each in self.declarations if isinstance(each, FeatureService))

    @property
    def on_demand(self) -> tuple[OnDemandView, ...]:
        """Return its on-demand views: computed at the moment of a request, without a table."""
        return tuple(each for each in self.declarations if isinstance(each, OnDemandView))

    def asset(self, name: str) -> Asset:
        """Return the asset with a table name such as `views/carrier_delays`.

        Raises:
            UnknownName: there is none.
        """
        for each in self.assets:
            if each.asset == name:
                return each
        raise UnknownName(f"Project `{self.name}`", "asset", name, (each.asset for each in self.assets))


def project_of(module: ModuleType | Project) -> Project:
    """Return the project of a module: the declarations it holds, and those that they are made from.

    Raises:
        DuplicateName: two declarations of one kind share a name.
        DependencyCycle: a declaration depends on itself.
        InvalidDeclaration: there is nothing declared, or more than one `fp.Partitions`.
    """
    if isinstance(module, Project):
        return module
    if not isinstance(module, ModuleType):
        raise WrongArgument("project", describe_argument(module), "a module of declarations or an `fp.Project`")
    values = list(vars(module).values())
    declared = [each for each in values if isinstance(each, Declaration | FeatureSelection | OnDemandSelection)]
    partitions = {id(each): each for each in values if isinstance(each, Partitions)}
    if not declared:
        raise InvalidDeclaration(
            f"Module `{module.__name__}`", "declares nothing", "Declare a source and a view in it."
        )
    if len(partitions) > 1:
        raise InvalidDeclaration(
            f"Module `{module.__name__}`",
            "has several fp.Partitions",
            "A project has one time partitioning; keep one.",
        )
    selections = (FeatureSelection, OnDemandSelection)
    whole = (each.view if isinstance(each, selections) else each for each in declared)
    ordered = order_declarations(each.original if isinstance(each, FeatureView) else each for each in whole)
    return Project(module.__name__.rsplit(".", 1)[-1], next(iter(partitions.values()), Partitions()), ordered)


def order_declarations(declarations: Iterable[Declaration]) -> tuple[Declaration, ...]:
    """Return declarations and all that they are made from, upstream first.

    Raises:
        DuplicateName: two declarations of one kind share a name.
        DependencyCycle: a declaration depends on itself.
    """
    graph: dict[Declaration, tuple[Declaration, ...]] = {}
    waiting = list(declarations)
    while waiting:
        declaration = waiting.pop(0)
        if declaration not in graph:
            graph[declaration] = upstream(declaration)
            waiting.extend(graph[declaration])
    try:
        ordered = tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise DependencyCycle(
            f"{kind_of_declaration(declaration)} `{declaration.name}`" for declaration in error.args[1]
        ) from None
    names: set[tuple[type, str]] = set()
    for declaration in ordered:
        if (type(declaration), declaration.name) in names:
            raise DuplicateName(kind_of_declaration(declaration), declaration.name)
        names.add((type(declaration), declaration.name))
    return ordered
