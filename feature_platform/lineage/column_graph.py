"""The graph of columns: which column of a project is made directly from which others, read from its declarations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from feature_platform.compute.transforms.lineage import lineage_by_table
from feature_platform.compute.transforms.rows import feature_names
from feature_platform.declarations.label import Label
from feature_platform.declarations.naming import AS_OF, SPINE_TIME
from feature_platform.declarations.on_demand import OnDemandSelection, OnDemandView
from feature_platform.declarations.project import Declaration, Project
from feature_platform.declarations.service import FeatureService, selection_of
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import ActiveKeys, LoggedRequests, Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureSelection, FeatureView, is_windowed, view_of
from feature_platform.ground.errors import UnknownName
from feature_platform.ground.table_names import TableKind, service_owner
from feature_platform.lineage.schemas import ProjectSchemas

Column = tuple[str, str]  # the table, service or on-demand view that has it, and its name
_REQUEST, _ON_DEMAND = "request", "on_demand"


def name_declaration(declaration: Declaration) -> str:
    """Return the name of a declaration in a lineage: its table, or `services/<name>`, or `on_demand/<name>`."""
    match declaration:
        case FeatureService():
            return service_owner(declaration.name)
        case OnDemandView():
            return f"{_ON_DEMAND}/{declaration.name}"
        case FeatureView():
            return TableKind.VIEWS.of(declaration.name)  # an alias has a name of its own
        case Union():
            return declaration.title
        case _:
            return declaration.asset


@dataclass(frozen=True, eq=False)
class ColumnGraph:
    """The columns of a project; of each declaration they are found when they are first asked for.

    Attributes:
        schemas: the columns of its tables.
    """

    project: Project
    schemas: ProjectSchemas
    _behind: dict[str, Mapping[str, tuple[Column, ...]]] = field(default_factory=dict, init=False)

    @cached_property
    def owners(self) -> Mapping[str, Declaration]:
        """Return all that has columns, aliases too, by name, upstream first."""
        found: dict[str, Declaration] = {}
        for each in (each for each in self.project.declarations if not isinstance(each, Union)):  # it has members
            reading = each.views if isinstance(each, (FeatureService, OnDemandView)) else ()
            for declaration in (*reading, each):
                found.setdefault(name_declaration(declaration), declaration)
        return found

    def find(self, reference: str) -> Column:
        """Return the column that a reference such as `views/spending.price_trend` names.

        What comes before the dot may be left out up to the last slash, where one declaration has that name.

        Raises:
            UnknownName: there is no such declaration, several, or no such column.
        """
        name, _, column = reference.partition(".")
        found = [owner for owner in self.owners if name in (owner, owner.partition("/")[2])]
        if len(found) != 1:
            known = found or self.owners
            raise UnknownName(f"Project `{self.project.name}`", "one table or service", name, known)
        columns = self.columns_behind(found[0])
        if column not in columns:
            raise UnknownName(f"`{found[0]}`", "column", column, columns)
        return found[0], column

    def columns_behind(self, owner: str) -> Mapping[str, tuple[Column, ...]]:
        """Return the columns of a declaration, each with those that it is made directly from."""
        if owner not in self._behind:
            self._behind[owner] = dict(self._columns_of(self.owners[owner]))
        return self._behind[owner]

    def columns_ahead(self, column: Column) -> Iterator[Column]:
        """Yield the columns that are made directly from a column."""
        for owner in self.owners:
            for name, behind in self.columns_behind(owner).items():
                if column in behind:
                    yield owner, name

    def describe(self, column: Column) -> str:
        """Return in a few words what a column is."""
        owner, name = column
        if owner == _REQUEST:
            return "a field of the request"
        declaration = self.owners[owner]
        match declaration:
            case FeatureView() if declaration.aliased is not None:
                found = ", ".join(f"{key} by {mine}" for mine, key in declaration.own_keys.items())
                return f"alias, finds {found}"
            case FeatureView() if is_windowed(declaration) and name in declaration.windows.derived:
                return "derived"
            case FeatureView() | Label() if made := [
                each for each in declaration.aggregations if name in each.features
            ]:
                return repr(made[0])
            case OnDemandView() if name in declaration.expressions:
                return "computed when it is asked"
        return self._role_of(declaration, name)

    def _role_of(self, declaration: Declaration, name: str) -> str:
        keys: tuple[str, ...] = ()
        if isinstance(declaration, (FeatureView, Label, Spine)):
            keys = declaration.join_keys
        elif isinstance(declaration, Source) and declaration.entity is not None:
            keys = declaration.entity.join_keys
        clocks = {}
        if isinstance(declaration, (Source, FeatureView, Label)):
            clocks = {declaration.known_at: "known at", declaration.event_time: "event time"}
        return "join key" if name in keys else clocks.get(name, "")

    # -------------------------------------------------------------- what has columns

    def _columns_of(self, declaration: Declaration) -> Iterator[tuple[str, tuple[Column, ...]]]:
        match declaration:
            case Source():
                yield from ((name, ()) for name in self.schemas.schema_of(declaration))
            case FeatureView() if declaration.aliased is not None:
                original = declaration.original
                for name in self.columns_behind(original.asset):
                    yield name, ((original.asset, name),)
            case FeatureView() | Label():
                yield from self._columns_of_table(declaration)
            case Spine():
                yield from self._columns_of_spine(declaration)
            case OnDemandView():
                for feature in declaration.features:
                    yield feature, tuple(_named_input(declaration, each) for each in declaration.reads([feature]))
            case FeatureService():
                yield from self._columns_of_service(declaration)
            case TrainingSet():
                yield from self._columns_of_training_set(declaration)

    def _columns_of_table(self, asset: FeatureView | Label) -> Iterator[tuple[str, tuple[Column, ...]]]:
        derived = asset.windows.derived if is_windowed(asset) else {}
        if is_windowed(asset):
            yield AS_OF, ()
        for name, behind in lineage_by_table(asset, self.schemas.read_by(asset)).items():
            roots = dict.fromkeys(derived[name].meta.root_names()) if name in derived else ()
            yield name, tuple((asset.asset, root) for root in roots) or behind

    def _columns_of_spine(self, spine: Spine) -> Iterator[tuple[str, tuple[Column, ...]]]:
        if isinstance(spine.rule, LoggedRequests):
            fields = (name for name in self.schemas.schema_of(spine) if name != SPINE_TIME)
            yield SPINE_TIME, ()
            yield from ((name, ((_REQUEST, name),)) for name in fields)
            return
        moments = (each for each in spine.inputs if each.event_time is not None)
        yield SPINE_TIME, tuple((each.asset, str(each.event_time)) for each in moments)
        names = [*spine.join_keys] if isinstance(spine.rule, ActiveKeys) else self.schemas.schema_of(spine)
        for name in names:
            behind = tuple((each.asset, name) for each in spine.inputs if name in self.schemas.schema_of(each))
            if name != SPINE_TIME and behind:
                yield name, behind

    def _columns_of_service(self, service: FeatureService) -> Iterator[tuple[str, tuple[Column, ...]]]:
        for selection in map(selection_of, service.selections):
            if isinstance(selection, OnDemandSelection):
                owner, features = name_declaration(selection.view), selection.features
            else:
                view = view_of(selection)
                owner = name_declaration(view)
                features = selection.features if isinstance(selection, FeatureSelection) else self._features_of(view)
            for feature in features:
                yield service.column(selection, feature), ((owner, feature),)

    def _columns_of_training_set(self, training_set: TrainingSet) -> Iterator[tuple[str, tuple[Column, ...]]]:
        spine, service = training_set.spine, name_declaration(training_set.service)
        moment = SPINE_TIME if isinstance(spine, Spine) else str(spine.event_time)
        yield SPINE_TIME, ((spine.asset, moment),)
        for name in self.columns_behind(spine.asset) if spine.asset in self.owners else ():
            if name != moment:
                yield name, ((spine.asset, name),)
        for name in self.columns_behind(service):
            yield name, ((service, name),)
        for label in training_set.labels:
            columns = self.columns_behind(label.asset)
            hidden = {*label.join_keys, label.event_time, label.known_at}
            for name in columns if label.columns is None else label.columns:
                if name not in hidden:
                    yield name, ((label.asset, name),)

    def _features_of(self, view: FeatureView) -> tuple[str, ...]:
        return view.declared_features or feature_names(view, self.schemas.schema_of(view.original))


def _named_input(view: OnDemandView, reference: str) -> Column:
    """Return the column that an input of an on-demand view is; the time of a row is its view's event time."""
    owner, dot, feature = reference.partition(".")
    if not dot or reference in view.request:
        return _REQUEST, reference
    read = next(each for each in view.views if each.name == owner)
    return name_declaration(read), str(read.event_time) if feature == "event_time" else feature
