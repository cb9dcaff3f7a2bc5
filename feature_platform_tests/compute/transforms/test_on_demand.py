"""On-demand features of a spine: from what views say and the spine asks, row by row, before gaps are filled."""

from datetime import date

import polars as pl
import pytest
from polars.io.plugins import register_io_source
from polars.testing import assert_frame_equal, assert_series_equal

import feature_platform as fp
from feature_platform.compute.transforms.request_fields import convert_request
from feature_platform.compute.transforms.rows import window_rows
from feature_platform.ground.errors import (
    ColumnCollision,
    InvalidDeclaration,
    MissingRequestField,
    NotUtc,
    OutsideBounds,
    TransformFailed,
    UnknownName,
    WrongColumnType,
)
from feature_platform.testing import values_at
from feature_platform_tests.compute.transforms.on_demand_shop import ASKED, EVENTS, UTC, asked, declared, last, share
from feature_platform_tests.orders import at, spine, view

BOUNDED = [
    (
        pl.Float64,
        (0, 100),
        [-1.0, 0.0, 100.0, 1e300, float("inf"), float("-inf"), None],
        [0, 0, 100, 100, 100, 0, None],
    ),
    (pl.Float64, (0, 100), [-1, 5, 2**62 + 1, None], [0, 5, 100, None]),
    (pl.Float32, (0.5, 1), [1e300, 0.75, 0.0], [1.0, 0.75, 0.5]),
    (pl.Int64, (-5, 300), pl.Series([0, 255], dtype=pl.UInt8), [0, 255]),
    (pl.Int8, (-5, 30), [-(2**40), 7, 2**40], [-5, 7, 30]),
    (pl.UInt64, (0, 2**64 - 1), pl.Series([0, 2**64 - 1], dtype=pl.UInt64), [0, 2**64 - 1]),
    (UTC, (at(2), at(3)), [at(1), at(2), at(4), None], [at(2), at(2), at(3), None]),
    (pl.Date, (date(2024, 1, 2), date(2024, 1, 3)), [date(1, 1, 1), date(2024, 1, 2)], [date(2024, 1, 2)] * 2),
    (pl.Float64, (0, 100), pl.Series([None], dtype=pl.Null), [None]),
]


ONE_SIDED = [
    (pl.Float64, (0, None), [-1.0, 1e300, float("inf"), None], [0, 1e300, float("inf"), None]),
    (pl.Int8, (None, 30), [-128, 2**40], [-128, 30]),
    (pl.Date, (date(2024, 1, 2), None), [date(1, 1, 1), date(2025, 1, 2)], [date(2024, 1, 2), date(2025, 1, 2)]),
    (UTC, (None, at(3)), [at(1), at(4)], [at(1), at(3)]),
]


@pytest.mark.parametrize(("dtype", "between", "values", "expected"), [*BOUNDED, *ONE_SIDED], ids=str)
def test_a_value_outside_its_bounds_becomes_the_nearest_or_is_refused(dtype, between, values, expected):
    rows, seen = pl.DataFrame({"n": values}), []

    def of(outside):
        field = fp.Field(dtype, between=between, outside=outside)
        return declared(lambda row: {"same": row["n"]}, fp.Request({"n": field}))

    clips, refuses = of("clip"), of("refuse")
    found = convert_request(clips, rows, clips.request, lambda *told: seen.append(told))["n"]
    assert_series_equal(found, pl.Series("n", expected, dtype=dtype))
    changed = sum(a is not None and a != b for a, b in zip(rows["n"], expected, strict=True))
    assert seen == ([("n", changed)] if changed else [])
    if changed:
        with pytest.raises(OutsideBounds, match=r"`n` is .* its bounds in row"):
            convert_request(refuses, rows, refuses.request)
    else:
        assert_series_equal(convert_request(refuses, rows, refuses.request)["n"], found)


@pytest.mark.parametrize("outside", ["clip", "refuse"])
def test_nan_has_no_nearest_bound_and_is_refused_by_a_field_with_bounds(outside):
    field = fp.Field(pl.Float64, between=(0, 100), outside=outside)
    with pytest.raises(OutsideBounds, match="`n` is no number in row 1"):
        asked(
            declared(lambda row: {"same": row["n"]}, fp.Request({"n": field})),
            spine=spine(("a", at(4)), ("a", at(5))).with_columns(n=pl.Series([1.0, float("nan")])),
        ).collect()


def test_a_spine_sees_what_serving_sees_of_a_clipped_field():
    field = fp.Field(pl.Float64, between=(0, 100), outside="clip")
    rows = spine(("a", at(4)), ("a", at(5))).with_columns(n=pl.Series([1e300, -1.0]))
    found = asked(declared(lambda row: {"same": row["n"]}, fp.Request({"n": field})), spine=rows).collect()
    assert found["same"].to_list() == [100.0, 0.0]
    assert found["n"].to_list() == [1e300, -1.0]


# ---------------------------------------------------------------- values


def test_a_feature_is_computed_from_a_view_and_the_request():
    found = asked(share).collect()
    assert found.columns == [*ASKED.columns, "share", "twice"]
    assert_frame_equal(found.select(ASKED.columns), ASKED)
    assert found["share"].to_list() == [0.2, None, 1 / 30, None, None, None]
    assert found["twice"].to_list() == [20.0, 40.0, 60.0, 80.0, 100.0, None]


def test_features_stand_where_the_service_lists_them_and_inputs_are_not_shown():
    assert asked(last["y"], share["twice", "share"]).collect().columns[3:] == ["y", "twice", "share"]
    assert asked(share["share"], last["y", "x"]).collect().columns[3:] == ["share", "y", "x"]
    assert asked(last["y"], share["twice"], last["x"], full_names=True).collect().columns[3:] == [
        "last__y",
        "risk__twice",
        "last__x",
    ]
    assert asked(share["twice"]).collect_schema().names() == [*ASKED.columns, "twice"]


def test_the_event_time_is_that_of_the_row_found_and_null_without_one():
    aged = declared(lambda row: {"seen": row["last.event_time"]}, last)
    found = asked(aged).collect()["seen"]
    assert found.dtype == UTC
    assert found.to_list() == [at(3), at(2), at(1), None, None, None]


def test_the_event_time_of_a_windowed_view_is_its_instant():
    daily = view(name="daily", aggregations=[fp.Count(windows=["1d"])], cadence=fp.Cadence(delay="1h"), ttl="30h")
    aged = declared(lambda row: {"n": row["count_1d"], "seen": row["daily.event_time"]}, daily)
    moments = spine(("a", at(24)), ("a", at(25)), ("c", at(25)), ("a", at(48.5)), ("a", at(54.5)), (None, at(25)))
    table = window_rows(daily, EVENTS.lazy(), at(0), at(24))
    found = asked(aged, spine=moments, tables={"views/daily": table}).select("n", "seen").collect()
    seen = at(24)
    assert found.rows() == [(None, None), (2, seen), (0, seen), (2, seen), (None, None), (None, None)]


def test_exact_windows_are_inputs_beside_their_own_features():
    live = view(name="live", aggregations=[fp.Count(windows=["2h"]), fp.Sum("x", windows=["2h"])], accuracy="exact")
    rate = declared(lambda row: {"rate": row["x_sum_2h"] / row["count_2h"]}, live)
    found = asked(live["count_2h"], rate, tables={"sources/orders": EVENTS.lazy()}).collect()
    assert found["count_2h"].to_list() == [1, 1, 1, 0, 0, None]
    assert found["rate"].cast(pl.String).to_list() == ["2.0", "0.0", "1.0", "NaN", "NaN", None]


def test_facts_and_global_views_are_inputs():
    facts = view(name="facts", source=fp.Source("facts", fp.sources.Frame(EVENTS)))
    everyone = view(name="everyone", entity=None)
    both = declared(lambda row: {"a": pl.format("{}{}", row["city"], row["rate"])}, facts["city"], everyone["rate"])
    tables = {
        "views/facts": pl.LazyFrame({"k": ["a"], "city": ["Oslo"]}),
        "views/everyone": pl.LazyFrame({"at": [at(3)], "rate": [7]}),
    }
    assert asked(both, tables=tables).collect()["a"].to_list() == ["Oslo7", None, None, None, "Oslo7", None]


def test_inputs_are_the_values_before_gaps_are_filled_and_features_are_filled_afterwards():
    rules = {"x": fp.Impute.constant(0), "share": fp.Impute.constant(-1.0, flag=True)}
    found = asked(last["x"], share["share"], impute=rules).collect()
    assert found["x"].to_list() == [2, 0, 1, 0, 0, 0]
    assert found["share"].to_list() == [0.2, -1.0, 1 / 30, -1.0, -1.0, -1.0]
    assert found["share_was_missing"].to_list() == [False, True, False, True, True, True]


def test_gaps_are_filled_by_on_demand_features_whatever_is_asked_for():
    large = declared(lambda row: {"large": row["amount"] > 20, "late": row["last.x"] > 1}, last, amount=pl.Float64)
    rules = {"x": fp.Impute.mean(by="large"), "late": fp.Impute.mode(by="large"), "large": fp.Impute.mode(by="late")}
    moments = ASKED.with_columns(event_timestamp=pl.Series([at(4 + n / 10) for n in range(6)]), k=pl.lit("a"))
    events = EVENTS.with_columns(x=pl.Series([1, 2, 3])).with_columns(k=pl.lit("a"))
    plan = asked(last["x"], large, spine=moments, tables={"views/last": events.lazy()}, impute=rules)
    whole = plan.collect()
    for names in (["x"], ["late"], ["large", "x"], ["late", "k"]):
        assert_frame_equal(plan.select(names).collect(), whole.select(names))
    gone = asked(last["x"], large, impute={"x": fp.Impute.mean(by="large")}).collect()
    assert gone["x"].to_list() == [2.0, None, 1.0, 1.0, 1.0, None]


def test_an_expression_that_fails_for_a_row_is_named():
    number = declared(lambda row: {"n": row["text"].str.to_integer()}, text=pl.String)
    texts = ASKED.with_columns(text=pl.lit("7"))
    assert asked(number, spine=texts, tables={"": EVENTS}).collect()["n"].to_list() == [7] * 6
    with pytest.raises(
        TransformFailed, match=r"On-demand view `risk`: its feature\(s\) n failed with .*It reads: text"
    ):
        asked(number, spine=texts.with_columns(text=pl.lit("seven")), tables={"": EVENTS}).collect()


def test_only_what_is_used_is_read():
    read: list[list[str]] = []

    def recorded(names, predicate, limit, _size):
        read.append(sorted(names or EVENTS.columns))
        yield EVENTS.select(names or EVENTS.columns)

    def columns_read(*names):
        read.clear()
        table = register_io_source(recorded, schema=EVENTS.schema)
        asked(last["y"], share, tables={"views/last": table}).select(names).collect()
        return sorted({name for names in read for name in names})

    assert columns_read("twice") == []
    assert columns_read("share") == ["at", "k", "x"]
    assert columns_read("y") == ["at", "k", "y"]
    assert columns_read("amount") == []


# ---------------------------------------------------------------- the request


def test_a_spine_without_a_request_field_is_told_which_one_and_who_needs_it():
    with pytest.raises(
        MissingRequestField, match=r"`risk` needs the request field.s. `amount`. The spine has: k, event"
    ):
        asked(share, spine=ASKED.drop("amount"))
    with pytest.raises(MissingRequestField, match="`risk`"):
        values_at(share, {"orders": EVENTS}, ASKED.drop("amount"))


KEPT = [
    (pl.Int64, [1, 300, None], pl.Float64, [1.0, 300.0, None]),
    (pl.Int64, [1, 127, None], pl.Int8, [1, 127, None]),
    (pl.UInt64, [2**63 - 1], pl.Int64, [2**63 - 1]),
    (pl.Float32, [0.5, float("nan"), None], pl.Float64, [0.5, float("nan"), None]),
    (pl.Float64, [0.5, float("inf"), None], pl.Float32, [0.5, float("inf"), None]),
    (pl.Null, [None], pl.List(pl.Int64), [None]),
    (pl.Categorical, ["a", None], pl.String, ["a", None]),
    (pl.Enum(["a"]), ["a", None], pl.String, ["a", None]),
    (pl.Float64, [0.1, None], pl.Float32, [0.1, None]),
    (pl.Array(pl.Int64, 2), [[1, 2]], pl.List(pl.Int64), [[1, 2]]),
    (pl.List(pl.Float64), [[0.1, None], None], pl.Array(pl.Float32, 2), [[0.1, None], None]),
    (pl.List(pl.Int64), [[], [1]], pl.List(pl.Float32), [[], [1.0]]),
    (
        pl.Struct({"a": pl.Int64, "b": pl.List(pl.List(pl.Float64))}),
        [{"a": 1, "b": [[0.5, 1.5]]}, {"a": None, "b": []}, None],
        pl.Struct({"b": pl.List(pl.Array(pl.Float32, 2)), "a": pl.Int8}),
        [{"b": [[0.5, 1.5]], "a": 1}, {"b": [], "a": None}, None],
    ),
    (pl.Null, [None], pl.Array(pl.Struct({"a": pl.Int64}), 2), [None]),
    (pl.Datetime("ns", "Europe/Oslo"), [at(1), None], UTC, [at(1), None]),
]


@pytest.mark.parametrize(("found", "values", "wanted", "kept"), KEPT)
def test_a_request_field_of_a_type_that_meets_is_taken_without_loss(found, values, wanted, kept):
    same = declared(lambda row: {"same": row["field"]}, field=wanted)
    rows = convert_request(same, pl.DataFrame({"field": pl.Series(values, dtype=found)}), same.request)
    assert_frame_equal(rows, pl.DataFrame({"field": pl.Series(kept, dtype=wanted)}))


OTHER = [
    (pl.Int64, [128], pl.Int8, "Int64 with values that Int8 cannot hold"),
    (pl.Int64, [2**53 + 1], pl.Float64, "cannot hold"),
    (pl.Int64, [2**63 - 1], pl.Float64, "cannot hold"),
    (pl.Int64, [-1], pl.UInt64, "cannot hold"),
    (pl.Float64, [-1e39], pl.Float32, "cannot hold"),
    (pl.List(pl.Float64), [[0.5, 1e39]], pl.List(pl.Float32), "cannot hold"),
    (pl.List(pl.Int64), [[1], [128]], pl.List(pl.Int8), "cannot hold"),
    (pl.List(pl.Float64), [[1.0, 2.0], None, [1.0]], pl.Array(pl.Float64, 2), "is a list of 1 in row 2"),
    (pl.Array(pl.Float64, 3), [[1.0, 2.0, 3.0]], pl.Array(pl.Float64, 2), "is Array"),
    (pl.List(pl.List(pl.Int64)), [[], [[1, 2]], [[1, 2], [3]]], pl.List(pl.Array(pl.Int64, 2)), "a list of 1 in row 2"),
    (pl.Struct({"a": pl.List(pl.Int64)}), [{"a": []}], pl.Struct({"a": pl.Array(pl.Int64, 2)}), "a list of 0 in row 0"),
    (pl.Struct({"a": pl.Int64}), [{"a": 1}], pl.Struct({"a": pl.Int64, "b": pl.Int64}), "is Struct"),
    (pl.Struct({"a": pl.Int64}), [{"a": 300}], pl.Struct({"a": pl.Int8}), "cannot hold"),
    (pl.Int64, [1], pl.List(pl.Int64), "is Int64"),
    (pl.List(pl.Int64), [[1]], pl.Int64, "is List"),
    (pl.Float64, [1.0], pl.Int64, "is Float64, but Int64 is needed"),
    (pl.String, ["1"], pl.Int64, "is String, but Int64 is needed"),
    (pl.Int64, [1], pl.String, "is Int64, but String is needed"),
    (pl.Int64, [1], pl.Boolean, "but Boolean is needed"),
    (pl.Boolean, [True], pl.Int64, "is Boolean"),
    (pl.Int64, [1], UTC, "is Int64, but a time with a zone is needed"),
    (UTC, [at(1)], pl.Date, "but Date is needed"),
    (pl.List(pl.String), [["a"]], pl.List(pl.Int64), "is List"),
]


@pytest.mark.parametrize(("found", "values", "wanted", "words"), OTHER)
def test_a_request_field_that_does_not_meet_is_refused(found, values, wanted, words):
    same = declared(lambda row: {"same": row["field"]}, field=wanted)
    rows = pl.DataFrame({"field": pl.Series(values, dtype=found)})
    with pytest.raises(WrongColumnType, match=words) as refused:
        convert_request(same, rows, same.request)
    assert "On-demand view `risk`, its request: column `field`" in str(refused.value)
    moments = spine(*[("a", at(4))] * len(values)).hstack(rows)
    with pytest.raises(WrongColumnType, match=words):
        asked(same, spine=moments, tables={"": EVENTS}).collect()


@pytest.mark.parametrize("dtype", [pl.Datetime("us"), pl.Date, pl.String])
def test_a_time_without_a_zone_is_refused(dtype):
    same = declared(lambda row: {"same": row["field"]}, field=UTC)
    with pytest.raises(NotUtc, match="`risk`, its request: column `field`"):
        asked(same, spine=ASKED.with_columns(field=pl.lit(None, dtype=dtype)), tables={"": EVENTS})


# ---------------------------------------------------------------- what only data tells


def test_a_feature_that_a_row_view_does_not_have_is_told_when_its_columns_are_known():
    wrong = declared(lambda row: {"a": row["last.z"]}, last)
    with pytest.raises(
        UnknownName, match=r"`last`, an input of on-demand view `risk`, has no feature `z`. It has: x, y"
    ):
        asked(wrong)


def test_an_expression_of_the_wrong_type_is_told_when_types_are_known():
    wrong = declared(lambda row: {"a": row["last.y"].dt.year()}, last)
    with pytest.raises(
        TransformFailed, match=r"On-demand view `risk`: its feature `a` failed with .* last.y \(String\)"
    ):
        asked(wrong)


def test_an_expression_of_several_rows_is_told_when_types_are_known():
    inside = declared(lambda row: {"a": row["last.place"].struct.field("lat").mean()}, last)
    places = EVENTS.with_columns(place=pl.struct(lat=pl.lit(1.5)))
    with pytest.raises(InvalidDeclaration, match="`risk` computes `a` from more than one row"):
        asked(inside, tables={"views/last": places.lazy()})


def test_a_feature_that_the_spine_or_a_row_view_has_is_refused():
    with pytest.raises(ColumnCollision, match=r"`risk` would have the column\(s\) share twice"):
        asked(share, spine=ASKED.with_columns(share=1))
    named_alike = declared(lambda row: {"y": row["amount"]}, amount=pl.Float64)
    with pytest.raises(ColumnCollision, match="y twice"):
        asked(last, named_alike)


def test_inputs_that_are_not_shown_cannot_be_filled():
    with pytest.raises(UnknownName, match=r"to impute `fp_input_last.x`. It has: share, twice, y"):
        asked(share, last["y"], impute={"fp_input_last.x": fp.Impute.constant(0)})
