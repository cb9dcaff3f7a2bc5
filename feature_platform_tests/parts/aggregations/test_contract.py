"""What every aggregation of the catalogue keeps; a new one is covered without a new test."""

import polars as pl
import pytest

import feature_platform.parts.aggregations as catalogue
from feature_platform.ground.errors import InvalidDeclaration, WrongColumnType
from feature_platform.parts.aggregations import (
    Any,
    BottomK,
    Count,
    FirstN,
    Histogram,
    Kurtosis,
    LastN,
    Mean,
    Mode,
    Quantile,
    Rate,
    Skew,
    Sum,
    TopK,
)
from feature_platform.parts.aggregations.windows import Span
from feature_platform_tests.compute.catalogue import LAWS, NAMES, SIZED, all_of, made

NUMBERS = [pl.Int8, pl.Int64, pl.UInt64, pl.Float32, pl.Float64, pl.Decimal(10, 2), pl.Boolean, pl.Null]
COUNTS, OWN = {"Count", "CountDistinct"}, {"First", "Last", "Max", "Min", "Mode"}
CONDITIONS = {"Any", "Rate"}


def over(aggregation, frame):
    return frame.select(aggregation.over(frame.schema).alias("feature")).to_series()


def usable(name):
    return [dtype for dtype in NUMBERS if name not in CONDITIONS or dtype != pl.Boolean]


@pytest.mark.parametrize("name", NAMES)
def test_features_are_named_by_column_aggregation_and_window(name):
    features = made(name, ["1d", "36h"]).features
    assert [feature.rsplit("_", 1)[1] for feature in features] == ["1d", "36h"]
    assert all(feature.startswith("big" if name in CONDITIONS else "x") for feature in features)
    assert len({feature for each in all_of(["1d"]) for feature in each.features}) == len(LAWS) + 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", [[], [None, None]])
def test_over_nothing_it_is_empty(name, values):
    for dtype in usable(name):
        aggregation = made(name, ["1d"])
        aggregation.check(pl.Schema({"x": dtype}), "The view")
        found = over(aggregation, pl.DataFrame({"x": pl.Series(values, dtype=pl.Null).cast(dtype)}))
        assert found.to_list() == [aggregation.empty], dtype


@pytest.mark.parametrize("name", NAMES)
def test_the_type_of_a_feature_depends_on_the_type_of_its_column_alone(name):
    for dtype in usable(name):
        some = pl.DataFrame({"x": pl.Series([1, 0, None]).cast(dtype if dtype != pl.Null else pl.Int8)})
        some = some if dtype != pl.Null else some.select(x=pl.lit(None).repeat_by(3).explode().cast(pl.Null))
        types = {over(made(name, ["1d"]), frame).dtype for frame in (some, some.clear(), some.head(1))}
        assert len(types) == 1
        kind = types.pop()
        if name in COUNTS:
            assert kind == pl.Int64
        elif name in OWN:
            assert kind == dtype
        elif name == "Histogram":
            assert kind == pl.List(pl.Struct({"value": dtype, "count": pl.Int64}))
        elif name in SIZED:
            assert kind == pl.List(dtype)
        elif name == "Any":
            assert kind == pl.Boolean
        elif name == "Sum":
            assert kind == (pl.Int64 if dtype.is_integer() or dtype == pl.Boolean else pl.Float64)
        else:
            assert kind == pl.Float64


@pytest.mark.parametrize("name", NAMES)
def test_it_reads_the_columns_it_says(name):
    frame = pl.DataFrame({"x": [1.0, 2.0], "y": [1, 2]})
    aggregation = made(name, ["1d"])
    assert aggregation.inputs == ("x",)
    assert over(aggregation, frame.select(aggregation.inputs)).equals(over(aggregation, frame))


@pytest.mark.parametrize("name", NAMES)
def test_it_refuses_types_it_cannot_aggregate(name):
    aggregation, schema = made(name, ["1d"]), pl.Schema({"x": pl.String})
    if aggregation.accepts(pl.String()):
        assert aggregation.check(schema, "The view") is None
    else:
        with pytest.raises(WrongColumnType, match=f"The view, {name}.*`x` is String"):
            aggregation.check(schema, "The view")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_value(name):
    assert made(name, ["1d"]) == made(name, ["1d"])
    assert hash(made(name, ["1d"])) == hash(made(name, ["1d"]))
    assert made(name, ["1d"]) != made(name, ["2d"])


@pytest.mark.parametrize("windows", [[], "1d", ["1d", "1d"], ["1 day"], ["0d"], ["1.5d"], [86400]])
@pytest.mark.parametrize("name", NAMES)
def test_windows_that_mean_nothing_are_refused(name, windows):
    with pytest.raises(InvalidDeclaration, match=name):
        made(name, windows)


def test_a_window_is_a_number_of_microseconds():
    assert Mean("x", windows=["36h"]).window("36h") == Span(36 * 3_600_000_000)


def test_names_of_special_features():
    assert Count(windows=["7d"]).features == ("count_7d",)
    assert Quantile("x", 0.999, windows=["7d"]).features == ("x_p99_9_7d",)
    assert Rate("late", windows=["7d"]).features == ("late_rate_7d",)
    assert LastN("product_id", 5, windows=["90d"]).features == ("product_id_last_5_90d",)
    assert LastN("product_id", 5, distinct=True, windows=["90d"]).features == ("product_id_last_5_distinct_90d",)
    assert FirstN("product_id", 5, distinct=True, windows=["9d"]).features == ("product_id_first_5_distinct_9d",)
    assert TopK("price", 3, windows=["90d"]).features == ("price_top_3_90d",)
    assert BottomK("price", 3, windows=["90d"]).features == ("price_bottom_3_90d",)
    assert Mode("category", windows=["90d"]).features == ("category_mode_90d",)
    assert Histogram("category", 10, windows=["90d"]).features == ("category_histogram_10_90d",)
    assert Skew("x", windows=["7d"]).features == ("x_skew_7d",)
    assert Kurtosis("x", windows=["7d"]).features == ("x_kurtosis_7d",)
    assert Any("refunded", windows=["14d"]).features == ("refunded_any_14d",)


@pytest.mark.parametrize("size", [0, -1, 1001, True, 2.0, "5", None])
@pytest.mark.parametrize("name", sorted(SIZED))
def test_lists_hold_from_one_to_a_thousand_values(name, size):
    kind = getattr(catalogue, name)
    with pytest.raises(InvalidDeclaration, match=rf"{name}\('x'\).* has [nk]={size!r}.*whole number from 1 to 1,000"):
        kind("x", size, windows=["7d"])
    assert kind("x", 1, windows=["7d"]) != kind("x", 1000, windows=["7d"])


@pytest.mark.parametrize("kind", [FirstN, LastN])
def test_distinct_is_a_flag(kind):
    with pytest.raises(InvalidDeclaration, match="has distinct=1"):
        kind("x", 2, distinct=1, windows=["7d"])
    assert kind("x", 2, distinct=True, windows=["7d"]) != kind("x", 2, windows=["7d"])


@pytest.mark.parametrize("dtype", [pl.List(pl.Int64), pl.Struct({"a": pl.Int64}), pl.Array(pl.Int64, 2)], ids=str)
@pytest.mark.parametrize("name", ["FirstN distinct", "LastN distinct", "Mode", "Histogram", "TopK", "BottomK", "Skew"])
def test_what_compares_values_refuses_lists_and_structs(name, dtype):
    with pytest.raises(WrongColumnType, match=f"{name.split(' ')[0]}.*`x` is "):
        made(name, ["1d"]).check(pl.Schema({"x": dtype}), "The view")


@pytest.mark.parametrize("q", [-0.1, 1.1, True, "0.5", None])
def test_a_quantile_is_a_share(q):
    with pytest.raises(InvalidDeclaration, match="has q="):
        Quantile("x", q, windows=["7d"])


def test_a_condition_is_a_column_or_an_expression_with_a_name():
    for kind in (Rate, Any):
        with pytest.raises(InvalidDeclaration, match=f"{kind.__name__} has an expression but no name"):
            kind(pl.col("x") > 1, windows=["7d"])
        with pytest.raises(InvalidDeclaration, match=f"{kind.__name__} has the condition 3"):
            kind(3, windows=["7d"])  # type: ignore[arg-type]


def test_sums_do_not_wrap_at_the_width_of_their_column():
    assert over(Sum("x", windows=["1d"]), pl.DataFrame({"x": pl.Series([127, 1], dtype=pl.Int8)})).to_list() == [128]
