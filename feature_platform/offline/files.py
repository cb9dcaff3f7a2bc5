"""The data files of a table: Parquet below its folder, unused until a commit names them.

Their names are those of delta-rs, so that vacuum and `refuse_foreign_files` recognize what a dead writer left.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain, pairwise
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote
from uuid import uuid4

import polars as pl
from deltalake import DeltaTable
from deltalake._internal import DeltaFileSystemHandler
from deltalake.transaction import AddAction

from feature_platform.ground.working_columns import PARTITION
from feature_platform.offline.names import WHOLE, Location
from feature_platform.offline.statistics import statistics

FILE_BYTES = 128 * 2**20  # of rows in memory; what becomes one file
ROW_GROUP_ROWS = 250_000
_COMPRESSION: Literal["snappy"] = "snappy"  # zstd is 7% smaller and five times slower to read (docs/adr/0015)
_FILES_TOGETHER = 32
_VALUES_TOGETHER = 1 << 19  # rows x columns of them; of fixed width 4 MB
_WRITERS = 2  # the work for a small file is little of it in Polars' own threads
_INDEXED_COLUMNS = 32  # how many columns Delta keeps statistics of when nothing is said


@dataclass(frozen=True, order=True)
class LiveFile:
    """A file of a table; `path` is relative to the table's folder, as it is on disk."""

    key: str
    path: str
    rows: int
    size: int

    @property
    def values(self) -> dict[str, str | None]:
        """Return the partition of the file as the log writes it."""
        return {PARTITION: self.key} if self.key != WHOLE else {}

    def uri(self, location: Location) -> str:
        """Return the place of the file, as a URI or a local path."""
        if "://" in self.path:
            return self.path
        local = location.uri.removeprefix("file://")
        return f"{location.uri if '://' in local else local}/{self.path}"


@dataclass(frozen=True, order=True)
class DataFile(LiveFile):
    """A file that was just written."""

    statistics: str

    def add_action(self, *, data_change: bool = True) -> AddAction:
        """Return the entry with which a commit names the file.

        Without a change of data the file only replaces other files with the same rows.
        """
        return AddAction(self.path, self.size, self.values, int(time.time() * 1000), data_change, self.statistics)


def indexed_columns(columns: Sequence[str], first: Sequence[str] = ()) -> list[str]:
    """Return the columns that have statistics: the given ones, then as many as Delta takes."""
    names = dict.fromkeys([*first, *(name for name in columns if name != PARTITION)])
    return list(names)[:_INDEXED_COLUMNS]


def write_files(
    location: Location, partitions: Mapping[str, pl.DataFrame], sort_by: Sequence[str], *, number: int = 0
) -> dict[str, tuple[DataFile, ...]]:
    """Write the rows of partitions as files of a sensible size; rows that tie by `sort_by` share a file.

    So the order of the files never decides which row of a tie is last. When one file cannot be written, none stays.

    Args:
        partitions: rows in the order to be kept, without the partition column.
        number: the number of the first file of each; names sort by it.
    """
    pieces = [
        (key, number + place, rows[start:stop])
        for key, rows in partitions.items()
        for place, (start, stop) in enumerate(pairwise([0, *_cuts(rows, sort_by)]))
    ]
    if not pieces:
        return dict.fromkeys(partitions, ())
    columns = indexed_columns(pieces[0][2].columns, sort_by)
    statistics_of_pieces = statistics([rows for _, _, rows in pieces], columns)
    planned = [
        DataFile(key, _new_path(key, place), rows.height, 0, facts)
        for (key, place, rows), facts in zip(pieces, statistics_of_pieces, strict=True)
    ]
    files: dict[str, tuple[DataFile, ...]] = dict.fromkeys(partitions, ())
    for file in sorted(_store(location, planned, [rows for _, _, rows in pieces])):
        files[file.key] += (file,)
    return files


def remove_files(location: Location, files: Iterable[DataFile]) -> None:
    """Remove files that no version names; vacuum removes those that cannot be removed now."""
    for file in files:
        with suppress(OSError):
            if location.folder is not None:
                (location.folder / file.path).unlink(missing_ok=True)
            else:
                stored_files(location).delete_file(file.path)


def scan_files(location: Location, uris: Sequence[str], schema: pl.Schema, *, partitioned: bool) -> pl.LazyFrame:
    """Return the rows of files, file by file, with the partition column when there are partitions."""
    whole = pl.Schema({**schema, PARTITION: pl.String()}) if partitioned else schema
    if not uris:
        return pl.LazyFrame(schema=whole)
    hive = {PARTITION: pl.String()} if partitioned else None
    return pl.scan_parquet(
        list(uris),
        hive_partitioning=partitioned,
        hive_schema=hive,
        glob=False,
        storage_options=location.storage_options,
    ).select(list(whole))


def live_files(table: DeltaTable) -> dict[str, list[LiveFile]]:
    """Return the files of each partition of a table in the order of their numbers; an unknown number of rows is 0."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    keys = actions.get_column(f"partition.{PARTITION}", default=None)
    columns = [
        [WHOLE] * actions.height if keys is None else keys.to_list(),
        [unquote(path) for path in actions.get_column("path")],
        actions.get_column("num_records").fill_null(0).to_list(),
        actions.get_column("size_bytes").to_list(),
    ]
    by_partition: dict[str, list[LiveFile]] = {}
    for file in sorted(LiveFile(*values) for values in zip(*columns, strict=True)):
        by_partition.setdefault(file.key, []).append(file)
    return by_partition


def digests_of_files(table: DeltaTable) -> dict[str, str]:
    """Return a digest of the names of the files of each partition of a table that has some.

    While it is the same, so are the rows and their order: files never change.
    """
    return {
        key: hashlib.blake2b("\n".join(file.path for file in files).encode(), digest_size=8).hexdigest()
        for key, files in live_files(table).items()
    }


def _cuts(rows: pl.DataFrame, sort_by: Sequence[str]) -> list[int]:
    """Return the row numbers at which files end."""
    files = -(-int(rows.estimated_size()) // FILE_BYTES)
    if files <= 1 or not sort_by:
        return [rows.height] if rows.height else []
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in sort_by)
    starts = rows.select(differs.arg_true()).to_series()
    even_cuts = pl.Series([rows.height * number // files for number in range(1, files)])
    places = starts.search_sorted(even_cuts).to_list()
    cuts = dict.fromkeys(starts[place] for place in places if 0 < place < len(starts))
    return [*cuts, rows.height]


def _new_path(key: str, number: int) -> str:
    name = f"part-{number:05}-{uuid4()}-c000.snappy.parquet"
    return f"{PARTITION}={quote(key, safe='')}/{name}" if key != WHOLE else name


def _store(location: Location, planned: Sequence[DataFile], frames: Sequence[pl.DataFrame]) -> list[DataFile]:
    """Write the rows of files, several small ones at once; return the files with their size.

    When one cannot be written, none stays.
    """
    folder, together = location.folder, list(_group_frames(frames))

    def store(numbers: range) -> list[int]:
        files, rows = planned[numbers.start : numbers.stop], frames[numbers.start : numbers.stop]
        if folder is None:
            return [_write_remote(location, file.path, each) for file, each in zip(files, rows, strict=True)]
        return _write_local(rows, [folder / file.path for file in files])

    with ExitStack() as undone:
        undone.callback(remove_files, location, planned)
        with ThreadPoolExecutor(_WRITERS) as pool:
            stored = pool.map(store, together) if len(together) > 1 else map(store, together)
            sizes = list(chain.from_iterable(stored))
        undone.pop_all()
    return [replace(file, size=size) for file, size in zip(planned, sizes, strict=True)]


def _group_frames(frames: Sequence[pl.DataFrame]) -> Iterator[range]:
    """Yield ranges of neighbouring frames that are written by one call: many small frames, or one."""
    start = values = 0
    for number, rows in enumerate(frames):
        values += rows.height * rows.width
        if number > start and (values > _VALUES_TOGETHER or number - start == _FILES_TOGETHER):
            yield range(start, number)
            start, values = number, rows.height * rows.width
    yield range(start, len(frames))


def _write_local(frames: Sequence[pl.DataFrame], paths: Sequence[Path]) -> list[int]:
    """Write frames as local files; return their sizes in bytes."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    if len(frames) == 1:
        frames[0].write_parquet(paths[0], compression=_COMPRESSION, row_group_size=ROW_GROUP_ROWS)
    else:
        pl.collect_all([_sink(rows, path) for rows, path in zip(frames, paths, strict=True)])
    return [path.stat().st_size for path in paths]


def _sink(rows: pl.DataFrame, path: Path) -> pl.LazyFrame:
    """Return a lazy frame that writes the file of `write_parquet` when it is collected.

    Starting Polars once for each small file is what costs.
    """
    return rows.lazy().sink_parquet(path, compression=_COMPRESSION, row_group_size=ROW_GROUP_ROWS, lazy=True)


def _write_remote(location: Location, path: str, rows: pl.DataFrame) -> int:
    """Write rows to an object store; return the size of the file in bytes."""
    encoded = BytesIO()
    rows.write_parquet(encoded, compression=_COMPRESSION, row_group_size=ROW_GROUP_ROWS)
    with closing(stored_files(location).open_output_stream(path)) as stream:  # type: ignore[type-var]  # it has `close`
        stream.write(encoded.getvalue())
    return encoded.tell()


def stored_files(location: Location) -> DeltaFileSystemHandler:
    """Return a handler for the files of a table on an object store, with the credentials that deltalake uses."""
    return DeltaFileSystemHandler(location.uri, location.storage_options)
