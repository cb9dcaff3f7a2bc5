"""A spine and its joins as a frame: computed when it is collected, and only the columns that are used.

Every spine row comes out exactly once, in its order. Where the result is larger than what one piece of work
should hold, its columns are computed a few at a time and kept on disk until they are put together as rows.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field

import polars as pl
from polars.io.plugins import register_io_source

from feature_platform.compute.joins.base import Join, JoinAnswer
from feature_platform.compute.joins.columns import ColumnGroups, InMemory, Spilled
from feature_platform.compute.joins.prefetch import prefetch
from feature_platform.compute.joins.spine import SpineRows
from feature_platform.compute.keys.widths import row_width, width_of
from feature_platform.compute.transforms.impute import flag_of, impute
from feature_platform.compute.transforms.on_demand import OnDemandColumns
from feature_platform.ground.memory import working_memory
from feature_platform.ground.progress import count_steps
from feature_platform.parts.imputation import FittedImputation, Imputation

IN_MEMORY = 512 * 2**20  # bytes of a result up to which it is put together in memory
GROUP = 160 * 2**20  # bytes of columns that are computed together at most


@dataclass(frozen=True)
class JoinPlan:
    """A plan: a spine, joins one after the other, on-demand columns computed from them, gaps filled in the end.

    Attributes:
        time: the column of the spine with the moment of each row.
        rules: how gaps are filled, by feature.
        outcomes: joins whose columns come last and are not filled.
        on_demand: what is computed from columns of the spine and of joins, before gaps are filled.
        order: the columns of `joins` and `on_demand` that are shown, in order. Defaults to all. Others are
            inputs only.
        tell_clipped: called, when columns have been computed, with how many values of each request field were replaced
            by a bound, if any were.
    """

    spine: pl.LazyFrame
    time: str
    joins: Sequence[Join]
    owner: str
    rules: Mapping[str, Imputation] = field(default_factory=dict)
    outcomes: Sequence[Join] = ()
    on_demand: Sequence[OnDemandColumns] = ()
    order: Sequence[str] | None = None
    tell_clipped: Callable[[Mapping[str, int]], None] | None = None

    def schema(self) -> pl.Schema:
        """Return the columns of the result."""
        added: dict[str, pl.DataType] = {}
        for columns_of in (*(join.added for join in self.joins), *(each.added for each in self.on_demand)):
            added |= columns_of
        shown = added if self.order is None else {name: added[name] for name in self.order}
        columns = {**self.spine.collect_schema(), **shown}
        if self.rules:
            columns = dict(impute(pl.LazyFrame(schema=columns), self.rules, time=self.time).collect_schema())
        for join in self.outcomes:
            columns |= join.added
        return pl.Schema(columns)

    def lazy(self) -> pl.LazyFrame:
        """Return the result as a frame that is computed when it is collected."""
        schema, context = self.schema(), copy_context()

        def rows(
            names: list[str] | None, predicate: pl.Expr | None, limit: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            blocks = self.blocks(list(schema) if names is None else names, limit)
            for block in prefetch(blocks, context):
                yield block if predicate is None else block.filter(predicate)

        return register_io_source(rows, schema=schema, is_pure=True, explain_name="point-in-time join")

    def blocks(self, names: Sequence[str], limit: int | None = None) -> Iterator[pl.DataFrame]:
        """Yield the rows in order, with some of the columns; only what these need is read."""
        used = self._columns_needed(names)
        own = self.spine.collect_schema()
        asked_by = {key for join in self._joins_of(used) for key in join.types} | {self.time}
        spine = self.spine if limit is None else self.spine.head(limit)
        rows = spine.select(name for name in own if name in used or name in asked_by).collect()
        columns: ColumnGroups = Spilled() if self.is_large(rows.height) else InMemory()
        groups = self._groups(rows, used)
        del rows
        for group in prefetch(groups):
            columns.add(group)
            del group
        yield from columns.blocks(names)

    def is_large(self, height: int) -> bool:
        """Tell whether so many rows of the result are more than should be held at once."""
        return height * row_width(self.schema()) > min(IN_MEMORY, working_memory())

    def _groups(self, rows: pl.DataFrame, used: Mapping[str, bool]) -> Iterator[pl.DataFrame]:
        """Yield the columns of the result in groups, each computed when it is asked for."""
        spine, joins = SpineRows(rows, self.time, self.owner), self._joins_of(used)
        hidden, teaching = self._hidden(), {self.time, *self._taught_by()}
        early = hidden | teaching | self._inputs(used)
        inputs = rows.select(name for name in rows.columns if name in early)
        yield rows
        del rows
        if not any(join.asks_by_rows for join in joins):
            for join in joins:
                spine.codes(join.types)
            spine.forget_rows()
        wanted = [[name for name in join.added if name in used] for join in joins]
        answers: dict[int, JoinAnswer] = {}
        for number, join in enumerate(joins):
            if first := [name for name in wanted[number] if name in early]:
                answer = join.answer(spine, wanted[number])
                inputs = inputs.hstack(answer.values(first))
                wanted[number] = [name for name in wanted[number] if name not in hidden]
                if wanted[number]:
                    answers[number] = answer
                del answer
        clipped: dict[str, int] = {}  # by field: several views that read one replace the same values
        for group in self._on_demand(inputs, teaching.intersection(used), clipped):
            inputs = inputs.hstack(group)
        for group in self._on_demand(inputs, used, clipped):
            yield self._fill_gaps(group, inputs, used)
        if clipped and self.tell_clipped is not None:
            self.tell_clipped(clipped)
        inputs = inputs.select(name for name in inputs.columns if name in teaching)
        for number, join in enumerate(joins):
            if wanted[number]:
                answer = answers.pop(number) if number in answers else join.answer(spine, wanted[number])
                groups = list(_by_width(wanted[number], join.added, spine.height))
                for names in count_steps(groups, f"{join.name}: fetching values", len(groups)):
                    yield self._fill_gaps(answer.values(names), inputs, used)

    def _on_demand(
        self, inputs: pl.DataFrame, wanted: Container[str], clipped: dict[str, int]
    ) -> Iterator[pl.DataFrame]:
        """Yield the on-demand columns among some, in groups, from their inputs."""
        for columns in self.on_demand:
            for names in _by_width([name for name in columns.added if name in wanted], columns.added, inputs.height):
                yield columns.values(inputs, names, clipped.__setitem__)

    def _taught_by(self) -> set[str]:
        rules = self.rules.values()
        return {rule.by for rule in rules if isinstance(rule, FittedImputation) and rule.by is not None}

    def _hidden(self) -> set[str]:
        """Return the columns that joins add as inputs only."""
        shown = self.order
        return set() if shown is None else {name for join in self.joins for name in join.added if name not in shown}

    def _inputs(self, used: Iterable[str]) -> set[str]:
        """Return the columns that those of `used` which are on demand are computed from."""
        return {read for each in self.on_demand for read in each.reads([name for name in used if name in each.added])}

    def _fill_gaps(self, columns: pl.DataFrame, inputs: pl.DataFrame, used: Mapping[str, bool]) -> pl.DataFrame:
        rules = {name: self.rules[name] for name in columns.columns if name in self.rules and used[name]}
        if not rules:
            return columns
        by = {self.time, *self._taught_by()}
        others = inputs.select(name for name in inputs.columns if name in by and name not in columns.columns)
        return impute(others.hstack(columns), rules, time=self.time).drop(others.columns).collect()

    @property
    def all_joins(self) -> Sequence[Join]:
        """Return all joins in the order of their columns."""
        return (*self.joins, *self.outcomes)

    def _joins_of(self, used: Mapping[str, bool]) -> list[Join]:
        return [join for join in self.all_joins if any(name in used for name in join.added)]

    def _columns_needed(self, names: Sequence[str]) -> dict[str, bool]:
        """Return the columns that some are made from, and whether each is wanted itself: only then gaps are filled."""
        flags = {flag_of(name): name for name in self.rules}
        wanted = dict.fromkeys((flags.get(name, name) for name in names), True)
        rules = [rule for name, rule in self.rules.items() if name in wanted]
        by = [rule.by for rule in rules if isinstance(rule, FittedImputation) and rule.by is not None]
        return dict.fromkeys(sorted(self._inputs([*by, *wanted])), False) | dict.fromkeys(by, False) | wanted


def _by_width(names: Sequence[str], types: Mapping[str, pl.DataType], height: int) -> Iterator[list[str]]:
    """Yield names in groups whose columns take no more bytes than a group may, but for a single one."""
    most = min(GROUP, working_memory() // 2)
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
