"""Summaries for tests: literal ones, and those of a simulated table in which nothing is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property

import numpy as np
import polars as pl

from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.compute.profiles.distinct import sketch_of
from feature_platform.compute.profiles.rows import profile_as_rows
from feature_platform.compute.profiles.shares import top_share, true_share
from feature_platform.compute.watches import WATCHES, Observation

SUMMARIES = pl.Schema(
    {
        "partition": pl.String(),
        "column": pl.String(),
        "dtype": pl.String(),
        **dict.fromkeys(("rows", "nulls", "nans", "infinities"), pl.Int64()),
        **dict.fromkeys(("lowest", "highest", "mean", "deviation", "median"), pl.Float64()),
        "distinct": pl.Int64(),
        "duplicates": pl.Int64(),
        "sketch": pl.List(pl.Int64),
        "true_share": pl.Float64(),
        "top_share": pl.Float64(),
    }
)
FIRST = date(2013, 1, 7)  # a Monday
HISTORY = 60


def day(at):
    """The partition of a day."""
    return str(FIRST + timedelta(days=at))


def table(at, rows=1000, duplicates=0, keys=None):
    """The row that tells of the rows as such."""
    sketch = None if keys is None else sketch_of(pl.Series(keys)).view(np.int64).tolist()
    return {"partition": day(at), "column": "", "rows": rows, "duplicates": duplicates, "sketch": sketch}


def column(at, name="x", rows=1000, **told):
    """The row of a column of numbers."""
    base = {"dtype": "Float64", "nulls": 0, "nans": 0, "mean": 10.0, "deviation": 2.0, "median": 10.0, "distinct": 500}
    return {"partition": day(at), "column": name, "rows": rows, "infinities": 0, **base, **told}


def frame(rows):
    """Rows as summaries."""
    return pl.DataFrame([{name: row.get(name) for name in SUMMARIES} for row in rows], schema=SUMMARIES, orient="row")


def looked(history, current, seasonal=False):
    """What watches get to see; days are of one season each when `seasonal`, else all alike."""
    before, now = frame(history), frame(current)
    partitions = [*before["partition"].unique(maintain_order=True), *now["partition"].unique()]
    seasons = {key: date.fromisoformat(key).weekday() if seasonal else None for key in partitions}
    return Observation(before, now, seasons, now["partition"][0] if now.height else "?")


def only(watch, history, current, seasonal=False):
    """The one sight that a watch has."""
    (sight,) = watch.look(looked(history, current, seasonal))
    return sight


@dataclass(frozen=True, eq=False)
class World:
    """A healthy table of days: its frames are drawn, its summaries made as a publication makes them."""

    days: Sequence[pl.DataFrame]
    keys: Sequence[pl.Series]
    duplicates: Sequence[int]

    def summaries(self, at: int, rows: pl.DataFrame | None = None, duplicates: int | None = None, keys=None):
        """Those of a day, or of other rows, keys and duplicates in its place."""
        return summarized(
            day(at),
            self.days[at] if rows is None else rows,
            self.layouts,
            self.keys[at] if keys is None else keys,
            self.duplicates[at] if duplicates is None else duplicates,
        )

    @cached_property
    def layouts(self):
        """Those of the first day."""
        return layouts_of(self.days[0], self.days[0].columns)


def summarized(partition, rows, layouts, keys, duplicates):
    """The summaries of rows; a column without a layout learns its own."""
    known = layouts | layouts_of(rows, [name for name in rows.columns if name not in layouts])
    profile = profile_of(rows, {name: known[name] for name in rows.columns})
    told = profile_as_rows(profile).select(set(SUMMARIES) & set(profile_as_rows({}).columns) - {"sketch"})
    dtypes = [str(rows[name].dtype) for name in profile]
    return pl.concat(
        [
            frame([{"partition": partition, "column": "", "rows": rows.height, "duplicates": duplicates,
                    "sketch": sketch_of(keys).view(np.int64).tolist()}]),
            told.with_columns(
                pl.lit(partition).alias("partition"),
                pl.Series("dtype", dtypes),
                pl.Series("true_share", list(map(true_share, profile.values(), dtypes))),
                pl.Series("top_share", [top_share(each) for each in profile.values()]),
                duplicates=pl.lit(None, dtype=pl.Int64),
                sketch=pl.lit(None, dtype=pl.List(pl.Int64)),
            ).select(list(SUMMARIES)),
        ]
    )  # fmt: skip


@cache
def healthy(days: int, rows: int, seed: int) -> World:
    """Weekends have a third of the rows and keys of their own; rows and keys grow; everything wobbles."""
    rng = np.random.default_rng(seed)
    frames, keys, duplicates = [], [], []
    for at in range(days):
        weekend = at % 7 >= 5
        many = int(rows * (0.33 if weekend else 1.0) * 1.002**at * np.exp(rng.normal(0, 0.1)))
        frames.append(drawn(many, rng.normal(0, 0.05) + 0.2 * weekend, rng))
        pool = np.arange(300 + 2 * at) + (100_000 if weekend else 0)
        keys.append(pl.Series(np.append(rng.choice(pool, many), rng.integers(10**6, 10**9, many // 20))))
        duplicates.append(int(rng.poisson(1.0)))
    return World(frames, keys, duplicates)


def drawn(many, by, rng) -> pl.DataFrame:
    """The columns of a healthy day, moved by so many standard deviations."""
    gone = np.clip(0.2 * np.exp(rng.normal(0, 0.2)), 0, 1)

    def sparse(share, values):
        return [value if keep else None for value, keep in zip(values.tolist(), rng.random(many) < share, strict=True)]

    return pl.DataFrame(
        {
            "normal": 20 + 5 * (rng.standard_normal(many) + by),
            "middle_zero": rng.standard_normal(many) + by,
            "lognormal": np.exp(rng.standard_normal(many) + by),
            "heavy": 100 + 10 * rng.standard_t(3, many),
            "counts": rng.poisson(6, many),
            "mostly_zero": np.where(rng.random(many) < 0.7, 0.0, rng.standard_gamma(2.0, many)),
            "constant": np.ones(many),
            "nothing": pl.Series([None] * many, dtype=pl.Float64),
            "not_a_number": np.where(rng.random(many) < gone, np.nan, rng.standard_normal(many)),
            "sometimes": sparse(1 - gone, rng.standard_normal(many)),
            "rarely": sparse(0.01, rng.standard_normal(many)),
            "category": pl.Series([f"k{code}" for code in rng.integers(0, 12, many)]),
            "ünïcode 🛫": pl.Series([f"é{code}" for code in rng.zipf(1.8, many)]),
            "each_its_own": pl.Series([str(code) for code in rng.integers(0, 2**60, many)]),
            "flag": rng.random(many) < 0.4,
            "rare_flag": rng.random(many) < 0.003,
            "normal_was_missing": rng.random(many) < gone,
            "counts_was_missing": rng.random(many) < 0.002,
            "at": pl.Series([FIRST] * many),
        }
    )


def sights(history: pl.DataFrame, current: pl.DataFrame, seasons: Mapping[str, object], partition: str):
    """Everything that all watches say, each with its kind."""
    seen = Observation(history, current, seasons, partition)
    return [(watch.kind, sight) for watch in WATCHES for sight in watch.look(seen)]
