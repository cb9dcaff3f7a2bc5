"""Any cut and any order of rows gives the same profile bit for bit, however its parts are counted, kept or added up."""

import math
import struct
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.profiles import counting, profiling
from feature_platform.compute.profiles.counting import layouts_of, profile_of, profiles_within, starts_of
from feature_platform.compute.profiles.layout import Layout, layout_of
from feature_platform.compute.profiles.moments import moments_of_sorted, moments_of_stretches
from feature_platform.compute.profiles.profile import add_profiles
from feature_platform.compute.profiles.profiling import Profiler
from feature_platform.compute.profiles.rows import profile_as_rows, profile_from_rows
from feature_platform.compute.profiles.totals import Total, add_totals
from feature_platform.compute.profiles.window_profiles import profile_windows
from feature_platform.parts.drift import Kind
from feature_platform_tests.compute.drawn import at, drawn
from feature_platform_tests.compute.windows.test_any_cut import FLOATS

SCHEMA = pl.Schema({"x": pl.Float64, "f": pl.Float32, "i": pl.Int64, "c": pl.String})
VALUES = st.one_of(FLOATS, st.sampled_from([1.7e308, -1.7e308, 1e154, 1e-160, 0.0]))
NARROW = st.one_of(st.none(), st.floats(-10, 10, width=32), st.floats(width=32))
WHOLE = st.one_of(st.none(), st.integers(-100, 100), st.integers(2**53, 2**63 - 1))
ROW = st.tuples(VALUES, NARROW, WHOLE, st.sampled_from(["a", "b", "航", None]))
ROWS = st.lists(ROW, max_size=25).map(lambda rows: pl.DataFrame(rows, schema=SCHEMA, orient="row"))


def bits(profile):
    """All that a profile says, floats by their bits."""
    numbers = profile.total, profile.squares, profile.mean, profile.deviation, profile.lowest, profile.highest
    counted = profile.rows, profile.nulls, profile.nans, profile.infinities, profile.counts.tolist()
    floats = [None if math.isnan(float(each)) else struct.pack("<d", float(each)) for each in numbers]
    return (profile.layout.id, *counted, *floats, profile.sketch.tolist(), profile.unknown)


def in_pieces(rows, chance):
    """The rows in any order, cut anywhere; a piece may be empty."""
    mixed = rows[chance.sample(range(rows.height), rows.height)]
    cuts = sorted(chance.choices(range(rows.height + 1), k=chance.randrange(5)))
    return [mixed[start:end] for start, end in zip([0, *cuts], [*cuts, rows.height], strict=True)]


def added_anyhow(profiles, layouts, chance):
    """The sum of profiles by column, two at a time, any two next."""
    left = list(profiles)
    while len(left) > 1:
        one, other = (left.pop(chance.randrange(len(left))) for _ in range(2))
        left.append({name: add_profiles([one[name], other[name]], layout) for name, layout in layouts.items()})
    return left[0]


def kept(profile, layouts):
    """What is read back of a profile."""
    return profile_from_rows(profile_as_rows(profile), {each.id: each for each in layouts.values()})


@drawn(60)
@given(reference=ROWS, rows=ROWS, chance=st.randoms(use_true_random=False))
def test_any_cut_and_any_order_of_rows_gives_one_profile(reference, rows, chance):
    layouts = layouts_of(reference, list(SCHEMA))
    whole = {name: bits(each) for name, each in profile_of(rows, layouts).items()}
    pieces = in_pieces(rows, chance)
    alone = [profile_of(each, layouts) for each in pieces]
    together = profiles_within(pl.concat(pieces), starts_of(map(len, pieces)), layouts, layouts)
    stored = [kept(each, layouts) for each in alone]
    for parts in (alone, together, stored):
        assert {name: bits(each) for name, each in added_anyhow(parts, layouts, chance).items()} == whole


@drawn(15)
@given(reference=ROWS, rows=ROWS, chance=st.randoms(use_true_random=False))
def test_partitions_that_pass_and_windows_are_the_same_in_any_batches(reference, rows, chance):
    known = pl.DataFrame([(1.0, 1.0, 1, "a")], schema=SCHEMA, orient="row")  # so that no column waits for a layout
    layouts = layouts_of(pl.concat([reference, known]), list(SCHEMA))
    days = pl.Series([at(24 * (number % 3)) for number in range(rows.height)], dtype=pl.Datetime("us", "UTC"))
    rows = rows.with_columns(day=days)
    pieces = in_pieces(rows, chance)
    with pytest.MonkeyPatch.context() as patch:
        whole = profile_windows(rows, layouts, pl.col("day"))
        patch.setattr(counting, "_BATCH_OF_WINDOWS", 4)
        found = profile_windows(pl.concat(pieces), layouts, pl.col("day"))
        patch.setattr(profiling, "HELD_VALUES", 20)
        profiler = Profiler(layouts)
        for piece in pieces:
            profiler.see("p", piece.drop("day"))
        passed = profiler.profiles({"p": "h"})["p"].columns
    assert list(found) == list(whole)
    for name, layout in layouts.items():
        assert [bits(each[name]) for each in found.values()] == [bits(each[name]) for each in whole.values()]
        if rows.height:
            total = add_profiles([each[name] for each in whole.values()], layout)
            assert bits(passed[name])[:-2] == bits(total)[:-2]


@pytest.mark.parametrize("shape", ["even", "prices", "spread", "huge", "equal", "whole"])
def test_sums_are_the_true_ones_of_many_values(shape):
    draw = np.random.default_rng(3)
    values = {
        "even": draw.standard_normal(70_000),
        "prices": np.round(draw.lognormal(3, 1, 70_000), 2),
        "spread": draw.standard_normal(9_000) * 10.0 ** draw.integers(-320, 300, 9_000),
        "huge": draw.standard_normal(9_000) * 2.0 ** draw.integers(950, 1020, 9_000),
        "equal": np.full(70_000, 0.1),
        "whole": draw.integers(-(2**60), 2**60, 70_000).astype(np.float64),
    }[shape]
    away = values - 0.3
    with np.errstate(over="ignore", under="ignore"):
        squares = np.square(away)
    wanted = [sum(map(Fraction, each[np.isfinite(each)].tolist())) for each in (away, squares)]
    starts = np.array([0, 0, 5, 40_000, 40_000, len(values)]).clip(max=len(values))
    of_sorted = moments_of_sorted(np.sort(values), 0.3)
    of_stretches = [add_totals(each) for each in moments_of_stretches(values, starts, 0.3)]
    for total, other, true, terms in zip(of_sorted, of_stretches, wanted, (away, squares), strict=True):
        assert total == other == Total.read(float(total), total.exact)
        assert total == (Total(0, math.inf) if np.isinf(terms).any() else Total(int(true * 2**1074)))


def test_partial_sums_beyond_the_largest_float_are_no_loss():
    layouts = {"x": Layout(Kind.NUMBER, np.zeros(1))}
    parts = [profile_of(pl.DataFrame({"x": some}), layouts) for some in ([1.7e308, 1.6e308], [-1.7e308, 5e-324])]
    assert parts[0]["x"].mean == math.inf
    assert add_profiles([kept(each, layouts)["x"] for each in parts], layouts["x"]).mean == 0.4e308


def test_what_was_kept_before_sums_were_exact_is_read_and_adds_up():
    rows = pl.DataFrame({"x": [0.1, 0.2, 0.3, math.inf]})
    layouts = layouts_of(rows, ["x"])
    new = profile_as_rows(profile_of(rows, layouts))
    old = profile_from_rows(new.drop("total_exact", "squares_exact"), {layouts["x"].id: layouts["x"]})["x"]
    assert (float(old.total), float(old.squares)) == (new["total"].item(), new["squares"].item())
    assert (old.mean, old.deviation) == (new["mean"].item(), new["deviation"].item())
    assert add_profiles([old, old], layouts["x"]).mean == old.mean


def test_zero_has_one_sign_in_profiles_and_layouts():
    zeros = [pl.Series("x", signs) for signs in ([0.0, -0.0, 1.0, -1.0, 0.0], [-0.0, 0.0, -0.0, -1.0, 1.0])]
    one, other = (layout_of(each) for each in zeros)
    assert one.id == other.id
    ends = [profile_of(each[:2].to_frame(), {"x": one})["x"] for each in zeros]
    assert bits(ends[0]) == bits(ends[1])
