"""Lineage as a tree: what a column is made from, up to sources, or what is made from it, down to training sets."""

from dataclasses import dataclass
from html import escape

from feature_platform.declarations.project import Project
from feature_platform.lineage.column_graph import Column, ColumnGraph
from feature_platform.lineage.schemas import ProjectSchemas
from feature_platform.offline import OfflineStore


@dataclass(frozen=True, repr=False)
class LineageTree:
    """A column, and below it those that it is made from, or that are made from it; print it.

    Attributes:
        column: as `views/spending.price_trend`.
        note: what it is: an aggregation, `derived`, `join key`, `event time`; empty where nothing is to be said.
        branches: of a column that stands with its branches elsewhere in the tree none.
        is_repeated: whether it stands elsewhere in the tree with its branches.
    """

    column: str
    note: str
    branches: tuple["LineageTree", ...] = ()
    is_repeated: bool = False

    def columns(self) -> list[str]:
        """Return the columns of the tree, each once, in the order in which they are printed."""
        return list(dict.fromkeys([self.column, *(name for each in self.branches for name in each.columns())]))

    def facts(self) -> dict[str, object]:
        """Return the same as plain values, for JSON."""
        branches = [each.facts() for each in self.branches]
        return {"column": self.column, "note": self.note, "branches": branches, "repeated": self.is_repeated}

    def lines(self) -> list[str]:
        """Return the lines that are printed."""
        below = []
        for place, branch in enumerate(self.branches, start=1):
            first, rest = ("└─ ", "   ") if place == len(self.branches) else ("├─ ", "│  ")
            lines = branch.lines()
            below += [first + lines[0], *(rest + line for line in lines[1:])]
        notes = [self.note, "branches as above" if self.is_repeated else ""]
        return ["  ".join(filter(None, [self.column, ", ".join(filter(None, notes))])), *below]

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def lineage_tree(project: Project, column: str, store: OfflineStore, *, down: bool = False) -> LineageTree:
    """Return what a column is made from, or what is made from it, as a tree.

    Up, it ends at columns of sources and fields of requests; down, at services, training sets and spines. Behind a
    feature are also the columns that decide which rows it is made of: filters, keys, and the clocks of other tables.
    It is read from the declarations and the columns of tables; no row is read.

    Args:
        column: `views/spending.price_trend`, or of a label, source, spine, training set, `services/<name>` or
            `on_demand/<name>`; without the part before the slash where one declaration has the name.
        store: where the columns of tables are looked up. Those of a source that was never made are asked of its
            connector.
        down: what is made from it.

    Raises:
        UnknownName: the project has no such declaration, or that has no such column.
        SourceUnreadable, TransformFailed: a source that was never made cannot be opened, or a function fails.

    >>> import tempfile
    >>> import polars as pl
    >>> import feature_platform as fp
    >>> from feature_platform.declarations.project import order_declarations
    >>> rows = pl.DataFrame(schema={"customer": pl.String, "at": pl.Datetime("us", "UTC"), "amount": pl.Float64})
    >>> orders = fp.Source("orders", fp.sources.Frame(rows), event_time="at")
    >>> entity = fp.Entity("customer", join_keys=["customer"])
    >>> last = fp.feature_view(entity=entity, source=orders, name="last")(lambda orders: orders)
    >>> project = fp.Project("shop", fp.Partitions(), order_declarations([last]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lineage_tree(project, "last.amount", fp.OfflineStore(folder))
    views/last.amount
    └─ sources/orders.amount
    """
    graph = ColumnGraph(project, ProjectSchemas(store))
    return _tree(graph, graph.find(column), set(), down=down)


def _tree(graph: ColumnGraph, column: Column, seen: set[Column], *, down: bool) -> LineageTree:
    owner, name = column
    text, note = f"{owner}.{name}", graph.describe(column)
    if down:
        following = tuple(dict.fromkeys(graph.columns_ahead(column)))
    else:
        following = graph.columns_behind(owner).get(name, ()) if owner in graph.owners else ()
    if column in seen and following:
        return LineageTree(text, note, is_repeated=True)
    seen.add(column)
    return LineageTree(text, note, tuple(_tree(graph, each, seen, down=down) for each in following))
