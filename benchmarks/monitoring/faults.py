"""Faults that are planted: what each does to the rows of a day, from the first day it is there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True, eq=False)
class Planting:
    """Where a fault is planted.

    Attributes:
        rows: of the day, as they would be without it.
        name, other: the column, and another that it could be taken for.
        day: since the first with the fault.
    """

    rows: pl.DataFrame
    name: str
    other: str
    day: int
    rng: np.random.Generator


Plant = Callable[[Planting], pl.DataFrame]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        title: as it stands in the table.
        plant: the rows of a day with it.
        kind: of the column it is planted in: number or category.
        bar: the share that must be found; None when there is no bar.
        seen_by: what must find it: the column's drift, or a watch.
        fixed: whether it needs a reference that stays.
        patience: days after which it counts as missed.
        both: whether the other column is watched, too.
    """

    title: str
    plant: Plant
    kind: str = "number"
    bar: float | None = 1.0
    seen_by: str = "drift"
    fixed: bool = False
    patience: int = 5
    both: bool = False


def _shifted(by: float) -> Plant:
    def plant(on: Planting) -> pl.DataFrame:
        return on.rows.with_columns(pl.col(on.name) + by * pl.col(on.name).std())

    return plant


def _creeping(on: Planting) -> pl.DataFrame:
    return on.rows.with_columns(pl.col(on.name) + 0.02 * (on.day + 1) * pl.col(on.name).std())


def _nulls(on: Planting) -> pl.DataFrame:
    return on.rows.with_columns(on.rows[on.name].set(pl.Series(on.rng.random(on.rows.height) < 0.3), None))


def _thousandfold(on: Planting) -> pl.DataFrame:
    return on.rows.with_columns(pl.col(on.name) * 1000)


def _wider(on: Planting) -> pl.DataFrame:
    return on.rows.with_columns(pl.col(on.name).mean() + (pl.col(on.name) - pl.col(on.name).mean()) * 2)


def _constant(on: Planting) -> pl.DataFrame:
    return on.rows.with_columns(pl.when(pl.col(on.name).is_not_null()).then(pl.col(on.name).median()).alias(on.name))


def _swapped(on: Planting) -> pl.DataFrame:
    return on.rows.with_columns(pl.col(on.other).alias(on.name), pl.col(on.name).alias(on.other))


def _vanished(on: Planting) -> pl.DataFrame:
    return on.rows.with_columns(pl.col(on.name).replace("k1", "k0"))


def _new(on: Planting) -> pl.DataFrame:
    return on.rows.with_columns(on.rows[on.name].set(pl.Series(on.rng.random(on.rows.height) < 0.05), "something else"))


def _half(on: Planting) -> pl.DataFrame:
    return on.rows.gather_every(2)


def _twice(on: Planting) -> pl.DataFrame:
    return pl.concat([on.rows, on.rows])


def _late(on: Planting) -> pl.DataFrame:
    return on.rows.head(on.rows.height // 10)


def _text(on: Planting) -> pl.DataFrame:
    return on.rows.cast({on.name: pl.String})


def _nothing(on: Planting) -> pl.DataFrame:
    return on.rows


FAULTS: Sequence[Fault] = (
    Fault("nothing (a control, 60 days)", _nothing, bar=None, patience=60),
    Fault("null burst (30% of a column)", _nulls),
    Fault("x1000 (a number in another unit)", _thousandfold),
    Fault("two columns swapped", _swapped, both=True),
    Fault("a category gone (the second)", _vanished, kind="category"),
    Fault("a new category (5% of rows)", _new, kind="category"),
    Fault("constant column", _constant),
    Fault("half of the keys missing", _half, seen_by="volume"),
    Fault("every row twice", _twice, seen_by="volume"),
    Fault("late partition (a tenth is there)", _late, seen_by="volume"),
    Fault("schema change (number to text)", _text, seen_by="schema"),
    Fault("shift of 0.5 sigma", _shifted(0.5), bar=0.95),
    Fault("shift of 0.15 sigma", _shifted(0.15), bar=None),
    Fault("spread doubled", _wider, bar=None),
    Fault("slow drift (0.02 sigma a day), fixed reference", _creeping, bar=None, fixed=True, patience=60),
    Fault("slow drift (0.02 sigma a day), trailing 90 days", _creeping, bar=None, patience=60),
)
