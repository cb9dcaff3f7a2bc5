"""Random rows and predicates over columns of all kinds, to compare what a database filters with what Polars does."""

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl

WEIRD = "we'ird\"x"
COLUMNS = ["id", "f", "t", "b", "ts", "tz", "d", WEIRD]
FIRST = datetime(2024, 3, 29, tzinfo=timezone.utc)


def literal(value: object) -> str:
    """A value as a literal of SQL."""
    if value is None:
        return "NULL"
    text = str(value).replace("'", "''")
    return text if isinstance(value, (bool, int)) else f"'{text}'"


def random_rows(chance: random.Random, count: int) -> list[tuple[object, ...]]:
    """Rows with nulls, NaN where floats are, quotes, backslashes and times over a change of the clocks."""
    return [_row(chance, number) for number in range(count)]


def random_predicate(chance: random.Random, depth: int = 0) -> pl.Expr:
    kind = chance.random()
    if depth > 2 or kind < 0.5:
        return _atom(chance)
    left, right = random_predicate(chance, depth + 1), random_predicate(chance, depth + 1)
    if kind < 0.7:
        return left & right
    return left | right if kind < 0.9 else ~left


def random_predicates(chance: random.Random, *, without: str) -> Iterator[pl.Expr]:
    """Predicates without end, none of them over a column."""
    while True:
        predicate = random_predicate(chance)
        if without not in predicate.meta.root_names():
            yield predicate


def _row(chance: random.Random, number: int) -> tuple[object, ...]:
    moment = FIRST + timedelta(minutes=30 * chance.randint(0, 300))
    times = [each if chance.random() > 0.1 else None for each in (moment.replace(tzinfo=None), moment, moment.date())]
    return (
        number,
        chance.choice([None, math.inf, -0.0, 0.0, 1.5, chance.gauss(0, 2)]),
        chance.choice([None, "a", "A", "é", "x'y", "b\\c", "", " a", "z%", "n\nl", ":c"]),
        chance.choice([None, True, False]),
        *times,
        chance.choice([None, 1, 2]),
    )


def _literal(chance: random.Random, column: str) -> Any:
    moment = FIRST + timedelta(minutes=30 * chance.randint(-5, 305))
    return {
        "id": chance.randint(-5, 405),
        "f": chance.choice([0.0, 1.5, math.nan, math.inf]),
        "t": chance.choice(["a", "x'y", "b\\c", "", "é", "z%", ":c"]),
        "b": chance.choice([True, False]),
        "ts": moment.replace(tzinfo=None),
        "tz": moment,
        "d": moment.date(),
        WEIRD: chance.randint(0, 3),
    }[column]


def _atom(chance: random.Random) -> pl.Expr:
    column = chance.choice(COLUMNS)
    value, kind = pl.col(column), chance.random()
    if kind < 0.1:
        return value.is_null()
    if kind < 0.25 and column in ("id", "t", WEIRD):
        return value.is_in([_literal(chance, column) for _ in range(3)])
    if kind < 0.3 and column in ("id", "f"):
        return (value * 2 + 1) > _literal(chance, column)
    if kind < 0.35 and column == "t":
        return value.str.to_uppercase() == "A"
    if kind < 0.4 and column in ("tz", "ts"):
        return value.is_between(_literal(chance, column), _literal(chance, column))
    signs = ["__eq__", "__ne__"] if column == "b" else ["__gt__", "__ge__", "__lt__", "__le__", "__eq__", "__ne__"]
    return getattr(value, chance.choice(signs))(_literal(chance, column))
