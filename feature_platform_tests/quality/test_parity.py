"""On random data without NaN, the Polars engine says what Great Expectations' pandas engine says.

Known differences, tested elsewhere: NaN is a value here; regular expressions are Rust's; at an exact tie
`nearest` quantiles take the upper neighbour; text that is no JSON does not meet a schema, where pandas raises.
"""

import math
import warnings
from datetime import UTC, datetime
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from feature_platform.declarations.expectation import Expect
from feature_platform.quality import known_expectations, validate
from feature_platform.quality.conditions import read_condition
from feature_platform_tests.effort import tries

FIELDS = (
    "element_count",
    "unexpected_count",
    "missing_count",
    "unexpected_percent",
    "observed_value",
    "partial_unexpected_list",
    "partial_unexpected_index_list",
    "partial_missing_list",
)
PAIR: dict[str, Any] = {"column_A": "x", "column_B": "y"}
TRIPLE: dict[str, Any] = {"column_list": ["n", "m", "k"]}
KL = "expect_column_kl_divergence_to_be_less_than"
VALUES: dict[str, Any] = {"values": ["a", "b", "ça"], "weights": [0.5, 0.25, 0.25]}
BINS: dict[str, Any] = {"bins": [0, 0.5, 1, 2], "weights": [0.5, 0.5, 0.0]}
SUITE = [
    Expect("expect_column_values_to_not_be_null", column="x", mostly=0.8),
    Expect("expect_column_values_to_be_null", column="x"),
    Expect("expect_column_values_to_be_between", column="x", min_value=-1, max_value=2, mostly=0.5),
    Expect("expect_column_values_to_be_between", column="n", min_value=1, strict_min=True),
    Expect("expect_column_values_to_be_between", column="x", min_value=0, max_value=2, strict_max=True),
    Expect("expect_column_values_to_be_in_set", column="s", value_set=["a", "b"]),
    Expect("expect_column_values_to_not_be_in_set", column="n", value_set=[1, 2]),
    Expect("expect_column_values_to_match_regex", column="s", regex="^[ab]", mostly=0.6),
    Expect("expect_column_values_to_not_match_regex", column="s", regex="c"),
    Expect("expect_column_values_to_match_regex_list", column="s", regex_list=["a", "b"], match_on="any"),
    Expect("expect_column_values_to_not_match_regex_list", column="s", regex_list=["c", "b"]),
    Expect("expect_column_value_lengths_to_be_between", column="s", max_value=1),
    Expect("expect_column_value_lengths_to_equal", column="s", value=1),
    Expect("expect_column_values_to_be_unique", column="n"),
    Expect("expect_column_values_to_be_unique", column="s"),
    Expect("expect_column_values_to_be_increasing", column="n"),
    Expect("expect_column_values_to_be_decreasing", column="n", strictly=True),
    Expect("expect_column_pair_values_to_be_equal", **PAIR),
    Expect("expect_column_pair_values_to_be_equal", **PAIR, ignore_row_if="either_value_is_missing"),
    Expect("expect_column_pair_values_a_to_be_greater_than_b", **PAIR, or_equal=True, mostly=0.5),
    Expect("expect_compound_columns_to_be_unique", column_list=["n", "m"]),
    Expect("expect_select_column_values_to_be_unique_within_record", **TRIPLE),
    Expect("expect_multicolumn_sum_to_equal", **TRIPLE, sum_total=3),
    Expect("expect_multicolumn_values_to_be_equal", **TRIPLE),
    Expect("expect_column_mean_to_be_between", column="x", min_value=0),
    Expect("expect_column_median_to_be_between", column="x", min_value=0),
    Expect("expect_column_stdev_to_be_between", column="x", min_value=0),
    Expect("expect_column_sum_to_be_between", column="n", min_value=2),
    Expect("expect_column_min_to_be_between", column="x", min_value=0),
    Expect("expect_column_max_to_be_between", column="n", max_value=2),
    Expect("expect_column_unique_value_count_to_be_between", column="s", min_value=2, max_value=2),
    Expect("expect_column_proportion_of_unique_values_to_be_between", column="n", min_value=0.5),
    Expect("expect_column_proportion_of_non_null_values_to_be_between", column="x", min_value=0.8),
    Expect("expect_column_distinct_values_to_be_in_set", column="s", value_set=["a", "b"]),
    Expect("expect_column_distinct_values_to_contain_set", column="s", value_set=["a"]),
    Expect("expect_column_distinct_values_to_equal_set", column="n", value_set=[0, 1]),
    Expect("expect_column_most_common_value_to_be_in_set", column="n", value_set=[0, 1]),
    Expect(
        "expect_column_quantile_values_to_be_between",
        column="n",
        quantile_ranges={"quantiles": [0.3, 0.7], "value_ranges": [[0, 1], [None, 2]]},
        allow_relative_error="linear",
    ),
    Expect("expect_column_pair_values_to_be_in_set", **PAIR, value_pairs_set=[[0.0, 0.5], [None, 2.0], [2.0, None]]),
    Expect("expect_column_value_z_scores_to_be_less_than", column="x", threshold=1, double_sided=True, mostly=0.9),
    Expect("expect_column_value_z_scores_to_be_less_than", column="n", threshold=1.5, double_sided=False),
    Expect("expect_column_values_to_not_be_outliers", column="x", multiplier=0.5),
    Expect("expect_column_values_to_not_be_outliers", column="n", method="std", multiplier=1.25, mostly=0.9),
    Expect("expect_column_values_to_be_json_parseable", column="j", mostly=0.5),
    Expect("expect_column_values_to_be_dateutil_parseable", column="d"),
    Expect("expect_column_values_to_match_strftime_format", column="d", strftime_format="%Y-%m-%d", mostly=0.3),
    Expect("expect_column_values_to_match_json_schema", column="o", json_schema={"required": ["a"]}),
    Expect("expect_column_values_to_be_between", column="t", min_value="2026-01-31T12:00:00+01:00"),
    Expect("expect_column_max_to_be_between", column="t", max_value="2026-06-01T00:00:00Z"),
    Expect("expect_column_min_to_be_between", column="t", min_value="2026-01-31T12:00:00Z"),
    Expect("expect_column_values_to_be_unique", column="t"),
    Expect("expect_column_values_to_be_increasing", column="t"),
    Expect("expect_column_unique_value_count_to_be_between", column="t", max_value=1),
    Expect(KL, column="s", partition_object=VALUES, threshold=0.5, tail_weight_holdout=0.1),
    Expect(KL, column="n", partition_object=VALUES | {"values": [0, 1, 2]}, threshold=0.5),
    Expect(KL, column="x", partition_object=BINS, threshold=0.5, tail_weight_holdout=0.1),
    Expect(KL, column="n", partition_object=BINS, threshold=0.5, internal_weight_holdout=0.2),
    Expect("expect_table_row_count_to_be_between", min_value=3, max_value=8),
    Expect("expect_table_row_count_to_equal", value=5),
    Expect("expect_table_column_count_to_equal", value=10),
    Expect("expect_table_column_count_to_be_between", max_value=9),
    Expect("expect_table_columns_to_match_ordered_list", column_list=list("xynmksjdot")),
    Expect("expect_table_columns_to_match_set", column_set=list("xynmks"), exact_match=False),
    Expect("expect_column_to_exist", column="x"),
]

# Great Expectations' pandas engine loses the condition of pairs held against a set.
WITHOUT_CONDITION = ("expect_table_column", "expect_column_to_exist", "expect_column_pair_values_to_be_in_set")
small = st.integers(0, 3)
TIMES = [datetime(2026, month, day, 11, tzinfo=UTC) for month, day in ((1, 31), (3, 29), (10, 25))]


def maybe(*values: object) -> st.SearchStrategy[object]:
    return st.one_of(st.none(), st.sampled_from(values))


number = maybe(-2.5, 0.0, 0.5, 2.0)
row = st.tuples(
    number,
    number,
    small,
    small,
    small,
    maybe("a", "b", "ça", ""),
    maybe("{}", '{"é": [1, NaN]}', "'a'", "", "[1,"),
    maybe("2026-01-31", "31 Jan 2026", "10:30 XYZ", "2026-02-30", "", "soon", "日"),
    maybe("{}", '{"a": 1}', "[]"),
    maybe(*TIMES),
)
frames = st.lists(row, max_size=40)
SCHEMA = {
    **dict.fromkeys("xy", pl.Float64()),
    **dict.fromkeys("nmk", pl.Int64()),
    **dict.fromkeys("sjdo", pl.String()),
    "t": pl.Datetime("us", "UTC"),
}
PANDAS = {"x": "float64", "y": "float64", "n": "int64", "m": "int64", "k": "int64", **dict.fromkeys("sjdo", "object")}


@cache
def pandas_batches() -> Any:
    """Great Expectations' own pandas batches, from an ephemeral context."""
    validate(pl.LazyFrame({"a": [1]}), [Expect("expect_column_to_exist", column="a")], name="warm")
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")


def by_pandas(frame: pl.DataFrame, suite: list[Expect]) -> list[dict[str, Any]]:
    """The results of the pandas engine, in the order of the suite."""
    definition = pandas_batches()
    import pandas as pd
    from great_expectations.expectations.registry import get_expectation_impl

    columns = frame.to_dict(as_series=False)
    data = pd.DataFrame(columns).astype(PANDAS).assign(t=pd.to_datetime(pd.Series(columns["t"]), utc=True))
    batch = definition.get_batch({"dataframe": data})
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas on its own deprecations
        for expect in suite:
            kwargs: dict[str, Any] = {
                **expect.kwargs,
                "row_condition": read_condition(expect.kwargs.get("row_condition")),
            }
            if kwargs["row_condition"] is None:
                del kwargs["row_condition"]
            result = batch.validate(get_expectation_impl(expect.type)(**kwargs), result_format="SUMMARY")
            found.append(result.to_json_dict())
    return found


def comparable(value: object) -> object:
    if value == "NaT":
        return None
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 9)
    if isinstance(value, dict):
        return {key: comparable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [comparable(inner) for inner in value]
    return value


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, object]:
    mine, other = ours["result"] or {}, theirs["result"] or {}
    fields = {key: (comparable(mine.get(key)), comparable(other.get(key))) for key in FIELDS}
    fields["success"] = (ours["success"], theirs["success"])
    for key in ("partial_missing_list", "observed_value"):  # pandas lists a set in no order
        if all(isinstance(side, list) for side in fields[key]):
            fields[key] = (sorted(fields[key][0], key=str), sorted(fields[key][1], key=str))  # type: ignore[call-overload]
    return {key: sides for key, sides in fields.items() if sides[0] != sides[1]}


@pytest.mark.parametrize("condition", [None, 'col("n") > 0'])
@settings(
    max_examples=tries(4, fewest=1),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
@given(rows=frames)
@example(rows=[])
def test_both_engines_agree(condition: str | None, rows: list[tuple[object, ...]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    suite = [
        Expect(e.type, **{**e.kwargs, "row_condition": condition})  # type: ignore[arg-type]
        for e in SUITE
        if condition is None or not e.type.startswith(WITHOUT_CONDITION)
    ]
    ours = validate(frame.lazy(), suite, name="t").gx_result["results"]
    for expect, mine, other in zip(suite, ours, by_pandas(frame, suite), strict=True):
        assert differences(mine, other) == {}, (expect, mine["exception_info"], other["exception_info"])


def test_every_known_expectation_is_compared_or_has_no_pandas_twin() -> None:
    """Types are Polars' own; LIKE patterns and queries are SQL's, held against SQLite elsewhere."""
    own = {kind for kind in known_expectations() if "type" in kind.split("_") or "like" in kind.split("_")}
    assert {e.type for e in SUITE} == set(known_expectations()) - own - {"unexpected_rows_expectation"}


def test_nan_put_as_null_is_what_pandas_sees_in_nan() -> None:
    frame = pl.DataFrame({name: [None] * 4 for name in SCHEMA}, schema=SCHEMA).with_columns(
        x=pl.Series([float("nan"), 1.0, None, 2.0]), n=pl.Series([0, 1, 2, 3]), m=pl.lit(0), k=pl.lit(0)
    )
    suite = [e for e in SUITE if e.kwargs.get("column") == "x"]
    ours = validate(frame.lazy().with_columns(pl.col("x").fill_nan(None)), suite, name="t").gx_result["results"]
    for mine, other in zip(ours, by_pandas(frame, suite), strict=True):
        assert differences(mine, other) == {}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_both_engines_agree_on_times_of_any_zone(zone: str) -> None:
    """Text in a set is read as times here; pandas compares it as text, so the set holds times."""
    batch = pandas_batches()
    import pandas as pd
    from great_expectations.expectations.registry import get_expectation_impl

    times = [*TIMES, None, TIMES[0]]
    suite = [
        *(each for each in SUITE if each.kwargs.get("column") == "t"),
        Expect("expect_column_values_to_be_in_set", column="t", value_set=TIMES[:2]),
        Expect("expect_column_values_to_not_be_null", column="t"),
    ]
    frame = pl.LazyFrame({"t": times}, schema={"t": pl.Datetime("us", "UTC")})
    ours = validate(frame.with_columns(pl.col("t").dt.convert_time_zone(zone)), suite, name="t").gx_result["results"]
    data = pd.DataFrame({"t": pd.to_datetime(pd.Series(times), utc=True).dt.tz_convert(zone)})
    asked = batch.get_batch({"dataframe": data})
    for expect, mine in zip(suite, ours, strict=True):
        other = asked.validate(get_expectation_impl(expect.type)(**expect.kwargs), result_format="SUMMARY")
        assert differences(mine, other.to_json_dict()) == {}, expect
