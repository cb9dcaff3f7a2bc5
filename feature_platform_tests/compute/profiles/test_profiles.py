"""Profiles: they add up, however rows are cut; they say what the rows say; they survive a table."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.compute.profiles import counting, distinct
from feature_platform.compute.profiles.counting import layouts_of, profile_of, profiles_by, sample_rows
from feature_platform.compute.profiles.layout import BINS, CATEGORIES, layout_of
from feature_platform.compute.profiles.profile import add_profiles
from feature_platform.compute.profiles.rows import (
    layouts_as_rows,
    layouts_from_rows,
    profile_as_rows,
    profile_from_rows,
)
from feature_platform.parts.drift import Kind
from feature_platform_tests.effort import tries

DRAWN = settings(derandomize=True, deadline=None, max_examples=tries(60))
NUMBERS = st.one_of(
    st.none(), st.sampled_from([0.0, 0.0, 1.0, -2.5, float("nan"), float("inf"), -float("inf")]), st.floats(-1e6, 1e6)
)
TEXTS = st.one_of(st.none(), st.sampled_from(["a", "a", "b", "航", "", "z"]))
ROWS = st.lists(st.tuples(NUMBERS, TEXTS), max_size=30)
SCHEMA = {"x": pl.Float64, "c": pl.String}


def framed(rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def exact(profile):
    """What a profile says, but for its sums."""
    return (
        profile.rows,
        profile.nulls,
        profile.nans,
        profile.infinities,
        profile.counts.tolist(),
        str(profile.lowest),
        str(profile.highest),
        profile.sketch.tolist(),
        profile.unknown,
    )


@given(reference=ROWS, rows=ROWS, cut=st.integers(0, 30))
@DRAWN
def test_the_profile_of_all_rows_is_the_sum_of_the_profiles_of_their_pieces(reference, rows, cut):
    layouts = layouts_of(framed(reference), ["x", "c"])
    whole = profile_of(framed(rows), layouts)
    pieces = [profile_of(framed(each), layouts) for each in (rows[:cut], rows[cut:])]
    for name, layout in layouts.items():
        total = add_profiles([each[name] for each in pieces], layout)
        assert exact(total) == exact(whole[name])
        assert (total.total, total.squares) == (whole[name].total, whole[name].squares)


@given(reference=ROWS, rows=ROWS)
@DRAWN
def test_a_profile_says_what_the_rows_say(reference, rows):
    frame = framed(rows)
    profile = profile_of(frame, layouts_of(framed(reference), ["x", "c"]))
    x, finite = profile["x"], frame["x"].drop_nulls().filter(frame["x"].drop_nulls().is_finite())
    assert (x.rows, x.nulls, x.nans) == (len(rows), frame["x"].null_count(), int(frame["x"].is_nan().sum()))
    assert x.counts.sum() == x.values == len(rows) - x.missing
    assert x.finite == len(finite)
    if len(finite):
        assert (x.lowest, x.highest, x.mean) == pytest.approx((finite.min(), finite.max(), finite.mean()), abs=1e-6)
        assert x.deviation == pytest.approx(finite.std(ddof=0), rel=1e-6, abs=1e-3)
    c = profile["c"]
    counted = frame["c"].drop_nulls().value_counts(name="n")
    known = [(value, n) for value, n in counted.rows() if value in c.layout.values]
    assert sorted(c.top()) == sorted(known)
    assert c.distinct == len(counted)
    assert set(c.unknown) <= set(counted["c"]) - set(c.layout.values)
    assert c.counts[-1] == len(frame["c"].drop_nulls()) - sum(n for _, n in known)


@given(reference=ROWS, rows=ROWS)
@DRAWN
def test_profiles_and_layouts_survive_a_table(reference, rows):
    layouts = layouts_of(framed(reference), ["x", "c"])
    profile = profile_of(framed(rows), layouts)
    read = layouts_from_rows(layouts_as_rows(layouts.values()))
    again = profile_from_rows(profile_as_rows(profile), read)
    for name, each in profile.items():
        assert again[name].layout.id == each.layout.id
        assert exact(again[name]) == exact(each)
        assert (again[name].total, again[name].squares) == (each.total, each.squares)


def test_a_sketch_that_another_hash_made_is_not_read():
    frame = framed([(1.0, "a")])
    layouts = layouts_of(frame, ["x"])
    stored = profile_as_rows(profile_of(frame, layouts)).with_columns(hashed_by=pl.col("hashed_by") + 1)
    read = profile_from_rows(stored, {each.id: each for each in layouts.values()})["x"]
    assert (read.rows, read.distinct, stored["distinct"].item()) == (1, 0, 1)


def test_profiles_of_different_layouts_do_not_add_up():
    one, other = (
        profile_of(frame, layouts_of(frame, ["c"]))["c"] for frame in (framed([(0, "a")]), framed([(0, "b")]))
    )
    with pytest.raises(ValueError, match="do not add up"):
        one + other


def test_a_value_is_in_the_bin_that_it_ends_and_a_frequent_value_has_a_bin_of_its_own():
    layout = layout_of(pl.Series([1.0, 2.0, 3.0]))
    counts = profile_of(pl.DataFrame({"x": [2.0, 2.0, 1.9]}), {"x": layout})["x"].counts
    at = int(np.searchsorted(layout.edges, 2.0))
    assert counts[at] == 2
    assert counts[:at].sum() == 1


def test_bins_follow_the_quantiles_and_reach_far_beyond():
    layout = layout_of(pl.Series(np.random.default_rng(0).standard_normal(50_000)))
    shares = profile_of(pl.DataFrame({"x": np.random.default_rng(0).standard_normal(50_000)}), {"x": layout})[
        "x"
    ].counts
    assert shares.max() <= 50_000 / BINS + 1
    assert layout.edges[-1] > 1e6
    assert len(layout.coarse) == 10


TYPES = {
    "number": [
        pl.Series([1, 2], dtype=pl.Int8),
        pl.Series([1, 2], dtype=pl.UInt64),
        pl.Series([1.5, 2], dtype=pl.Float32),
        pl.Series([Decimal("1.50"), None], dtype=pl.Decimal(10, 2)),
        pl.Series([timedelta(days=1)]),
        pl.Series([time(12)]),
        pl.Series([[1], None, [2, 3]]),
    ],
    "category": [
        pl.Series(["a"]),
        pl.Series([True, False]),
        pl.Series(["a"], dtype=pl.Categorical),
        pl.Series(["a"], dtype=pl.Enum(["a", "b"])),
        pl.Series([b"\xff\x00"]),
    ],
    "other": [
        pl.Series([None, None], dtype=pl.Null),
        pl.Series([date(2024, 1, 1), None]),
        pl.Series([datetime(2024, 1, 1)]),
        pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)),
        pl.Series([{"a": 1}]),
    ],
}


@pytest.mark.parametrize(("kind", "values"), [(kind, each) for kind, some in TYPES.items() for each in some])
def test_every_type_has_a_kind_and_its_values_are_counted(kind, values):
    frame = values.alias("x").to_frame()
    profile = profile_of(frame, layouts_of(frame, ["x"]))["x"]
    assert profile.layout.kind is Kind(kind)
    assert profile.counts.sum() == len(values) - values.null_count() == profile.values
    assert kind == "other" or profile.distinct == values.drop_nulls().n_unique()


def test_categories_beyond_the_most_frequent_are_counted_together():
    rows = pl.DataFrame({"c": [f"{at:05d}" for at in range(CATEGORIES + 5)]})
    layout = layouts_of(rows, ["c"])["c"]
    assert (layout.complete, len(layout.values), layout.rare) == (False, CATEGORIES, CATEGORIES + 5)
    profile = profile_of(rows, {"c": layout})["c"]
    assert profile.counts[-1] == 5
    assert profile.unknown == tuple(f"{at:05d}" for at in range(CATEGORIES, CATEGORIES + 5))


@pytest.mark.parametrize("many", [10, 1000, 1023, 1024, 5000, 200_000])
def test_different_values_are_counted_exactly_or_within_ten_percent(many):
    values = pl.Series(range(many)).extend(pl.Series(range(many)))
    found = distinct.distinct(distinct.sketch_of(values))
    assert found == many if many < distinct.SIZE else abs(found / many - 1) < 0.1


def test_windows_are_profiled_in_one_pass_and_rows_without_one_do_not_count():
    rows = pl.DataFrame({"day": [1, 2, 1, None], "x": [1.0, 2.0, 3.0, 4.0]})
    found = profiles_by(rows, layouts_of(rows, ["x"]), pl.col("day"))
    assert {window: each["x"].mean for window, each in found.items()} == {1: 2.0, 2: 2.0}


def test_a_lazy_frame_gives_the_profile_of_its_rows_batch_by_batch(tmp_path, monkeypatch):
    rows = pl.DataFrame({"x": np.random.default_rng(1).standard_normal(9000), "c": ["a", "b", "c"] * 3000})
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=1000)
    layouts = layouts_of(rows, ["x", "c"])
    monkeypatch.setattr(counting, "BATCH", 1000)
    lazy = profile_of(pl.scan_parquet(tmp_path / "rows.parquet"), layouts)
    assert {name: exact(each) for name, each in lazy.items()} == {
        name: exact(each) for name, each in profile_of(rows, layouts).items()
    }


def test_a_sample_is_spread_over_all_rows_and_always_the_same():
    rows = pl.DataFrame({"x": range(50_000)}).lazy()
    found = sample_rows(rows, 5000)
    assert found.equals(sample_rows(rows, 5000))
    assert found.height == pytest.approx(5000, rel=0.1)
    assert found["x"].mean() == pytest.approx(25_000, rel=0.05)
