"""What changed between two versions of a table: partitions, rows, and by how much each column.

Only partitions whose content differs are read, one after the other. Rows are told apart by their keys and clocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import polars as pl

from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Asset
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground.progress import count_steps
from feature_platform.ground.result_table import ResultTable
from feature_platform.ground.working_columns import AFTER, IN_AFTER, IN_BEFORE, OCCURRENCE, PARTITION, ROW
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import differing_partitions
from feature_platform.offline.names import WHOLE


@dataclass(frozen=True)
class ColumnDiff:
    """How one column of the rows that both versions have differs.

    Attributes:
        rows: how many rows say something else.
        nulls: in how many of them one side is null.
        largest: the largest difference of numbers; None where none can be taken.
    """

    rows: int = 0
    nulls: int = 0
    largest: float | None = None

    def __add__(self, other: "ColumnDiff") -> "ColumnDiff":
        apart = [each for each in (self.largest, other.largest) if each is not None]
        return ColumnDiff(self.rows + other.rows, self.nulls + other.nulls, max(apart, default=None))


@dataclass(frozen=True)
class VersionDiff:
    """Two versions of a table compared; print it, or look at its attributes.

    Attributes:
        partitions: those whose content differs (`""` for a whole table), of `partition_count`.
        added, removed, changed: how many rows came, went, and say something else. Rows without keys or clocks are
            only added and removed.
        columns: of the columns that both versions have in one type, those that differ.
        new_columns, lost_columns, retyped_columns: the others.
        examples: some rows that differ; columns with `_before` and `_after` where a value changed.
    """

    table: str
    before: int
    after: int
    partitions: tuple[str, ...]
    partition_count: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    columns: Mapping[str, ColumnDiff] = field(default_factory=dict)
    new_columns: tuple[str, ...] = ()
    lost_columns: tuple[str, ...] = ()
    retyped_columns: tuple[str, ...] = ()
    examples: pl.DataFrame = field(default_factory=pl.DataFrame)

    def result_table(self) -> ResultTable:
        """Return what is shown of it."""
        title = f"{self.table}, version {self.before} to {self.after}: "
        if not self.partitions:
            return ResultTable(title + "the same content")
        title += f"{len(self.partitions)} of {self.partition_count} partitions differ, {self.added:,} rows added, "
        title += f"{self.removed:,} removed, {self.changed:,} changed"
        rows: list[list[object]] = [
            [name, f"{each.rows:,} changed", f"{each.nulls:,}", _number(each.largest)]
            for name, each in self.columns.items()
        ]
        kinds = {"new": self.new_columns, "gone": self.lost_columns, "of another type": self.retyped_columns}
        rows += [[name, what, None, None] for what, names in kinds.items() for name in names]
        return ResultTable(title, ["column", "rows", "from or to null", "by up to"], rows)

    def __str__(self) -> str:
        return self.result_table().text()

    def _repr_html_(self) -> str:
        return self.result_table().html()


def diff_versions(
    asset: Asset, store: OfflineStore, before: int, after: int | None = None, *, examples: int = 5
) -> VersionDiff:
    """Compare two versions of the table of an asset.

    Args:
        after: the later version. Defaults to the newest.
        examples: how many rows that differ are returned.

    Raises:
        TableNotFound, VersionNotFound: the table is not in the store, or does not keep a version.
    """
    kinds = (Source, FeatureView, Label, Spine, TrainingSet)
    require_kind("fp.diff_versions", asset, kinds, "a source, a feature view, a label, a spine or a training set")
    table = asset.asset
    versions = (before, store.latest_version(table) if after is None else after)
    states = [store.partition_states(table, version) for version in versions]
    differing = sorted(differing_partitions(*states))
    schemas = [_columns_of(store.read(table, version=version)) for version in versions]
    shared = [name for name, dtype in schemas[0].items() if schemas[1].get(name) == dtype]
    identity = [name for name in identity_of(asset) if name in shared] or shared
    diff = VersionDiff(
        table,
        *versions,
        partitions=tuple(differing),
        partition_count=len(states[0].keys() | states[1].keys()),
        new_columns=tuple(name for name in schemas[1] if name not in schemas[0]),
        lost_columns=tuple(name for name in schemas[0] if name not in schemas[1]),
        retyped_columns=tuple(name for name in schemas[0] if name in schemas[1] and name not in shared),
    )
    parts = []
    for key in count_steps(differing, f"{table}: partitions that differ", len(differing)):
        first, second = (_read(store, table, version, key).select(shared) for version in versions)
        parts.append(_compare(first, second, identity, examples))
    whole = reduce(_add, parts, diff)
    return replace(whole, examples=whole.examples.head(examples))


def identity_of(asset: Asset) -> tuple[str, ...]:
    """Return the columns that tell the rows of an asset's table apart: join keys and clocks."""
    match asset:
        case Source():
            keys: Sequence[str] = () if asset.entity is None else asset.entity.join_keys
            clocks: Sequence[str | None] = (asset.event_time, asset.known_at) if keys else ()
        case TrainingSet():
            keys = [key for view in asset.service.views for key in view.join_keys]
            clocks = ("event_timestamp",)
        case _:
            keys, clocks = asset.join_keys, (asset.event_time, None if is_windowed(asset) else asset.known_at)
    return tuple(dict.fromkeys([*keys, *(clock for clock in clocks if clock)]))


def _columns_of(rows: pl.LazyFrame) -> dict[str, pl.DataType]:
    """Return the columns of a table without those that the platform adds."""
    return {name: dtype for name, dtype in rows.collect_schema().items() if name not in (PARTITION, ROW)}


def _read(store: OfflineStore, table: str, version: int, partition: str) -> pl.LazyFrame:
    return store.read(table, version=version, partitions=None if partition == WHOLE else [partition])


def _compare(before: pl.LazyFrame, after: pl.LazyFrame, identity: list[str], examples: int) -> VersionDiff:
    """Compare the rows of one partition; of rows of one identity the first is compared with the first."""
    values = [name for name in before.collect_schema() if name not in identity]
    number = pl.int_range(pl.len()).over(identity).alias(OCCURRENCE)
    first = before.with_columns(number, pl.lit(value=True).alias(IN_BEFORE))
    second = after.with_columns(number, pl.lit(value=True).alias(IN_AFTER))
    second = second.rename({name: f"{AFTER}{name}" for name in values})
    on = [*identity, OCCURRENCE]
    both = first.join(second, on=on, how="full", coalesce=True, nulls_equal=True, maintain_order="left_right").collect()
    is_kept = pl.col(IN_BEFORE).is_not_null() & pl.col(IN_AFTER).is_not_null()
    differs = {name: is_kept & pl.col(name).ne_missing(pl.col(f"{AFTER}{name}")) for name in values}
    any_differs = pl.any_horizontal(pl.lit(value=False), *differs.values())
    numeric = [name for name in values if both.schema[name].is_numeric()]
    facts = both.select(
        pl.col(IN_BEFORE).is_null().sum().alias("added"),
        pl.col(IN_AFTER).is_null().sum().alias("removed"),
        any_differs.sum().alias("changed"),
        *(each.sum().alias(f"rows {name}") for name, each in differs.items()),
        *((each & _one_is_null(name)).sum().alias(f"nulls {name}") for name, each in differs.items()),
        *(_largest(name, differs[name]).alias(f"largest {name}") for name in numeric),
    ).row(0, named=True)
    columns = {
        name: ColumnDiff(facts[f"rows {name}"], facts[f"nulls {name}"], facts.get(f"largest {name}"))
        for name in values
        if facts[f"rows {name}"]
    }
    shown = both.filter(any_differs | ~is_kept).head(examples).select(*identity, *_side_by_side(columns))
    return VersionDiff(
        "", 0, 0, (), 0, facts["added"], facts["removed"], facts["changed"], columns=columns, examples=shown
    )


def _side_by_side(names: Mapping[str, ColumnDiff]) -> list[pl.Expr]:
    """Return both values of columns that differ, and on which side a row is."""
    sides = pl.when(pl.col(IN_AFTER).is_null()).then(pl.lit("removed"))
    what = sides.when(pl.col(IN_BEFORE).is_null()).then(pl.lit("added")).otherwise(pl.lit("changed"))
    pairs = ((pl.col(name).alias(f"{name}_before"), pl.col(f"{AFTER}{name}").alias(f"{name}_after")) for name in names)
    return [what.alias("what"), *(each for pair in pairs for each in pair)]


def _one_is_null(name: str) -> pl.Expr:
    return pl.col(name).is_null() | pl.col(f"{AFTER}{name}").is_null()


def _largest(name: str, differs: pl.Expr) -> pl.Expr:
    """Return the largest difference of numbers that differ, infinities and what is not a number aside."""
    apart = (pl.col(f"{AFTER}{name}").cast(pl.Float64) - pl.col(name).cast(pl.Float64)).abs()
    return apart.filter(differs & apart.is_finite()).max()


def _add(one: VersionDiff, other: VersionDiff) -> VersionDiff:
    columns = {name: one.columns.get(name, ColumnDiff()) + each for name, each in other.columns.items()}
    rows = one.examples if other.examples.is_empty() else other.examples if one.examples.is_empty() else None
    return replace(
        one,
        added=one.added + other.added,
        removed=one.removed + other.removed,
        changed=one.changed + other.changed,
        columns={**one.columns, **columns},
        examples=pl.concat([one.examples, other.examples], how="diagonal") if rows is None else rows,
    )


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:,.6g}"
