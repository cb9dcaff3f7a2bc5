"""The data of the online suite: Parquet files drawn from seeds, and the stores that the server reads.

Each row of `tens` and `twenties` is of another key, as in an online store; the last `ODD` keys of `tens` have nulls
and are asked for only where answers are compared.
"""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.cases.base import scaled
from benchmarks.data import make_files
from benchmarks.shapes import AMOUNT, DAY_US, KEY, START, START_US, TIME

NOW = START + timedelta(days=31)  # what the server believes the time is
ODD = 50  # keys with a null
CHUNK = 1_000_000
EVENT_DAYS = 30
ECHO = 1_000_003


@dataclass(frozen=True)
class Sizes:
    """How many keys, rows and events there are.

    Attributes:
        tens: keys that are asked for at Feast's server as well.
        twenties: keys of the native endpoint; `remote`: of the same in Redis; `load`: rows of the bulk load.
        marks: keys that tell their generation.
        orders: events of `tens` users.
    """

    tens: int
    twenties: int
    remote: int
    load: int
    marks: int
    orders: int

    @staticmethod
    def of(scale: float) -> "Sizes":
        """The sizes at a scale."""
        full = {"tens": 50_000, "twenties": 1_000_000, "remote": 200_000, "load": 10_000_000, "marks": 10_000}
        return Sizes(
            **{name: scaled(n, scale, least=2_000) for name, n in full.items()}, orders=scaled(2_000_000, scale)
        )


def feature_names(width: int) -> list[str]:
    """The features of a table of that width."""
    return [f"f{number:02d}" for number in range(width)]


def make_features(folder: Path, name: str, keys: int, width: int, seed: int, odd: int = 0) -> None:
    """One row for each key, at some moment of the first day; `odd` keys after those have a null."""
    facts: dict[str, object] = {"keys": keys, "width": width, "seed": seed, "odd": odd}
    make_files(folder / name, facts, "part", _feature_frames(keys, width, seed, odd))


def make_orders(folder: Path, users: int, rows: int, seed: int) -> None:
    """Events of users, in order of time, in the days before `NOW`."""
    facts: dict[str, object] = {"users": users, "rows": rows, "seed": seed, "days": EVENT_DAYS}
    make_files(folder / "orders", facts, "part", _order_frames(users, rows, seed))


def write_marks(folder: Path, keys: int, generation: int) -> None:
    """The rows of one generation, instead of those before."""
    place = folder / "marks"
    place.mkdir(parents=True, exist_ok=True)
    aside = place / "aside"
    marks(keys, generation).write_parquet(aside)
    aside.rename(place / "part-00000.parquet")


def marks(keys: int, generation: int) -> pl.DataFrame:
    """The rows of one generation."""
    user = pl.int_range(keys, dtype=pl.Int64, eager=True).alias(KEY)
    at = pl.lit(START + timedelta(seconds=generation), pl.Datetime("us", "UTC")).alias(TIME)
    mark = pl.lit(generation, pl.Int64)
    return pl.select(user, at, generation=mark, echo=mark * ECHO + user)


def fresh(folder: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def is_noted(note: Path, facts: object) -> bool:
    """Whether a note says that what it stands for was made from these facts."""
    return note.exists() and json.loads(note.read_text()) == json.loads(json.dumps(facts))


def write_note(note: Path, facts: object) -> None:
    """Say what something was made from; written last."""
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(facts))


def wait(seconds: float) -> None:
    """Let time pass while something else happens."""
    time.sleep(seconds)


def today() -> str:
    """When a run begins."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _feature_frames(keys: int, width: int, seed: int, odd: int) -> Iterator[pl.DataFrame]:
    for chunk, first in enumerate(range(0, keys, CHUNK)):
        end = min(first + CHUNK, keys)
        last = end == keys
        rows = end - first + (odd if last else 0)
        rng = np.random.default_rng([seed, chunk])
        columns = {KEY: np.arange(first, first + rows), TIME: START_US + rng.integers(0, DAY_US, rows)}
        frame = pl.DataFrame(columns | {name: rng.normal(size=rows) for name in feature_names(width)})
        if last and odd:
            hole = pl.when(pl.col(KEY) < keys).then(pl.col("f03")).alias("f03")
            frame = frame.with_columns(hole)
        yield _with_utc(frame)


def _order_frames(users: int, rows: int, seed: int) -> Iterator[pl.DataFrame]:
    rng = np.random.default_rng(seed)
    now = int(NOW.timestamp()) * 1_000_000
    times = np.sort(rng.integers(now - EVENT_DAYS * DAY_US, now, rows))
    columns = {KEY: rng.integers(0, users, rows), TIME: times, AMOUNT: rng.lognormal(3, 1, rows).round(2)}
    yield _with_utc(pl.DataFrame(columns))


def _with_utc(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(TIME).cast(pl.Datetime("us", "UTC")))
