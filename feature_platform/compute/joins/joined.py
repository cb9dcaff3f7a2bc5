"""A spine with what joins add to it: a frame that is computed when it is collected, and only what is used of it.

Every spine row comes out exactly once, in its order. Where the result is larger than what one piece of work
should hold, its columns are computed a few at a time and kept on disk until they are put together as rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field

import polars as pl
from polars.io.plugins import register_io_source

from feature_platform.compute.impute import flag_of, impute
from feature_platform.compute.joins.ahead import ahead
from feature_platform.compute.joins.base import Answer, Join
from feature_platform.compute.joins.columns import Columns, InMemory, Spilled
from feature_platform.compute.joins.spine import Spine
from feature_platform.compute.widths import row_width, width_of
from feature_platform.imputation import FittedImputation, Imputation
from feature_platform.memory import working_memory
from feature_platform.progress import counted

IN_MEMORY = 512 * 2**20  # bytes of a result up to which it is put together in memory
GROUP = 160 * 2**20  # bytes of columns that are computed together at most


@dataclass(frozen=True)
class Joined:
    """What is computed: a spine, joins one after the other, gaps filled in the end.

    Attributes:
        time: the column of the spine that says when each row asks.
        rules: how gaps are filled, by feature.
        outcomes: joins whose columns come last and are not filled.
    """

    spine: pl.LazyFrame
    time: str
    joins: Sequence[Join]
    owner: str
    rules: Mapping[str, Imputation] = field(default_factory=dict)
    outcomes: Sequence[Join] = ()

    def schema(self) -> pl.Schema:
        """The columns of the result."""
        columns = dict(self.spine.collect_schema())
        for join in self.joins:
            columns |= join.added
        if self.rules:
            columns = dict(impute(pl.LazyFrame(schema=columns), self.rules, time=self.time).collect_schema())
        for join in self.outcomes:
            columns |= join.added
        return pl.Schema(columns)

    def lazy(self) -> pl.LazyFrame:
        """The result as a frame that is computed when it is collected."""
        schema, context = self.schema(), copy_context()

        def rows(
            names: list[str] | None, predicate: pl.Expr | None, limit: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            blocks = self.blocks(list(schema) if names is None else names, limit)
            for block in ahead(blocks, context):
                yield block if predicate is None else block.filter(predicate)

        return register_io_source(rows, schema=schema, is_pure=True, explain_name="point-in-time join")

    def blocks(self, names: Sequence[str], limit: int | None = None) -> Iterator[pl.DataFrame]:
        """The rows in order, with some of the columns; only what these need is read."""
        used = self._used(names)
        own = self.spine.collect_schema()
        asked_by = {key for join in self._joins_of(used) for key in join.types} | {self.time}
        spine = self.spine if limit is None else self.spine.head(limit)
        rows = spine.select(name for name in own if name in used or name in asked_by).collect()
        columns: Columns = Spilled() if self.is_large(rows.height) else InMemory()
        groups = self._groups(rows, used)
        del rows
        for group in ahead(groups):
            columns.add(group)
            del group
        yield from columns.blocks(names)

    def is_large(self, height: int) -> bool:
        """Whether so many rows of the result are more than should be held at once."""
        return height * row_width(self.schema()) > min(IN_MEMORY, working_memory())

    def _groups(self, rows: pl.DataFrame, used: Mapping[str, bool]) -> Iterator[pl.DataFrame]:
        """The columns of the result in groups, each computed when it is asked for."""
        spine, teaching, joins = Spine(rows, self.time, self.owner), self._teaching(rows), self._joins_of(used)
        yield rows
        del rows
        if not any(join.asks_by_rows for join in joins):
            for join in joins:
                spine.codes(join.types)
            spine.forget_rows()
        wanted = [[name for name in join.added if name in used] for join in joins]
        answers: dict[int, Answer] = {}
        for number, join in enumerate(joins):
            if taught_by := [name for name in wanted[number] if name in self._taught_by()]:
                answers[number] = join.answer(spine, wanted[number])
                teaching = teaching.hstack(answers[number].values(taught_by))
        for number, join in enumerate(joins):
            answer = answers.pop(number, None) or join.answer(spine, wanted[number])
            groups = list(_by_width(wanted[number], join.added, teaching.height, min(GROUP, working_memory() // 2)))
            for names in counted(groups, f"{join.name}: fetching values", len(groups)):
                yield self._filled(answer.values(names), teaching, used)

    def _teaching(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What gaps are filled by, besides the values themselves."""
        return rows.select(name for name in rows.columns if name == self.time or name in self._taught_by())

    def _taught_by(self) -> set[str]:
        rules = self.rules.values()
        return {rule.by for rule in rules if isinstance(rule, FittedImputation) and rule.by is not None}

    def _filled(self, found: pl.DataFrame, teaching: pl.DataFrame, used: Mapping[str, bool]) -> pl.DataFrame:
        rules = {name: self.rules[name] for name in found.columns if name in self.rules and used[name]}
        if not rules:
            return found
        others = teaching.drop(found.columns, strict=False)
        return impute(others.hstack(found), rules, time=self.time).drop(others.columns).collect()

    @property
    def all_joins(self) -> Sequence[Join]:
        """In the order of their columns."""
        return (*self.joins, *self.outcomes)

    def _joins_of(self, used: Mapping[str, bool]) -> list[Join]:
        return [join for join in self.all_joins if any(name in used for name in join.added)]

    def _used(self, names: Sequence[str]) -> dict[str, bool]:
        """The columns that some are made from; and whether they are wanted themselves, so that gaps are filled."""
        flags = {flag_of(name): name for name in self.rules}
        wanted = dict.fromkeys((flags.get(name, name) for name in names), True)
        rules = [rule for name, rule in self.rules.items() if name in wanted]
        by = [rule.by for rule in rules if isinstance(rule, FittedImputation) and rule.by is not None]
        return dict.fromkeys(by, False) | wanted


def _by_width(names: Sequence[str], types: Mapping[str, pl.DataType], height: int, most: int) -> Iterator[list[str]]:
    """Names in groups whose columns take no more bytes together, but for a single one."""
    group: list[str] = []
    size = 0
    for name in names:
        width = height * width_of(types[name])
        if group and size + width > most:
            yield group
            group, size = [], 0
        group.append(name)
        size += width
    if group:
        yield group
