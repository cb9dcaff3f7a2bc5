"""Windows out of core: spine and events are cut once into buckets of keys on disk, then each bucket is computed.

A bucket holds whole keys, so its windows are those of the whole; it is the most that is held in memory at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from feature_platform.compute.keys.buckets import bucket_of, buckets_for
from feature_platform.compute.keys.join_keys import refuse_collisions, shared_types
from feature_platform.compute.keys.widths import row_width
from feature_platform.compute.windows import window_features
from feature_platform.ground.memory import working_memory
from feature_platform.ground.working_columns import BUCKET, SPINE_ROW
from feature_platform.parts.aggregations import Aggregation
from feature_platform.parts.executors import Executor, Local
from feature_platform.parts.executors.base import write_atomically

ROWS_OF_A_PART = 1_000_000
_OWNER = "bucketed_windows"
_ROWS_OF_A_GROUP = 32_768  # rows that are read together to find those of a part


@dataclass(frozen=True)
class WindowArguments:
    """The arguments of `window_features` beside its frames."""

    on: tuple[str, ...]
    spine_time: str
    event_time: str
    aggregations: tuple[Aggregation, ...]
    derived: Mapping[str, pl.Expr]
    known_at: str | None
    known_until: str | None
    owner: str

    def over(self, spine: pl.LazyFrame, events: pl.LazyFrame) -> pl.LazyFrame:
        """Return the windows of a spine over events that are in memory."""
        return window_features(
            spine,
            events,
            on=self.on,
            spine_time=self.spine_time,
            event_time=self.event_time,
            aggregations=self.aggregations,
            derived=self.derived,
            known_at=self.known_at,
            known_until=self.known_until,
            owner=self.owner,
        )

    def reads(self, schema: pl.Schema) -> list[str]:
        """Return the columns of the events that are needed, in their order."""
        inputs = {name for each in self.aggregations for name in each.reads}
        clocks = (self.event_time, self.known_at, self.known_until)
        return [name for name in schema if name in {*self.on, *clocks, *inputs}]


@dataclass(frozen=True)
class Bucket:
    """The files of one bucket, and the file that its spine rows with their windows become."""

    windows: WindowArguments
    spine: tuple[Path, ...]
    events: tuple[Path, ...]
    answer: Path


@dataclass(frozen=True)
class Part:
    """The spine rows from `start` to before `end`: the files that hold them, and the file that they become."""

    answers: tuple[Path, ...]
    start: int
    end: int
    file: Path


def bucketed_windows(
    spine: pl.LazyFrame,
    events: pl.LazyFrame,
    *,
    on: Sequence[str],
    spine_time: str,
    event_time: str,
    aggregations: Sequence[Aggregation],
    derived: Mapping[str, pl.Expr] | None = None,
    known_at: str | None = None,
    known_until: str | None = None,
    owner: str = _OWNER,
    folder: Path,
    buckets: int | None = None,
    executor: Executor | None = None,
) -> pl.LazyFrame:
    """Return the rows of `window_features`, in the same order, for frames that are larger than memory.

    Both frames are read once, as streams. The result is a scan of files `part-00000.parquet` and on in `folder`,
    which appear together; nothing else stays there, even after an error. The work is done by the call.

    Args:
        on: the key, of one column or more: without keys there is nothing to cut by.
        folder: one that is empty or not there yet, on a disk that holds both frames, and the result twice.
        buckets: into how many to cut. Defaults to so many that one fits `memory.working_memory`.
        executor: what runs the buckets. Defaults to this process, one by one.

    Raises:
        MissingColumns, NotUtc, WrongColumnType, ColumnCollision: as `window_features`.
        InvalidDeclaration: no key, or a number of buckets that cannot be.
    """
    windows = WindowArguments(
        tuple(on), spine_time, event_time, tuple(aggregations), derived or {}, known_at, known_until, owner
    )
    left, right = spine.collect_schema(), events.collect_schema()
    types = shared_types(left, right, on, owner)
    refuse_collisions(left, [SPINE_ROW, BUCKET], owner)
    bucket_of(pl.DataFrame(schema=left), on, buckets or 1, types)
    nothing = windows.over(pl.LazyFrame(schema=left), pl.LazyFrame(schema=right)).collect_schema()
    read = events.select(windows.reads(right))
    runner, count = executor or Local(), buckets or _buckets_for(spine, read)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".buckets-", dir=folder) as temporary:
        work = Path(temporary)
        _split(spine.with_row_index(SPINE_ROW), types, count, work / "spine")
        _split(read, types, count, work / "events")
        height = sum(runner.run(answer_bucket, list(_buckets(windows, work, read.clear().collect()))))
        parts = list(runner.run(put_in_order, list(_parts(work, height))))
        named = [part.rename(folder / part.name) for part in parts]
    return pl.scan_parquet(named) if named else pl.LazyFrame(schema=nothing)


def answer_bucket(bucket: Bucket) -> int:
    """Compute the windows of one bucket; return the number of its spine rows."""
    spine, events = (pl.scan_parquet(list(files), hive_partitioning=False) for files in (bucket.spine, bucket.events))
    rows = bucket.windows.over(spine, events).collect()
    with write_atomically(bucket.answer) as unfinished:
        rows.write_parquet(unfinished, row_group_size=_ROWS_OF_A_GROUP)
    return rows.height


def put_in_order(part: Part) -> Path:
    """Collect some rows of the spine from all buckets, in the order of the spine."""
    rows = pl.scan_parquet(list(part.answers)).filter(pl.col(SPINE_ROW).is_between(part.start, part.end, closed="left"))
    with write_atomically(part.file) as unfinished:
        rows.collect(engine="streaming").sort(SPINE_ROW).drop(SPINE_ROW).write_parquet(unfinished)
    return part.file


def _split(rows: pl.LazyFrame, types: Mapping[str, pl.DataType], buckets: int, folder: Path) -> None:
    """Write each bucket into a folder of its own in one streaming pass; rows stay in their order."""
    folder.mkdir()
    schema = pl.Schema({**rows.collect_schema(), BUCKET: pl.UInt16()})
    rows.map_batches(
        lambda batch: batch.with_columns(bucket_of(batch, list(types), buckets, types).alias(BUCKET)),
        schema=schema,
        streamable=True,
    ).sink_parquet(pl.PartitionBy(folder, key=BUCKET, include_key=False), compression="lz4", engine="streaming")


def _buckets(windows: WindowArguments, work: Path, no_events: pl.DataFrame) -> Iterator[Bucket]:
    """Yield the buckets that spine rows are in."""
    nothing = work / "no-events.parquet"
    no_events.write_parquet(nothing)
    (work / "answers").mkdir()
    for spine in sorted((work / "spine").iterdir()):
        events = work / "events" / spine.name
        files = tuple(sorted(events.iterdir())) if events.exists() else (nothing,)
        yield Bucket(windows, tuple(sorted(spine.iterdir())), files, work / "answers" / f"{spine.name}.parquet")


def _parts(work: Path, height: int) -> Iterator[Part]:
    answers = tuple(sorted((work / "answers").iterdir()))
    for number, start in enumerate(range(0, height, ROWS_OF_A_PART)):
        yield Part(answers, start, start + ROWS_OF_A_PART, work / f"part-{number:05}.parquet")


def _buckets_for(spine: pl.LazyFrame, events: pl.LazyFrame) -> int:
    """Return how many buckets it takes for the spine and event rows of one to fit the working memory."""
    heights = pl.collect_all([rows.select(pl.len()) for rows in (spine, events)], engine="streaming")
    sizes = [
        frame.item() * row_width(rows.collect_schema()) for frame, rows in zip(heights, (spine, events), strict=True)
    ]
    return buckets_for(1, sum(sizes), working_memory())
