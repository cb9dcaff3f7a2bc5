"""The data: drawn from seeds, in chunks, in order of time; made once and used again while its parameters match."""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.place import Place
from benchmarks.shapes import AMOUNT, DAY_US, ITEM, KEY, KNOWN, ROW, START_US, TIME, Events, SharedTable, Spine, Table

CHUNK = 2_000_000
MEAN_LAG_US = 6 * 3_600_000_000
ITEMS = 1000

Whole = npt.NDArray[np.int64]
Columns = dict[str, Whole | npt.NDArray[np.float64]]


def make_table(table: Table, place: Place) -> bool:
    """Write the Parquet files of a table unless they are there; tells whether it wrote."""
    return make_files(place.table(table), {**asdict(table), "kind": type(table).__name__}, "part", _frames(table))


def make_spine(spine: Spine, place: Place) -> bool:
    """Write the Parquet file of a spine unless it is there; tells whether it wrote."""
    file = place.spine(spine)
    return make_files(file.parent, asdict(spine), file.stem, [_spine(spine)])


def make_files(folder: Path, parameters: dict[str, object], stem: str, frames: Iterable[pl.DataFrame]) -> bool:
    """Write Parquet files unless they are there; tells whether it wrote.

    The note is written last, so that what was interrupted is made again.
    """
    note, text = folder / "_made.json", json.dumps(parameters, default=list)
    if note.exists() and note.read_text() == text:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        name = stem if stem == "spine" else f"{stem}-{number:05d}"
        frame.write_parquet(folder / f"{name}.parquet")
    note.write_text(text)
    return True


def _frames(table: Table) -> Iterator[pl.DataFrame]:
    match table:
        case SharedTable():
            yield _shared(table)
        case Events():
            yield from (_events_of_day(table, day) for day in range(table.days))
        case _:
            chunks = -(-table.rows // CHUNK)
            yield from (_chunk(table, chunk, chunks) for chunk in range(chunks))


def _shared(table: SharedTable) -> pl.DataFrame:
    """Keys, then times, then features, all drawn from one generator: its known answers depend on this order."""
    rng = np.random.default_rng(table.seed)
    columns: Columns = {KEY: rng.integers(0, table.keys, table.rows)}
    columns[TIME] = START_US + rng.integers(0, _span(table), table.rows)
    columns |= {name: rng.normal(size=table.rows) for name in table.columns}
    frame = _with_utc(pl.DataFrame(columns)).sort(TIME)
    if frame.select(pl.struct(KEY, TIME).is_duplicated().any()).item():
        raise ValueError(f"Table `{table.name}` has two rows of one key at one instant. Choose another seed.")
    return frame


def _chunk(table: Table, chunk: int, chunks: int) -> pl.DataFrame:
    """The rows of one stretch of time."""
    rng = np.random.default_rng([table.seed, chunk])
    low, high = (_span(table) * edge // chunks for edge in (chunk, chunk + 1))
    rows = table.rows * (chunk + 1) // chunks - table.rows * chunk // chunks
    times = START_US + _rising(rng, low, high, rows)
    columns: Columns = {
        KEY: rng.integers(0, table.keys, rows),
        TIME: times,
    }
    if table.known:
        columns[KNOWN] = times + rng.exponential(MEAN_LAG_US, rows).astype(np.int64)
    columns |= {name: rng.normal(size=rows) for name in table.columns}
    return _with_utc(pl.DataFrame(columns))


def _events_of_day(table: Events, day: int) -> pl.DataFrame:
    rng = np.random.default_rng([table.seed, day])
    rows = table.rows * (day + 1) // table.days - table.rows * day // table.days
    columns = {
        KEY: rng.integers(0, table.keys, rows),
        TIME: START_US + _rising(rng, day * DAY_US, (day + 1) * DAY_US, rows),
        AMOUNT: rng.lognormal(3, 1, rows).round(2),
        ITEM: rng.integers(0, ITEMS, rows, dtype=np.int32),
    }
    return _with_utc(pl.DataFrame(columns))


def _spine(spine: Spine) -> pl.DataFrame:
    rng = np.random.default_rng(spine.seed)
    keys = rng.integers(0, spine.keys, spine.rows)
    times = START_US + rng.integers(spine.first_day * DAY_US, spine.days * DAY_US, spine.rows)
    return _with_utc(pl.DataFrame({KEY: keys, TIME: times, ROW: np.arange(spine.rows)}))


def _rising(rng: np.random.Generator, low: int, high: int, rows: int) -> Whole:
    """Random instants of `[low, high)`, each after the one before, so that none is there twice."""
    places = np.arange(rows)
    drawn = np.sort(rng.integers(low, high - rows, rows))
    return np.maximum.accumulate(drawn - places) + places


def _span(table: Table) -> int:
    return table.days * DAY_US


def _with_utc(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(name).cast(pl.Datetime("us", "UTC")) for name in (TIME, KNOWN) if name in frame)
