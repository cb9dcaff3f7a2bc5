"""Parts: neighbouring partitions that are made together, and raw rows in any order that are split into them.

A part is the most that is in memory at once: as many partitions as have a number of values, at least one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from feature_platform.ground.working_columns import PART

PART_VALUES = 16_000_000  # rows x columns of a part; of fixed width about 128 MB

Load = Callable[[Sequence[datetime]], pl.DataFrame]


def parts_of(rows: Mapping[str, int], columns: int) -> list[list[str]]:
    """Return partitions in their order, cut into parts.

    >>> parts_of({"a": 6_000_000, "b": 1_000_000, "c": 4_000_000, "d": 0}, columns=2)
    [['a', 'b'], ['c', 'd']]
    """
    parts: list[list[str]] = []
    room = 0
    for key, count in rows.items():
        values = count * columns
        if not parts or values > room:
            parts.append([])
            room = PART_VALUES
        parts[-1].append(key)
        room -= values
    return parts


def parts_in_words(partitions: int, parts: int) -> str:
    """Return in words how partitions are made.

    >>> parts_in_words(365, 12)
    '365 partitions in 12 parts, one part in memory at a time'
    """
    return f"{partitions:,} partitions in {parts:,} parts, one part in memory at a time"


@contextmanager
def split_into_parts(rows: pl.LazyFrame, by: str, parts: Sequence[Sequence[datetime]]) -> Iterator[Load]:
    """Split rows into parts, reading them once, and yield a function that loads the rows of partitions of one part.

    It loads them in their order, without the column `by`. More than one part is split by a stream into a temporary
    folder (`TMPDIR` says where), which is gone after the block whatever happens.

    Args:
        by: the column with the start of the partition of each row; rows of other partitions are left out.
    """
    starts = [start for part in parts for start in part]
    wanted = rows.filter(pl.col(by).is_in(starts))
    if len(parts) <= 1:
        collected = wanted.collect()
        yield lambda some: collected.filter(pl.col(by).is_in(list(some))).drop(by)
        return
    numbers = {start: number for number, part in enumerate(parts) for start in part}
    with TemporaryDirectory(prefix="feature_platform_") as folder:
        part = pl.col(by).replace_strict(starts, list(numbers.values()), return_dtype=pl.Int32).alias(PART)
        target = pl.PartitionBy(folder, key=part, include_key=False, approximate_bytes_per_file=None)
        wanted.sink_parquet(target, compression="uncompressed", statistics=False, mkdir=True)
        nothing = pl.DataFrame(schema=rows.collect_schema()).drop(by)

        def load(some: Sequence[datetime]) -> pl.DataFrame:
            files = sorted({file for start in some for file in _files(Path(folder), numbers[start])})
            if not files:
                return nothing
            return (
                pl.scan_parquet(files, hive_partitioning=False).filter(pl.col(by).is_in(list(some))).drop(by).collect()
            )

        yield load


def _files(folder: Path, number: int) -> Iterable[Path]:
    return (folder / f"{PART}={number}").glob("*.parquet")
