"""A function of a partitioned table gives the same rows however time is cut, or is refused; what is fine is not."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest

from feature_platform.compute.plans.cuts import Cut
from feature_platform.compute.plans.functions import Proof
from feature_platform.ground import clock
from feature_platform.ground.errors import NotRepeatable, NotTheSameInParts, TransformFailed

DAY = datetime(2024, 1, 1, tzinfo=timezone.utc)
AMOUNT = pl.col("amount")
Function = Callable[[pl.LazyFrame], pl.LazyFrame]


def events(days: int = 6, each: int = 8) -> pl.DataFrame:
    """Orders of three customers over some days, twice in each hour, every line of an order once more."""
    places = range(days * each)
    at = [DAY + timedelta(days=place // each, hours=place % each // 2) for place in places]
    lines = {
        "order": [place // 2 for place in places],
        "customer": ["abc"[place // 2 % 3] for place in places],
        "at": at,
        "text": [f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in at],
        "amount": [place * 7919 % 101 + place / 100 for place in places],
        "tags": [["x", "y"][: place % 3] for place in places],
    }
    frame = pl.DataFrame(lines, schema_overrides={"at": pl.Datetime("us", "UTC")})
    return pl.concat([frame, frame[:10]])


SHOPS = pl.DataFrame({"customer": ["a", "b"], "shop": ["north", "south"]})
PRICES = pl.DataFrame({"at": [DAY, DAY + timedelta(days=3)], "price": [1.0, 2.0]}).with_columns(
    pl.col("at").set_sorted()
)


def python(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(x=AMOUNT.map_elements(lambda value: float(f"1{value:.0f}"), return_dtype=pl.Float64))


def looped(rows: pl.LazyFrame) -> pl.LazyFrame:
    for name in ("x", "y"):
        rows = rows.with_columns(AMOUNT.alias(name))
    return rows


def eager_rows(rows: pl.LazyFrame) -> pl.LazyFrame:
    frame = rows.collect()
    return frame.with_columns(x=frame["amount"] * 2).lazy()


def eager_mean(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(x=AMOUNT - rows.select(AMOUNT.mean()).collect().item())


FINE: dict[str, Function] = {
    "nothing": lambda rows: rows,
    "select": lambda rows: rows.select("customer", "at", x=AMOUNT * 2),
    "with_columns": lambda rows: rows.with_columns(x=AMOUNT.log1p(), y=pl.col("at").dt.hour()),
    "filter": lambda rows: rows.filter(AMOUNT > 3, pl.col("customer") != "a"),
    "drop_nulls": lambda rows: rows.drop_nulls(["customer", "amount"]),
    "when": lambda rows: rows.with_columns(x=pl.when(AMOUNT > 3).then(pl.lit("much")).otherwise(pl.lit("little"))),
    "fill with a constant": lambda rows: rows.with_columns(AMOUNT.fill_null(0)),
    "rename": lambda rows: rows.rename({"amount": "x"}).drop("text"),
    "left join with a static frame": lambda rows: rows.join(SHOPS.lazy(), on="customer", how="left"),
    "inner join with a static frame": lambda rows: rows.join(SHOPS.lazy(), on="customer"),
    "semi join with a static frame": lambda rows: rows.join(SHOPS.lazy(), on="customer", how="semi"),
    "as-of join with a static frame": lambda rows: rows.sort("at").join_asof(PRICES.lazy(), on="at"),
    "explode": lambda rows: rows.explode("tags"),
    "unpivot": lambda rows: rows.unpivot(["amount", "order"], index=["customer", "at"]),
    "horizontal sum": lambda rows: rows.with_columns(x=pl.sum_horizontal("amount", "order")),
    "list aggregate": lambda rows: rows.with_columns(x=pl.col("tags").list.len()),
    "struct": lambda rows: rows.with_columns(x=pl.struct("amount", "order")),
    "sort": lambda rows: rows.sort("customer", AMOUNT),
    "python for each value": python,
    "python batches": lambda rows: rows.map_batches(lambda frame: frame.with_columns(AMOUNT * 2)),
    "loop": looped,
    "eager": eager_rows,
    "concat of itself": lambda rows: pl.concat([rows, rows.with_columns(AMOUNT * -1)]),
    "text to time": lambda rows: rows.with_columns(at=pl.col("text").str.to_datetime(time_zone="UTC", time_unit="us")),
    "seeded by the row": lambda rows: rows.with_columns(x=pl.struct("customer", "at").hash(seed=7)),
    "unique at its time": lambda rows: rows.unique(["order", "at"], keep="first", maintain_order=True),
    "unique at its time, any": lambda rows: rows.select("order", "customer", "at").unique(["order", "at"]),
    "unique rows": lambda rows: rows.select("customer", "at", "order").unique(),
    "over its time": lambda rows: rows.with_columns(n=pl.len().over("customer", "at")),
    "rank in its time": lambda rows: rows.with_columns(n=AMOUNT.rank("dense").over("at")),
    "group by its time": lambda rows: rows.group_by("customer", "at").agg(AMOUNT.sum()),
    "join with sums of its time": lambda rows: rows.join(
        rows.group_by("customer", "at").agg(n=pl.len()), on=["customer", "at"]
    ),
    "unique ids, each at one time": lambda rows: rows.unique("order", keep="first", maintain_order=True),
    "sums of orders, each at one time": lambda rows: rows.group_by("order").agg(
        pl.first("customer", "at"), AMOUNT.sum()
    ),
}
BY_DAY: dict[str, Function] = {  # fine where whole days are cut, and in no other place
    "over the day": lambda rows: rows.with_columns(n=pl.len().over("customer", pl.col("at").dt.truncate("1d"))),
    "unique of a day": lambda rows: rows.unique(
        ["customer", pl.col("at").dt.date()], keep="first", maintain_order=True
    ),
    "sum of a day": lambda rows: rows.group_by("customer", pl.col("at").dt.truncate("1d")).agg(AMOUNT.sum()),
}
REFUSED: dict[str, Function] = {
    "cumulative sum": lambda rows: rows.with_columns(x=AMOUNT.cum_sum().over("customer")),
    "cumulative count": lambda rows: rows.sort("at").with_columns(x=pl.cum_count("order")),
    "rank": lambda rows: rows.with_columns(x=AMOUNT.rank("ordinal")),
    "rank over": lambda rows: rows.with_columns(x=AMOUNT.rank().over("customer")),
    "shift": lambda rows: rows.with_columns(x=AMOUNT.shift()),
    "shift over, selected": lambda rows: rows.select("customer", "at", x=AMOUNT.shift().over("customer")),
    "filter and shift": lambda rows: rows.filter(AMOUNT > 0).with_columns(x=AMOUNT.shift()),
    "difference of times": lambda rows: rows.with_columns(x=pl.col("at").diff().over("customer")),
    "minus the mean": lambda rows: rows.with_columns(x=AMOUNT - AMOUNT.mean()),
    "share of the sum": lambda rows: rows.with_columns(x=AMOUNT / AMOUNT.sum().over("customer")),
    "quantile cut": lambda rows: rows.with_columns(x=AMOUNT.quantile(0.75) < AMOUNT),
    "forward fill": lambda rows: rows.with_columns(x=pl.when(AMOUNT > 60).then(AMOUNT).forward_fill().over("customer")),
    "interpolate": lambda rows: rows.with_columns(x=pl.when(AMOUNT > 60).then(AMOUNT).interpolate()),
    "rolling": lambda rows: rows.sort("at").with_columns(x=AMOUNT.rolling_sum_by("at", window_size="2d")),
    "row index": lambda rows: rows.with_row_index("x"),
    "head": lambda rows: rows.head(3),
    "tail": lambda rows: rows.tail(3),
    "every other": lambda rows: rows.gather_every(3),
    "unique customers": lambda rows: rows.unique("customer", keep="last", maintain_order=True),
    "unique customers, any": lambda rows: rows.unique("customer"),
    "last of each": lambda rows: rows.group_by("customer").agg(pl.last("at", "amount")),
    "top": lambda rows: rows.top_k(5, by="amount"),
    "self join": lambda rows: rows.join(rows.group_by("customer").agg(n=pl.len()), on="customer"),
    "eager mean": eager_mean,
    "python batches over rows": lambda rows: rows.map_batches(lambda frame: frame.with_columns(AMOUNT.cum_sum())),
    "only the largest": lambda rows: rows.filter(AMOUNT.max() == AMOUNT),
    "sample with a seed": lambda rows: rows.collect().sample(fraction=0.5, seed=1).lazy(),
}
RANDOM: dict[str, Function] = {
    "literal": lambda rows: rows.with_columns(x=pl.lit(random.random())),
    "for each value": lambda rows: rows.with_columns(
        x=AMOUNT.map_elements(lambda _: random.random(), return_dtype=pl.Float64)
    ),
    "sample without a seed": lambda rows: rows.collect().sample(fraction=0.5).lazy(),
    "shuffled": lambda rows: rows.with_columns(x=AMOUNT.shuffle()),
    "clock": lambda rows: rows.with_columns(x=pl.lit(datetime.now(tz=timezone.utc))),
}
AS_TEXT = [name for name in FINE | BY_DAY | REFUSED if name not in ("as-of join with a static frame", "text to time")]


def check(function: Function, frame: pl.DataFrame, *, given: str | None = "at", grain: Any = None) -> None:
    def part_of(time: pl.Expr) -> pl.Expr:
        return time if grain is None else clock.partition_start_of(time, grain)

    cut = Cut("Feature view `v`", "its function", function, "at", given, part_of, "Work row by row.")
    cut.check(frame.schema, frame.head, lambda: frame)


@pytest.mark.parametrize("name", FINE)
def test_what_is_the_same_in_parts_is_taken(name: str) -> None:
    check(FINE[name], events())
    check(FINE[name], events(), given=None, grain="daily")


@pytest.mark.parametrize("name", [*REFUSED, *BY_DAY])
def test_what_depends_on_the_cut_is_refused(name: str) -> None:
    with pytest.raises(NotTheSameInParts, match="gives other rows for parts of the time range"):
        check((REFUSED | BY_DAY)[name], events())


@pytest.mark.parametrize("name", REFUSED)
def test_a_prepare_that_needs_other_days_is_refused(name: str) -> None:
    with pytest.raises(NotTheSameInParts):
        check(REFUSED[name], events(), given=None, grain="daily")


@pytest.mark.parametrize("name", BY_DAY)
def test_a_prepare_that_needs_its_own_day_is_taken_where_days_are_cut(name: str) -> None:
    check(BY_DAY[name], events(), given=None, grain="daily")
    if name != "sum of a day":  # whose rows are of one hour
        with pytest.raises(NotTheSameInParts):
            check(BY_DAY[name], events(), given=None, grain="hourly")


@pytest.mark.parametrize("name", AS_TEXT)
def test_raw_rows_are_judged_by_the_time_that_prepare_reads_out_of_them(name: str) -> None:
    def parsed(raw: pl.LazyFrame) -> pl.LazyFrame:
        time = pl.col("when").str.to_datetime(time_zone="UTC", time_unit="us")
        return (FINE | BY_DAY | REFUSED)[name](raw.with_columns(at=time).drop("when"))

    raw = events().rename({"at": "when"}).with_columns(when="text")
    if name in REFUSED:
        with pytest.raises(NotTheSameInParts):
            check(parsed, raw, given=None, grain="daily")
    else:
        check(parsed, raw, given=None, grain="daily")


@pytest.mark.parametrize("name", RANDOM)
def test_chance_and_the_clock_are_refused(name: str) -> None:
    with pytest.raises(NotRepeatable, match="gets the same rows again"):
        check(RANDOM[name], events())


def test_what_is_proven_by_the_plan_needs_no_rows() -> None:
    proven = ["text to time", "horizontal sum", "when", "select", "filter", "explode", "sort"]
    proven += [name for name in FINE if "static frame" in name]

    def unread(most: int) -> pl.DataFrame:
        raise AssertionError(most)

    for name in proven:
        cut = Cut("v", "its function", FINE[name], "at", "at", lambda time: time, "")
        cut.check(events().schema, unread, pl.DataFrame)
    for name, function in (REFUSED | BY_DAY).items():
        assert not Proof.of(function, events().schema, "at", "at").holds, name


def test_what_was_seen_is_said() -> None:
    with pytest.raises(NotTheSameInParts) as raised:
        check(REFUSED["cumulative sum"], events())
    said = "Feature view `v`: its function gives other rows for parts of the time range than for all of it: `x` at 20"
    assert str(raised.value).startswith(said)
    assert str(raised.value).endswith("Work row by row.")


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_say_nothing(rows: int) -> None:
    check(REFUSED["shift"], events().head(rows))
    check(REFUSED["shift"], events().head(rows), given=None, grain="daily")


def test_a_function_that_fails_is_left_to_the_run() -> None:
    def fails(rows: pl.LazyFrame) -> pl.LazyFrame:
        raise TransformFailed("v", "its function", "failed", "")

    check(fails, events())
    check(lambda rows: rows.with_columns(x=pl.col("text").str.to_integer()), events())
    check(lambda rows: rows.with_columns(x=pl.lit(1 // int(rows.collect().height != 29))), events())
