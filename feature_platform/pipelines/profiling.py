"""Profiling: counts rows while they are published, and later those that were committed without a profile.

Profiles are beside the table, keyed by content: a commit without its profile is complete, and `heal_profiles` adds the
missing profile, whatever stopped a run or whoever wrote the table.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, islice
from types import TracebackType

import numpy as np
import polars as pl

from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.compute.profiles.profiling import Profiler
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.ground.working_columns import FRAME, PARTITION
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.offline.profiles import FIRST, keep_profiles, profiled_contents, read_layouts
from feature_platform.offline.staging import collect_in_batches

BEHIND_VALUES = 4_000_000  # rows x columns that wait to be counted; of fixed width 32 MB
TOGETHER_VALUES = 1 << 18  # of them, those of small partitions that are handed over together
HELD_PROFILES = 8192  # columns of partitions that are held at once, about 20 kB each


Facts = Callable[[pl.LazyFrame], pl.LazyFrame]


@dataclass(frozen=True)
class ProfileSpec:
    """What is profiled of the rows of an asset besides their columns, and of which rows.

    Attributes:
        keys: the join keys of its entity; none without an entity.
        identity: the columns in which no two rows may be equal; no columns means all. With None they are not counted.
        facts: selects the rows of keys; None when all rows are of keys.
    """

    keys: Sequence[str] = ()
    identity: Sequence[str] | None = None
    facts: Facts | None = None

    def select_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Select the rows that are profiled."""
        return rows if self.facts is None else self.facts(rows.lazy()).collect()

    def select_rows_of_each(self, frames: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
        """Select the rows of each of some frames with the same columns, by one query for many small ones."""
        if self.facts is None or len(frames) == 1:
            return [self.select_rows(rows) for rows in frames]
        whole = pl.concat(frames, rechunk=False)
        frame = pl.Series(FRAME, np.repeat(np.arange(len(frames)), [rows.height for rows in frames]))
        rows = self.select_rows(whole.with_columns(frame))
        lengths = np.bincount(rows.drop_in_place(FRAME).to_numpy(), minlength=len(frames)).tolist()
        starts = accumulate(lengths, initial=0)
        return [rows.slice(start, length) for start, length in zip(starts, lengths, strict=False)]


class Tap:
    """Counts the rows of an asset while they are staged, and keeps their profiles once they are committed.

    A thread of its own counts, with the time that hashing and writing leave; it is never behind by more than
    `BEHIND_VALUES`. The next call raises an error of that thread. Use it as a context.
    In a run of very many partitions the last ones are left to `heal_profiles`, so that memory does not grow with them.
    Layouts that cannot be read do not stop the rows; the error is raised when profiles are stored.
    """

    def __init__(self, store: OfflineStore, asset: str, spec: ProfileSpec) -> None:
        self._store, self._asset, self._spec = store, asset, spec
        self._lost: FeaturePlatformError | None = None
        self._left_out: set[str] = set()
        self._columns = 0
        try:
            layouts = read_layouts(store, asset, FIRST)
        except FeaturePlatformError as lost:
            layouts, self._lost = {}, lost
        self._profiler = Profiler(layouts, keys=spec.keys, identity=spec.identity)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feature_platform-profiler")
        self._rows: dict[str, int] = {}
        self._waiting: list[tuple[str, pl.DataFrame]] = []
        self._behind: deque[tuple[Future[None], int]] = deque()
        self._waiting_values = self._behind_values = 0

    def __enter__(self) -> "Tap":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def see(self, partition: str, rows: pl.DataFrame) -> None:
        """Take in the next rows of a partition."""
        if partition != WHOLE:
            self._columns += rows.width
        if self._columns > HELD_PROFILES:
            self._left_out.add(partition)
            return
        self._waiting.append((partition, rows))
        self._waiting_values += rows.height * rows.width
        if self._waiting_values >= TOGETHER_VALUES:
            self._submit()
        self._wait(BEHIND_VALUES)

    def count_rows(self) -> dict[str, int] | None:
        """Count the profiled rows of each partition; return None when not all were counted."""
        self._submit()
        self._wait(0)
        return None if self._left_out else self._rows

    def profiles(self, contents: Mapping[str, str], schema: pl.Schema) -> dict[str, PartitionProfile]:
        """Return the profiles of partitions by key, for the hashes of their contents; those to be healed are absent."""
        self._submit()
        self._wait(0)
        counted = {key: content for key, content in contents.items() if key not in self._left_out}
        return self._profiler.profiles(counted, schema)

    def _submit(self) -> None:
        """Send waiting rows to the thread that counts."""
        if self._waiting:
            self._behind.append((self._thread.submit(self._count, self._waiting), self._waiting_values))
            self._behind_values += self._waiting_values
        self._waiting, self._waiting_values = [], 0

    def _count(self, partitions: Sequence[tuple[str, pl.DataFrame]]) -> None:
        selected = self._spec.select_rows_of_each([rows for _, rows in partitions])
        for (partition, _), rows in zip(partitions, selected, strict=True):
            self._rows[partition] = self._rows.get(partition, 0) + rows.height
            self._profiler.see(partition, rows)

    def _wait(self, values: int) -> None:
        """Wait until no more than so many values are still to be counted."""
        while self._behind and (not values or self._behind_values > values):
            counting, size = self._behind.popleft()
            counting.result()
            self._behind_values -= size

    def keep(self, profiles: Sequence[PartitionProfile], run_id: str) -> None:
        """Keep the profiles of committed partitions that are not kept yet.

        Raises:
            FeaturePlatformError: a log cannot be read or written.
        """
        if self._lost is not None:
            raise self._lost
        keep_profiles(self._store, self._asset, profiles, FIRST, run_id)


def heal_profiles(
    asset: str, store: OfflineStore, spec: ProfileSpec, run_id: str, partitions: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Make the profiles of committed partitions that have none, from the table, and return these partitions.

    A partition whose content is not known, as after a write by somebody else, is left out.

    Args:
        partitions: the partitions to check; all when None.

    Raises:
        TableNotFound, TableUnreadable: the table is not there or is damaged.
        WriteFailed: storage refuses; profiles that were stored before stay.
    """
    version = store.latest_version(asset)
    states = store.partition_states(asset, version)
    asked = states.keys() if partitions is None else states.keys() & set(partitions)
    contents = {key: str(states[key].hash) for key in sorted(asked) if states[key].hash is not None}
    known = profiled_contents(store, asset, contents.values())
    missing = {key: content for key, content in contents.items() if content not in known}
    scan = store.read(asset, version=version, partition_column=True)
    left = iter(missing)
    while some := list(islice(left, max(HELD_PROFILES // len(scan.collect_schema()), 1))):
        profiler = Profiler(read_layouts(store, asset, FIRST), keys=spec.keys, identity=spec.identity)
        for key in some:
            for rows in collect_in_batches(_partition_rows(scan, key)):
                profiler.see(key, spec.select_rows(rows))
        found = profiler.profiles({key: missing[key] for key in some})
        keep_profiles(store, asset, list(found.values()), FIRST, run_id)
    return tuple(missing)


def _partition_rows(scan: pl.LazyFrame, key: str) -> pl.LazyFrame:
    """Return the rows of one partition."""
    return scan if key == WHOLE else scan.filter(pl.col(PARTITION) == key).drop(PARTITION)
