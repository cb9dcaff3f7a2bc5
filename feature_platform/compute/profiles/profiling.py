"""Profiles of partitions whose rows are seen once: many small partitions are counted together, none is held long.

Layouts that are missing are learnt from the first rows that have values of a column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

import numpy as np
import polars as pl

from feature_platform.compute.profiles import distinct
from feature_platform.compute.profiles.counting import layouts_of, profiles_within, starts_of
from feature_platform.compute.profiles.distinct import Sketch
from feature_platform.compute.profiles.kinds import value_kind_of
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.moments import Starts
from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.compute.profiles.profile import ColumnProfile, empty_profile
from feature_platform.compute.profiles.waiting import fits_nothing, move_to_layout, waiting_layout, waits

HELD_VALUES = 1 << 20  # rows x columns that wait to be counted together; of fixed width 8 MB
_SEED = 5


@dataclass
class _PassedPartition:
    """The counts of one partition so far."""

    rows: int = 0
    columns: dict[str, ColumnProfile] = field(default_factory=dict)
    keys: Sketch = field(default_factory=lambda: distinct.EMPTY)
    hashes: list[Sketch] = field(default_factory=list)
    duplicates: int = 0


class Profiler:
    """A counter that sees the rows of partitions as they pass, and gives their profiles at the end.

    Args:
        layouts: of the columns that are known; a column of another kind by now is learnt anew.
        keys: the columns of the entity, of which different values are counted together where all of them are there.
        identity: the columns by which rows are the same, all when there are none; None does not look. Rows are
            identified by 64-bit hashes, which cost 8 bytes a row while their partition passes; that two of a billion
            different rows are taken for one has a probability of 3%.

    >>> profiler = Profiler(identity=())
    >>> profiler.see("2024-01-01", pl.DataFrame({"x": [1.0, 1.0, None]}))
    >>> found = profiler.profiles({"2024-01-01": "a hash"})["2024-01-01"]
    >>> found.rows, found.duplicates, found.columns["x"].mean
    (3, 1, 1.0)
    """

    def __init__(
        self,
        layouts: Mapping[str, Layout] | None = None,
        *,
        keys: Sequence[str] = (),
        identity: Sequence[str] | None = None,
    ) -> None:
        self._layouts = dict(layouts or {})
        self._keys, self._identity = keys, identity
        self._schema = pl.Schema()
        self._held: list[tuple[str, pl.DataFrame]] = []
        self._values = 0
        self._passed: dict[str, _PassedPartition] = {}

    def see(self, partition: str, rows: pl.DataFrame) -> None:
        """Take in the next rows; all rows of a partition pass before those of the next, and all have the same columns.

        Raises:
            ValueError: rows of another partition have passed since those of this one.
        """
        self._schema = rows.schema
        self._held.append((partition, rows))
        self._values += rows.height * rows.width
        if self._values >= HELD_VALUES:
            self._count()

    def profiles(self, contents: Mapping[str, str], schema: pl.Schema | None = None) -> dict[str, PartitionProfile]:
        """Return the profiles of partitions by key. A partition that did not pass has no rows.

        Args:
            contents: the content hash of each partition that is asked for.
            schema: the columns, when no rows may have passed.
        """
        self._count()
        self._schema = self._schema or schema or pl.Schema()
        nothing = _PassedPartition()
        layouts = {name: self._layout(name) for name in self._schema}
        dtypes = {name: str(dtype) for name, dtype in self._schema.items()}
        return {
            key: PartitionProfile(
                key,
                content,
                passed.rows,
                dtypes,
                {
                    name: move_to_layout(passed.columns.get(name) or empty_profile(each), each)
                    for name, each in layouts.items()
                },
                passed.keys,
                None if self._identity is None else passed.duplicates + _count_repeats(passed.hashes),
            )
            for key, content in contents.items()
            for passed in [self._passed.get(key, nothing)]
        }

    def _count(self) -> None:
        """Count what is held."""
        held, self._held, self._values = self._held, [], 0
        if not held:
            return
        rows = pl.concat([each for _, each in held], rechunk=False)
        self._learn(rows)
        runs = [(key, sum(each.height for _, each in some)) for key, some in groupby(held, lambda each: each[0])]
        del held
        starts = starts_of(height for _, height in runs)
        layouts = {name: self._layout(name) for name in rows.columns}
        columns = profiles_within(rows, starts, layouts, _columns_to_sketch(rows.schema))
        keys, hashes = self._key_sketches(rows, starts), self._row_hashes(rows, starts)
        for at, (key, height) in enumerate(runs):
            passed = self._counts_of(key)
            passed.rows += height
            passed.columns = _add_columns(passed.columns, columns[at])
            passed.keys = distinct.merge_sketches([passed.keys, keys[at]]) if len(passed.keys) else keys[at]
            passed.hashes.append(hashes[at])

    def _counts_of(self, key: str) -> _PassedPartition:
        """Return the counts of a partition so far. The partition before it is complete when another begins."""
        last = next(reversed(self._passed), None)
        if key == last:
            return self._passed[key]
        if key in self._passed:
            raise ValueError(f"rows of `{key}` have passed before those of `{last}`")
        if last is not None:
            before = self._passed[last]
            before.duplicates, before.hashes = _count_repeats(before.hashes), []
        self._passed[key] = _PassedPartition()
        return self._passed[key]

    def _layout(self, name: str) -> Layout:
        """Return the layout of a column now; the layout of a column without values when none was learnt."""
        kind, layout = value_kind_of(self._schema[name]), self._layouts.get(name)
        return waiting_layout(kind) if layout is None or layout.kind is not kind else layout

    def _learn(self, rows: pl.DataFrame) -> None:
        """Learn the layouts that are missing, as far as there are values."""
        missing = [name for name in rows.columns if waits(self._layout(name))]
        some = [name for name in missing if rows[name].null_count() < rows.height]
        learnt = layouts_of(rows, some) if some else {}
        self._layouts |= {name: layout for name, layout in learnt.items() if not fits_nothing(layout)}

    def _key_sketches(self, rows: pl.DataFrame, starts: Starts) -> list[Sketch]:
        if not self._keys or not set(self._keys) <= set(rows.columns):
            return [distinct.EMPTY] * (len(starts) - 1)
        whole = rows.select(pl.all_horizontal(pl.col(key).is_not_null() for key in self._keys)).to_series().to_numpy()
        known = rows.select(self._keys).drop_nulls()
        values = known.to_series() if known.width == 1 else known.to_struct()
        return distinct.sketches_of(values, np.concatenate([[0], np.cumsum(whole)])[starts])

    def _row_hashes(self, rows: pl.DataFrame, starts: Starts) -> list[Sketch]:
        if self._identity is None:
            return [distinct.EMPTY] * (len(starts) - 1)
        same = [name for name in self._identity if name in rows.columns] or rows.columns
        hashes = rows.select(same).hash_rows(seed=_SEED).to_numpy()
        return [hashes[start:end].copy() for start, end in pairwise(starts.tolist())]


def _columns_to_sketch(schema: pl.Schema) -> set[str]:
    """Return the columns whose different values are worth counting.

    Nearly all measurements differ, and their sketch would take 8 kB in each profile.
    """
    return {name for name, dtype in schema.items() if not (dtype.is_float() or dtype.is_decimal())}


def _add_columns(one: Mapping[str, ColumnProfile], other: Mapping[str, ColumnProfile]) -> dict[str, ColumnProfile]:
    """Return the sum of the profiles of the same columns."""
    if not one:
        return dict(other)
    return {name: move_to_layout(one[name], profile.layout) + profile for name, profile in other.items()}


def _count_repeats(hashes: Sequence[Sketch]) -> int:
    """Count the hashes that repeat an earlier one."""
    if not hashes:
        return 0
    ordered = np.sort(np.concatenate(hashes))
    return int((ordered[1:] == ordered[:-1]).sum())
