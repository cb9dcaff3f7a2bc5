"""Merging: the pushed rows of a source come after those of its connector, without those that it has delivered, too.

So a pushed row wins when two rows tie. Those that break a critical expectation about rows are refused, and a run puts
them into quarantine: nobody can take a push back, and it must not stop the rest.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from feature_platform.compute.transforms.pushed import ORIGIN, rows_also_pushed, undelivered_rows
from feature_platform.declarations.source import Source
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import PUSH, PUSH_ROW, SPOOL
from feature_platform.offline.schema import added_columns, make_storable
from feature_platform.pipelines.pushes.accepting import compares_rows, refused_pushed_rows, row_expectations
from feature_platform.quality.row_rules import argument_columns


@dataclass(frozen=True)
class SourcePart:
    """Some rows of a source.

    Attributes:
        accepted: those that the source takes in.
        refused: pushed rows that it leaves out, with the expectation that each breaks.
    """

    accepted: pl.DataFrame
    refused: tuple[pl.DataFrame, ...] = ()


def merge_pushes(
    source: Source, batches: Iterable[pl.DataFrame], pushed: pl.DataFrame, stored: pl.Schema | None
) -> Iterator[SourcePart]:
    """Yield the rows of a connector in batches, and after them the pushed ones that it has not delivered.

    Args:
        stored: the columns of the source's table, when it has one.
    """
    waiting: WaitingPushes | None = None
    for batch in batches:
        delivered = make_storable(source.asset, batch, stored)
        if waiting is None:
            waiting = WaitingPushes(source, pushed, delivered.schema)
        waiting.see(delivered)
        yield SourcePart(delivered)
    if waiting is not None:
        yield waiting.remaining_rows()


def join_parts(parts: Iterable[SourcePart]) -> SourcePart:
    """Return parts as one."""
    every = list(parts)
    refused = tuple(rows for part in every for rows in part.refused)
    return SourcePart(pl.concat([part.accepted for part in every], rechunk=False), refused)


class WaitingPushes:
    """Pushed rows that wait until all rows of their connector were seen."""

    def __init__(self, source: Source, pushed: pl.DataFrame, columns: pl.Schema) -> None:
        self.pushed = _conform(source, pushed, columns)
        self.columns = tuple(columns)
        self.alone = [each for each in row_expectations(source) if not compares_rows(each)]
        self.among = [each for each in row_expectations(source) if compares_rows(each)]
        sets = {self.columns, *(argument_columns(each.kwargs) for each in self.among)}
        self.seen: dict[tuple[str, ...], list[pl.DataFrame]] = {
            columns: [] for columns in sets if set(columns) <= set(self.columns)
        }

    def see(self, delivered: pl.DataFrame) -> None:
        """Keep those delivered rows that a pushed one may equal, in all columns or in those that must be unique."""
        if self.pushed.height:
            for columns, kept in self.seen.items():
                kept.append(rows_also_pushed(delivered, self.pushed, columns))

    def remaining_rows(self) -> SourcePart:
        """Return the pushed rows that were not delivered, without those that an expectation refuses."""
        if not self.pushed.height:
            return SourcePart(self.pushed.drop(list(ORIGIN)))
        accepted = undelivered_rows(self.pushed, pl.concat(self.seen[self.columns]), self.columns)
        refused: list[pl.DataFrame] = []
        for expect in (*self.alone, *self.among):
            columns = argument_columns(expect.kwargs)
            others = self.seen.get(columns, []) if expect in self.among else []
            broken = refused_pushed_rows(pl.concat([*others, accepted], how="diagonal"), expect)
            accepted = accepted.join(broken, on=[SPOOL, PUSH, PUSH_ROW], how="anti", maintain_order="left")
            if broken.height:
                refused.append(broken)
        return SourcePart(accepted.drop(list(ORIGIN)), tuple(refused))


def _conform(source: Source, pushed: pl.DataFrame, wanted: pl.Schema) -> pl.DataFrame:
    """Return pushed rows with the columns of a connector; columns that the source got later are null.

    Raises:
        SchemaChanged: a column has another type than when it was pushed.
    """
    known = pl.Schema({name: dtype for name, dtype in pushed.schema.items() if name in wanted})
    added = added_columns(TableKind.PUSHES.of(source.name), known, wanted)
    nulls = [pl.lit(None, dtype=wanted[name]).alias(name) for name in added]
    return pushed.with_columns(nulls).select(*wanted, *ORIGIN)
