"""On-demand features to the last bit: a row alone, among few and among many, whatever the frame is made of."""

from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.serving.values import texts_of
from feature_platform.compute.transforms.on_demand import Computation, compute_on_demand
from feature_platform_tests.compute.drawn import DRAWN
from feature_platform_tests.orders import at

UTC = pl.Datetime("us", "UTC")
FLOATS = st.one_of(
    st.none(), st.floats(), st.sampled_from([0.0, -0.0, 0.1, 3.0, 1e308, 5e-324, 2.0**53 + 2, float("nan")])
)
WHOLES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3))


def operators(row):
    return {
        "add": row["x"] + row["y"],
        "subtract": row["x"] - row["y"],
        "multiply": row["x"] * row["y"],
        "divide": row["x"] / row["y"],
        "floor": row["x"] // row["y"],
        "remainder": row["x"] % row["y"],
        "power": row["x"].abs() ** row["y"],
        "fused_add": row["x"] * row["y"] + row["z"],
        "fused_subtract": row["x"] * row["y"] - row["z"],
        "subtract_fused": row["z"] - row["x"] * row["y"],
        "shared": (row["x"] * row["y"]).sin() + (row["x"] * row["y"]).sin() ** 2,
        "folded": row["x"] * (pl.lit(0.1) + 0.2) + row["y"] * 1.0 - 0.0,
        "whole": row["n"] + row["m"] * 3 - (-row["n"]),
        "whole_divide": row["n"] / row["m"],
        "whole_floor": row["n"] // row["m"],
        "whole_remainder": row["n"] % row["m"],
        "mixed": row["n"] * row["x"] + row["m"],
        "less": row["x"] < row["y"],
        "equal": row["x"].eq_missing(row["y"]),
        "both": (row["x"] > 0) & ~(row["n"] <= row["m"]) | row["z"].is_null(),
        "chosen": pl.when(row["x"] > row["y"]).then(row["z"]).when(row["n"] > 0).then(row["n"]).otherwise(0.5),
        "first": pl.coalesce(row["x"], row["y"], 7),
        "most": pl.max_horizontal(row["x"], row["y"], row["z"]),
        "total": pl.sum_horizontal(row["x"], row["y"], row["z"]),
        "mean": pl.mean_horizontal(row["x"], row["y"], row["z"]),
        "bounded": row["x"].clip(-1, row["y"].abs()).round(2),
        "curves": row["x"].abs().log1p().sqrt() + row["y"].exp() * row["z"].tanh() + row["x"].cbrt(),
        "narrow": row["x"].cast(pl.Float32) * row["y"].cast(pl.Float32),
        "cast": row["x"].cast(pl.Int64, strict=False),
        "among": row["n"].is_in([0, 1, 2]),
        "filled": row["x"].fill_nan(None).fill_null(row["y"]),
        "text": pl.concat_str(row["n"].cast(pl.String), pl.lit("é"), row["x"].cast(pl.String), ignore_nulls=True),
        "hour": (row["at"] + pl.duration(microseconds=row["n"] % 10**9)).dt.hour(),
        "waited": (row["at"] - row["then"]).dt.total_microseconds() / 1e6,
    }


REQUEST = dict.fromkeys("xyz", pl.Float64) | dict.fromkeys("nm", pl.Int64) | dict.fromkeys(["at", "then"], UTC)
OPERATORS = fp.on_demand(inputs=[fp.Request(REQUEST)])(operators)
TIMES = st.one_of(st.none(), st.integers(0, 72).map(at))
INPUTS = st.lists(st.tuples(FLOATS, FLOATS, FLOATS, WHOLES, WHOLES, TIMES, TIMES), min_size=1, max_size=6)


def texts_by_feature(frame):
    return {name: [frame[name].dtype, *texts_of(frame[name])] for name in frame.columns}


@DRAWN
@given(INPUTS)
def test_a_row_has_the_same_bits_in_a_request_of_its_own_and_in_a_spine(drawn):
    asked = pl.DataFrame(drawn, schema=dict(OPERATORS.request), orient="row")
    computation = Computation(OPERATORS, OPERATORS.features)
    alone = [computation.of(asked.slice(place, 1)) for place in range(asked.height)]
    whole = compute_on_demand(OPERATORS, asked, {name: name for name in asked.columns})
    assert texts_by_feature(pl.concat(alone)) == texts_by_feature(whole)


def test_few_rows_have_the_same_bits_as_in_a_spine_that_the_threads_of_polars_share():
    seeded, height = np.random.default_rng(7), 10_000
    floats = {name: seeded.normal(size=height) * 10.0 ** seeded.integers(-5, 9, height) for name in "xyz"}
    wholes = {"n": seeded.integers(-(2**63), 2**63, height), "m": seeded.integers(-3, 4, height)}
    times = {name: pl.Series(seeded.integers(0, 10**15, height)).cast(UTC) for name in ("at", "then")}
    asked = pl.DataFrame(floats | wholes | times, schema=dict(OPERATORS.request))
    computation = Computation(OPERATORS, OPERATORS.features)
    whole = computation.of(asked)
    for size, last in ((1, 200), (2, 200), (3, 200), (999, 10_000)):
        parts = pl.concat([computation.of(asked.slice(start, size)) for start in range(0, last, size)])
        assert_frame_equal(parts.head(last), whole.head(last), check_exact=True)
    for ends in ([0, 1, 4, 200], [0, 5_001, 10_000]):
        in_chunks = pl.concat([asked[start:end] for start, end in pairwise(ends)], rechunk=False)
        assert_frame_equal(computation.of(in_chunks), whole.head(ends[-1]), check_exact=True)
    constant, repeated = asked.head(9).with_columns(x=pl.lit(1234.56789)), pl.Series("x", [1234.56789] * 9)
    assert_frame_equal(computation.of(constant), computation.of(constant.with_columns(repeated)), check_exact=True)
