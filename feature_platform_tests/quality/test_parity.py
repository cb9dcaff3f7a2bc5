"""On random data without NaN, the Polars engine says what Great Expectations' pandas engine says.

Known differences, tested elsewhere: NaN is a value here; regular expressions are Rust's; at an exact tie
`nearest` quantiles take the upper neighbour.
"""

import math
import warnings
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from feature_platform.declarations.expectation import Expect
from feature_platform.quality import validate
from feature_platform.quality.conditions import plain

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
    Expect("expect_table_row_count_to_be_between", min_value=3, max_value=8),
    Expect("expect_table_columns_to_match_set", column_set=["x", "y", "n", "m", "k", "s"]),
    Expect("expect_column_to_exist", column="x"),
]

small = st.integers(0, 3)
maybe = st.one_of(st.none(), st.sampled_from([-2.5, 0.0, 0.5, 2.0]))
row = st.tuples(maybe, maybe, small, small, small, st.one_of(st.none(), st.sampled_from(["a", "b", "ça", ""])))
frames = st.lists(row, min_size=1, max_size=40)
SCHEMA = {"x": pl.Float64, "y": pl.Float64, "n": pl.Int64, "m": pl.Int64, "k": pl.Int64, "s": pl.String}


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
    data = pd.DataFrame(columns).astype({"x": "float64", "y": "float64", "s": "object"})
    batch = definition.get_batch({"dataframe": data})
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas on its own deprecations
        for expect in suite:
            kwargs: dict[str, Any] = {
                **expect.kwargs,
                "row_condition": plain(expect.kwargs.get("row_condition")),
            }
            if kwargs["row_condition"] is None:
                del kwargs["row_condition"]
            result = batch.validate(get_expectation_impl(expect.type)(**kwargs), result_format="SUMMARY")
            found.append(result.to_json_dict())
    return found


def comparable(value: object) -> object:
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
    max_examples=5,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
@given(rows=frames)
def test_both_engines_agree(condition: str | None, rows: list[tuple[object, ...]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    suite = [
        Expect(e.type, **{**e.kwargs, "row_condition": condition})  # type: ignore[arg-type]
        for e in SUITE
        if condition is None or not e.type.startswith(("expect_table_columns", "expect_column_to_exist"))
    ]
    ours = validate(frame.lazy(), suite, name="t").gx_result["results"]
    for expect, mine, other in zip(suite, ours, by_pandas(frame, suite), strict=True):
        assert differences(mine, other) == {}, (expect, mine["exception_info"], other["exception_info"])
