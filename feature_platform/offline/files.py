"""The data files of a table: Parquet below its folder, which no version names until a commit does.

Their names are those of delta-rs, so that vacuum and `refuse_foreign_files` know what a dead writer left.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import uuid4

import polars as pl
from deltalake import DeltaTable
from deltalake._internal import DeltaFileSystemHandler
from deltalake.transaction import AddAction

from feature_platform.offline.names import PARTITION, WHOLE, Location
from feature_platform.offline.statistics import statistics

FILE_BYTES = 128 * 2**20  # of rows in memory; what becomes one file
ROW_GROUP_ROWS = 250_000
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
        """What the log says of its partition."""
        return {PARTITION: self.key} if self.key != WHOLE else {}

    def uri(self, location: Location) -> str:
        """Where it is."""
        if "://" in self.path:
            return self.path
        return f"{location.uri}/{self.path}" if location.folder is None else str(location.folder / self.path)


@dataclass(frozen=True, order=True)
class DataFile(LiveFile):
    """A file that was just written."""

    statistics: str

    def added(self, *, data_change: bool = True) -> AddAction:
        """What a commit says to name it; without change of data it only stands in for other files."""
        return AddAction(self.path, self.size, self.values, int(time.time() * 1000), data_change, self.statistics)


def indexed_columns(columns: Sequence[str], first: Sequence[str] = ()) -> list[str]:
    """The columns that statistics are kept of: the given ones, then as many as Delta takes."""
    wanted = dict.fromkeys([*first, *(name for name in columns if name != PARTITION)])
    return list(wanted)[:_INDEXED_COLUMNS]


def write_files(
    location: Location, partitions: Mapping[str, pl.DataFrame], sort_by: Sequence[str], *, number: int = 0
) -> dict[str, tuple[DataFile, ...]]:
    """Write the rows of partitions as files of a sensible size; rows that tie by `sort_by` share a file.

    So the order of the files never decides which of them is last. When one cannot be written none stays.

    Args:
        partitions: rows in the order to be kept, without the partition column.
        number: of the first file of each; names sort by it.
    """
    pieces = [
        (key, number + place, rows[start:stop])
        for key, rows in partitions.items()
        for place, (start, stop) in enumerate(pairwise([0, *_cuts(rows, sort_by)]))
    ]
    if not pieces:
        return dict.fromkeys(partitions, ())
    columns = indexed_columns(pieces[0][2].columns, sort_by)
    told = statistics([rows for _, _, rows in pieces], columns)
    written: list[DataFile] = []

    def write(piece: tuple[str, int, pl.DataFrame], statistics: str) -> None:
        key, place, rows = piece
        written.append(_written(location, key, place, rows, statistics))

    with ExitStack() as undone:
        undone.callback(remove_files, location, written)
        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(write, pieces, told))
        undone.pop_all()
    files: dict[str, tuple[DataFile, ...]] = dict.fromkeys(partitions, ())
    for file in sorted(written):
        files[file.key] += (file,)
    return files


def remove_files(location: Location, files: Iterable[DataFile]) -> None:
    """Remove files that no version names; what cannot be removed now, vacuum will."""
    for file in files:
        with suppress(OSError):
            if location.folder is not None:
                (location.folder / file.path).unlink(missing_ok=True)
            else:
                stored_files(location).delete_file(file.path)


def scan_files(location: Location, uris: Sequence[str], schema: pl.Schema, *, partitioned: bool) -> pl.LazyFrame:
    """The rows of files, file by file, with the partition column when there are partitions."""
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
    """The files of each partition of a table, in the order of their numbers; rows that nobody counted are 0."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    keys = actions.get_column(f"partition.{PARTITION}", default=None)
    columns = [
        [WHOLE] * actions.height if keys is None else keys.to_list(),
        [unquote(path) for path in actions.get_column("path")],
        actions.get_column("num_records").fill_null(0).to_list(),
        actions.get_column("size_bytes").to_list(),
    ]
    found: dict[str, list[LiveFile]] = {}
    for file in sorted(LiveFile(*values) for values in zip(*columns, strict=True)):
        found.setdefault(file.key, []).append(file)
    return found


def _cuts(rows: pl.DataFrame, sort_by: Sequence[str]) -> list[int]:
    """Where files end."""
    files = -(-int(rows.estimated_size()) // FILE_BYTES)
    if files <= 1 or not sort_by:
        return [rows.height] if rows.height else []
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in sort_by)
    starts = rows.select(differs.arg_true()).to_series()
    wanted = pl.Series([rows.height * number // files for number in range(1, files)])
    places = starts.search_sorted(wanted).to_list()
    cuts = dict.fromkeys(starts[place] for place in places if 0 < place < len(starts))
    return [*cuts, rows.height]


def _written(location: Location, key: str, number: int, rows: pl.DataFrame, statistics: str) -> DataFile:
    name = f"part-{number:05}-{uuid4()}-c000.snappy.parquet"
    path = f"{PARTITION}={quote(key, safe='')}/{name}" if key != WHOLE else name
    return DataFile(key, path, rows.height, _stored(location, path, rows), statistics)


def _stored(location: Location, path: str, rows: pl.DataFrame) -> int:
    """Store rows; the size of the file in bytes."""
    if location.folder is not None:
        file = location.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        _encode(rows, file)
        return file.stat().st_size
    encoded = BytesIO()
    _encode(rows, encoded)
    with closing(stored_files(location).open_output_stream(path)) as stream:  # type: ignore[type-var]  # it has `close`
        stream.write(encoded.getvalue())
    return encoded.tell()


def stored_files(location: Location) -> DeltaFileSystemHandler:
    """Files on an object store, with the credentials that deltalake uses."""
    return DeltaFileSystemHandler(location.uri, location.storage_options)


def _encode(rows: pl.DataFrame, target: Path | BytesIO) -> None:
    """Snappy: zstd is 7% smaller and five times slower to read (docs/adr/0015)."""
    rows.write_parquet(target, compression="snappy", row_group_size=ROW_GROUP_ROWS)
