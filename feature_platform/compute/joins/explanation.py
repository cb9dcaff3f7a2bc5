"""The method, the reads and the approximate cost of a join, known before anything but the log is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import polars as pl

from feature_platform.compute.joins.base import Join
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.spine import SpineRows
from feature_platform.compute.keys.widths import row_width
from feature_platform.ground.clock import moment_of

_ROWS_A_SECOND = 15e6  # rows looked at and values fetched; two cores, docs/benchmarks.md
_BASE = 250 * 2**20  # what the packages take before there are any rows
_FOR_A_ROW = 28  # bytes held for each row of a spine while places are looked for


@dataclass(frozen=True)
class Reading:
    """The part of one table that a join reads.

    Attributes:
        method: how its rows are found.
        columns: those that are read, keys and clocks first.
        pieces, of: how many of its pieces of time can hold an answer.
        rows: in these pieces; `None` when that is not known before.
        size: about how many bytes are read from storage.
    """

    table: str
    method: str
    columns: tuple[str, ...]
    pieces: int
    of: int
    rows: int | None
    size: int | None


@dataclass(frozen=True, repr=False)
class Explanation:
    """The method and the cost of a join; `str` of it is a text for people.

    Attributes:
        rows: of the spine.
        span: its first and last time, as text.
        on_demand: for each on-demand view the columns that it computes, and the inputs that it reads.
        on_disk: whether the columns of the result are put together on disk instead of in memory.
        result: bytes of the result.
        memory: about how many bytes the process will hold at most.
        seconds: about how long it takes on two cores.
    """

    rows: int
    span: tuple[str, str] | None
    readings: tuple[Reading, ...]
    on_disk: bool
    result: int
    memory: int
    seconds: float
    on_demand: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)

    def __repr__(self) -> str:
        where = "put together on disk, a few columns at a time" if self.on_disk else "put together in memory"
        when = f", {self.span[0]} to {self.span[1]}" if self.span else ""
        lines = [f"{self.rows:,} spine rows{when}; {_bytes(self.result)} of result, {where}"]
        for reading in self.readings:
            size = "" if reading.size is None else f", about {_bytes(reading.size)}"
            rows = "rows not counted yet" if reading.rows is None else f"{reading.rows:,} rows"
            lines.append(f"  {reading.table}: {reading.method}")
            lines.append(f"    reads {reading.pieces} of {reading.of} pieces of time, {rows}{size}")
            lines.append(f"    columns {', '.join(reading.columns)}")
        for view, (columns, read) in self.on_demand.items():
            lines.append(f"  {view}: computed on demand, row by row")
            lines.append(f"    {', '.join(columns)} from {', '.join(read)}")
        return "\n".join([*lines, f"about {self.seconds:.1f} s and {_bytes(self.memory)} of memory"])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    def facts(self) -> dict[str, object]:
        """Return the same in words that JSON can hold, for the record of a run."""
        return {
            "spine_rows": self.rows,
            "execution": "on disk" if self.on_disk else "in memory",
            "result_bytes": self.result,
            "read": {
                reading.table: {
                    "method": reading.method,
                    "pieces": f"{reading.pieces} of {reading.of}",
                    "rows": reading.rows,
                }
                for reading in self.readings
            },
        }


def explain_join(plan: JoinPlan) -> Explanation:
    """Explain a plan; of the spine only its times are read, of tables nothing."""
    times = SpineRows(plan.spine.select(plan.time).collect(), plan.time, plan.owner)
    height, span = times.rows.height, times.span()
    readings = tuple(_reading(join, span) for join in plan.all_joins if join.table)
    result = height * row_width(plan.schema())
    on_disk = plan.is_large(height)
    largest = max((piece.height or 0 for join in plan.all_joins for piece in join.table), default=0)
    looked_at = sum(reading.rows or 0 for reading in readings)
    values = height * sum(len(join.added) for join in plan.all_joins)
    return Explanation(
        rows=height,
        span=None if span is None else (str(moment_of(span[0])), str(moment_of(span[1]))),
        readings=readings,
        on_disk=on_disk,
        result=result,
        memory=_BASE + height * _FOR_A_ROW + (result // 4 if on_disk else 2 * result) + largest * 40,
        seconds=(looked_at + height + values) / _ROWS_A_SECOND,
        on_demand={each.view.name: (tuple(each.added), tuple(each.inputs)) for each in plan.on_demand},
    )


def _reading(join: Join, span: tuple[int, int] | None) -> Reading:
    reached = join.reach(*span) if span else ()
    columns = join.reads(list(join.added))
    heights = [piece.height for piece in reached]
    sizes = [piece.size for piece in reached]
    share = _share(columns, join.table[0].rows.collect_schema())
    return Reading(
        join.name,
        join.method_for(reached, list(join.added)),
        tuple(columns),
        len(reached),
        len(join.table),
        None if None in heights else sum(height or 0 for height in heights),
        None if None in sizes else round(share * sum(size or 0 for size in sizes)),
    )


def _share(columns: Sequence[str], schema: pl.Schema) -> float:
    """Return the share of some columns in the width of all."""
    read = pl.Schema({name: dtype for name, dtype in schema.items() if name in columns})
    return row_width(read) / max(row_width(schema), 1)


def _bytes(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"
