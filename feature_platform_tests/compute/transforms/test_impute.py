import math
import statistics
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.compute.transforms.impute import impute
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import ColumnCollision, MissingColumns, NotUtc, WrongColumnType
from feature_platform.parts.imputation import FittedImputation, ForwardFill, Impute, Mean, Median, Mode
from feature_platform_tests.compute.drawn import DRAWN, HOURS, KEYS, day, drawn_rows, frame

SCHEMA = {"by": pl.String, "t": UTC, "x": pl.Float64}
NUMBERS = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 2.0, 2.0, math.nan]), st.floats(-1e6, 1e6))
ROWS = drawn_rows(KEYS, HOURS, NUMBERS, max_size=20)


def spoilt(values, compute):
    return math.nan if any(map(math.isnan, values)) else compute(values)


def mode(values):
    """The most frequent value; of equally frequent ones that which was seen last."""
    names = ["nan" if math.isnan(value) else value for value in values]
    return float(max(names[::-1], key=names.count))


LEARNT = {
    "forward_fill": lambda values: values[-1],
    "mean": lambda values: spoilt(values, statistics.fmean),
    "median": lambda values: spoilt(values, statistics.median),
    "mode": mode,
}


def naive(rows, by, compute):
    """What fills each gap: what is learnt from the values of strictly earlier rows of the group, in order."""
    ordered = sorted((row for row in rows if row[1] is not None and row[2] is not None), key=lambda row: row[1])
    for group, t, value in rows:
        past = [x for g, at, x in ordered if t is not None and at < t and (not by or g == group)]
        yield compute(past) if value is None and past else value


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("by", [None, "by"])
@pytest.mark.parametrize("kind", LEARNT)
@DRAWN
@given(rows=ROWS)
def test_a_gap_is_filled_with_what_strictly_earlier_rows_of_the_group_teach(kind, by, rows):
    given_frame = frame(rows, **SCHEMA)
    rule = getattr(Impute, kind)(by=by, flag=True)
    found = impute(given_frame, {"x": rule}, time="t").collect()
    wanted = pl.Series("x", list(naive(rows, by, LEARNT[kind])), dtype=pl.Float64)
    assert_frame_equal(
        found,
        given_frame.with_columns(wanted, x_was_missing=given_frame["x"].is_null()),
        rel_tol=1e-9,
        abs_tol=1e-6,
    )


@pytest.mark.parametrize("by", [None, "by"])
@pytest.mark.parametrize("kind", LEARNT)
@DRAWN
@given(rows=ROWS)
def test_a_fallback_fills_the_gaps_that_nothing_came_before_and_no_others(kind, by, rows):
    given_frame = frame(rows, **SCHEMA)
    learnt, whole = (getattr(Impute, kind)(by=by, fallback=each) for each in (None, -7))
    found = impute(given_frame, {"x": whole}, time="t").collect()
    assert_frame_equal(
        found, impute(given_frame, {"x": learnt}, time="t").with_columns(pl.col("x").fill_null(-7.0)).collect()
    )
    assert found["x"].null_count() == 0


@pytest.mark.parametrize("by", [None, "by"])
@pytest.mark.parametrize("kind", LEARNT)
@DRAWN
@given(rows=ROWS, later=ROWS, now=st.integers(-12, 12))
def test_changing_what_happens_at_an_instant_or_later_never_changes_a_value_before_it(kind, by, rows, later, now):
    past = [row for row in rows if row[1] is not None and row[1] < now]
    futures = [[row for row in each if row[1] is None or row[1] >= now] for each in (rows, later)]
    rule = {"x": getattr(Impute, kind)(by=by)}
    before = [impute(frame(past + future, **SCHEMA), rule, time="t").collect().head(len(past)) for future in futures]
    assert_frame_equal(*before)


@DRAWN
@given(ROWS)
def test_every_row_comes_back_once_in_order_whatever_is_imputed(rows):
    given_frame = frame(rows, **SCHEMA).with_row_index("n")
    rules = {"x": Impute.median(by="by"), "by": Impute.mode(flag=True)}
    found = impute(given_frame, rules, time="t").collect()
    assert_frame_equal(found.select("n", "t"), given_frame.select("n", "t"))
    assert found.columns == ["n", "by", "t", "x", "by_was_missing"]


@dataclass(frozen=True)
class OwnMean(Mean):
    """A subclass means what its own expression says: it is not taken for the mean."""


@dataclass(frozen=True)
class OwnMedian(Median):
    pass


@dataclass(frozen=True)
class OwnMode(Mode):
    pass


@dataclass(frozen=True)
class OwnForwardFill(ForwardFill):
    pass


@dataclass(frozen=True)
class Twice(FittedImputation):
    """Twice the number of values so far: an imputation that only says what is learnt."""

    def learnt(self, values: pl.Expr) -> pl.Expr:
        return pl.when(values.is_not_null()).then(values.cum_count() * 2.0)


OWN: dict[Any, Any] = {
    Impute.mean: OwnMean,
    Impute.median: OwnMedian,
    Impute.mode: OwnMode,
    Impute.forward_fill: OwnForwardFill,
}
TINY_AND_HUGE = st.one_of(
    st.none(), st.sampled_from([0.0, -0.0, 1e-300, 1e16, -1e16, 1e300, -1e300, math.inf, -math.inf, math.nan])
)
MANY_ROWS = drawn_rows(st.sampled_from(["A", "A", "A", "A", "A", None, "B", "C"]), HOURS, NUMBERS, max_size=40)


@pytest.mark.parametrize("by", [None, "by"])
@pytest.mark.parametrize("kind", OWN)
@DRAWN
@given(rows=st.one_of(MANY_ROWS, drawn_rows(KEYS, HOURS, TINY_AND_HUGE, max_size=20)))
def test_the_fast_ways_are_what_the_expressions_of_the_rules_say(kind, by, rows):
    given_frame = frame(rows, **SCHEMA)
    found, wanted = (impute(given_frame, {"x": rule(by=by)}, time="t").collect() for rule in (kind, OWN[kind]))
    largest = given_frame.select(pl.col("x").abs().fill_nan(0).replace(math.inf, 0).max()).item() or 0.0
    assert_frame_equal(found, wanted, rel_tol=1e-9, abs_tol=1e-9 * largest)


def test_whoever_writes_an_imputation_only_says_what_is_learnt():
    groups = ["A", "B", "A", "A", "B"]
    assert filled([5.0, None, 7.0, None, None], Twice(by="g"), g=groups) == [5.0, None, 7.0, 4.0, None]
    assert filled([5.0, None, 7.0, None, None], Twice()) == [5.0, 2.0, 7.0, 4.0, 4.0]


def test_groups_are_worked_off_in_spans_of_whole_groups(monkeypatch):
    rows = days([1.0, 3.0, None, 5.0, None, 7.0, None], g=["A", "A", "A", "B", "B", "A", "C"])
    rules = [{"x": rule(by="g")} for rule in (Impute.mean, Impute.median, Twice)]
    whole = [impute(rows, rule, time="t").collect() for rule in rules]
    monkeypatch.setattr("feature_platform.compute.transforms.past._ROWS_AT_ONCE", 2)
    for rule, wanted in zip(rules, whole, strict=True):
        assert_frame_equal(impute(rows, rule, time="t").collect(), wanted)


def test_a_mean_forgets_nothing_that_huge_values_hide():
    huge = [1e16, *[1.0] * 1000, -1e16, None]
    t = pl.Series([day(1) + timedelta(seconds=n) for n in range(len(huge))], dtype=UTC)
    found = impute(pl.DataFrame({"t": t, "x": huge}), {"x": Impute.mean()}, time="t").collect()["x"][-1]
    assert found == pytest.approx(1000 / 1002)


def test_the_values_of_one_group_never_touch_the_mean_of_another():
    assert filled([1e300, 1e-300, None], Impute.mean(by="g"), g=["A", "B", "B"])[-1] == 1e-300
    assert filled([math.inf, 1.0, None], Impute.mean(by="g"), g=["A", "B", "B"])[-1] == 1.0


def test_a_row_that_is_filtered_out_afterwards_teaches_all_the_same():
    found = impute(days([4.0, None]), {"x": Impute.mean()}, time="t")
    assert found.filter(pl.col("t") == day(2)).collect()["x"].to_list() == [4.0]
    assert found.tail(1).select("x").collect()["x"].to_list() == [4.0]


# ---------------------------------------------------------------- literal cases


def days(values, **columns):
    times = pl.Series([day(n) for n in range(1, len(values) + 1)], dtype=UTC)
    return pl.DataFrame({"t": times, "x": values, **columns})


def filled(values, rule, **columns):
    return impute(days(values, **columns), {"x": rule}, time="t").collect()["x"].to_list()


def test_rows_of_one_instant_learn_nothing_from_one_another():
    rows = pl.DataFrame({"t": [day(1), day(1), day(2)], "x": [4.0, None, None]})
    assert impute(rows, {"x": Impute.mean()}, time="t").collect()["x"].to_list() == [4.0, None, 4.0]


def test_filled_gaps_teach_nothing():
    assert filled([1.0, None, None, 4.0, None], Impute.mean()) == [1.0, 1.0, 1.0, 4.0, 2.5]
    assert filled(["a", "b", None, "b", None], Impute.mode()) == ["a", "b", "b", "b", "b"]


def test_of_equally_frequent_values_the_one_seen_last_fills_the_gap():
    assert filled(["a", "b", "a", "b", None], Impute.mode())[-1] == "b"
    assert filled(["b", "b", "a", "a", None], Impute.mode())[-1] == "a"


def test_a_null_group_is_a_group_like_any_other():
    groups = [None, "JFK", None]
    assert filled([1.0, 2.0, None], Impute.mean(by="origin"), origin=groups) == [1.0, 2.0, 1.0]


def test_a_nan_is_no_gap_and_spoils_means_from_then_on():
    for rule in (Impute.mean(), Impute.median()):
        found = filled([1.0, None, math.nan, None, 2.0, None], rule)
        assert found[:2] == [1.0, 1.0]
        assert all(math.isnan(found[n]) for n in (2, 3, 5))


def test_rows_without_a_time_neither_teach_nor_learn():
    rows = pl.DataFrame({"t": pl.Series([None, day(1), None], dtype=UTC), "x": [9.0, None, None]})
    assert impute(rows, {"x": Impute.mean()}, time="t").collect()["x"].to_list() == [9.0, None, None]
    assert impute(rows, {"x": Impute.constant(0)}, time="t").collect()["x"].to_list() == [9.0, 0.0, 0.0]


def test_means_and_medians_of_whole_numbers_are_floats_and_other_types_stay():
    assert filled([1, 2, None], Impute.mean()) == [1.0, 2.0, 1.5]
    assert filled([1, 2, None], Impute.median()) == [1.0, 2.0, 1.5]
    for values in ([1, 2, None], [True, True, None], ["é", "é", None], [day(1), day(1), None]):
        frame_of = days(values)
        for rule in (Impute.mode(), Impute.forward_fill(by=None)):
            found = impute(frame_of, {"x": rule}, time="t").collect()
            assert found.schema == frame_of.schema
            assert found["x"].to_list() == [values[0], values[1], values[1]]


@pytest.mark.parametrize(
    ("values", "dtype", "constant"),
    [
        ([1, None], pl.Int8, 0),
        ([1.5, None], pl.Float32, 0.1),
        (["a", None], pl.String, ""),
        (["a", None], pl.Categorical, "z"),
        (["a", None], pl.Enum(["a", "z"]), "z"),
        ([True, None], pl.Boolean, False),
        ([day(1), None], UTC, day(2)),
        ([timedelta(1), None], pl.Duration("us"), timedelta(0)),
        ([None, None], pl.Null, 7),
    ],
)
def test_a_constant_fills_gaps_of_its_type(values, dtype, constant):
    found = impute(days(pl.Series(values, dtype=dtype)), {"x": Impute.constant(constant)}, time="t").collect()["x"]
    assert found[1] == (pytest.approx(constant) if dtype == pl.Float32 else constant)
    assert found.dtype == (pl.Int32 if dtype == pl.Null else dtype)


@pytest.mark.parametrize(
    ("values", "dtype", "constant"),
    [
        ([1], pl.Int8, 0.5),
        ([1], pl.Int8, 300),
        (["a"], pl.String, 0),
        ([1], pl.Int64, "0"),
        (["a"], pl.Enum(["a"]), "z"),
        ([day(1)], UTC, "x"),
        ([1.0], pl.Float64, True),
    ],
)
def test_a_constant_that_the_type_does_not_hold_is_refused(values, dtype, constant):
    with pytest.raises(WrongColumnType, match="`x`"):
        impute(days(pl.Series(values, dtype=dtype)), {"x": Impute.constant(constant)}, time="t")


def test_empty_frames_of_any_type_are_frames_like_others():
    schemas: list[dict[str, Any]] = [{"t": UTC, "x": pl.Float64}, {"t": pl.Null, "x": pl.Null}]
    for schema in schemas:
        rules = {"x": Impute.mean(flag=True)}
        found = impute(pl.DataFrame(schema=schema), rules, time="t").collect()
        assert found.schema == {"t": schema["t"], "x": pl.Float64, "x_was_missing": pl.Boolean}


def test_times_of_other_zones_come_back_as_they_were():
    rows = days([1.0, None]).with_columns(pl.col("t").dt.convert_time_zone("Asia/Tokyo"))
    found = impute(rows, {"x": Impute.median()}, time="t").collect()
    assert_frame_equal(found.select("t"), rows.select("t"))


def test_mistakes_are_named():
    rows = days([1.0, None])
    with pytest.raises(MissingColumns, match="`y`"):
        impute(rows, {"y": Impute.mean()}, time="t")
    with pytest.raises(MissingColumns, match="`origin`"):
        impute(rows, {"x": Impute.mean(by="origin")}, time="t")
    with pytest.raises(ColumnCollision, match="x_was_missing"):
        impute(rows.with_columns(x_was_missing=True), {"x": Impute.mean(flag=True)}, time="t")
    with pytest.raises(WrongColumnType, match=r"Mean.*`x` is String"):
        impute(days(["a"]), {"x": Impute.mean()}, time="t")
    with pytest.raises(NotUtc, match="`t`"):
        impute(rows.with_columns(pl.col("t").dt.replace_time_zone(None)), {"x": Impute.mean()}, time="t")


def test_no_rules_change_nothing():
    assert_frame_equal(impute(days([1.0, None]), {}, time="t").collect(), days([1.0, None]))


@pytest.mark.parametrize("by", [None, "by"])
@DRAWN
@given(rows=drawn_rows(KEYS, HOURS, TINY_AND_HUGE | st.floats(-10, 10), max_size=20), chance=st.randoms())
def test_rows_in_another_order_fill_a_mean_with_the_same_bits(by, rows, chance):
    given_frame = frame(rows, **SCHEMA).with_row_index("place")
    mixed = given_frame[chance.sample(range(len(rows)), len(rows))]
    whole, other = (impute(each, {"x": Impute.mean(by=by)}, time="t").collect() for each in (given_frame, mixed))
    assert_frame_equal(other.sort("place"), whole, check_exact=True)
