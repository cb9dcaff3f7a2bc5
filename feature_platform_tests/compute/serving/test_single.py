"""One pushed row is the same entry, and the same tile, byte for byte, as the queries make of it."""

from collections.abc import Callable
from datetime import UTC as ZONE
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.compute.serving.entries import entries_of
from feature_platform.compute.serving.keys import key_expr
from feature_platform.compute.serving.single import single_entry, single_tile
from feature_platform.compute.serving.tiles import tiles_of
from feature_platform.compute.transforms.rows import feature_rows, single_feature_row
from feature_platform.ground.clock import ALWAYS, EPOCH, NEVER, UTC, moment_of
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.ground.working_columns import EVENT_TAG
from feature_platform_tests.effort import tries

WHOLE = st.integers(-(2**63), 2**63 - 1)
ANY = st.floats(allow_nan=True)
MOMENT = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda moment: moment.replace(tzinfo=ZONE))
VALUES: dict[str, tuple[pl.DataType, st.SearchStrategy[object]]] = {
    "whole": (pl.Int64(), WHOLE),
    "small": (pl.UInt8(), st.integers(0, 255)),
    "large": (pl.UInt64(), st.integers(0, 2**64 - 1)),
    "float": (pl.Float64(), ANY),
    "single": (pl.Float32(), st.floats(width=32)),
    "flag": (pl.Boolean(), st.booleans()),
    "text": (pl.String(), st.text(max_size=4)),
    "day": (pl.Date(), st.dates(date(1000, 1, 1))),
    "moment": (UTC, st.datetimes(datetime(1000, 1, 1)).map(lambda moment: moment.replace(tzinfo=ZONE))),
    "length": (pl.Duration("us"), st.timedeltas(timedelta(-9), timedelta(9))),
    "several": (pl.List(pl.Int64()), st.lists(st.integers(-9, 9), max_size=3)),
    "vector": (pl.Array(pl.Float32, 17), st.lists(st.none() | st.floats(width=32), min_size=17, max_size=17)),
    "vectors": (pl.List(pl.Float32), st.lists(st.floats(width=32), min_size=14, max_size=18)),
    "both": (pl.Struct({"x": pl.Int64(), "y": pl.String()}), st.fixed_dictionaries({"x": st.just(1), "y": st.text()})),
}
KEYS: dict[str, tuple[dict[str, pl.DataType], st.SearchStrategy[dict[str, Any]]]] = {
    "whole": ({"k": pl.Int64()}, st.fixed_dictionaries({"k": st.none() | WHOLE})),
    "large": ({"k": pl.UInt64()}, st.fixed_dictionaries({"k": st.integers(0, 2**64 - 1)})),
    "text": ({"k": pl.String()}, st.fixed_dictionaries({"k": st.none() | st.text(max_size=3) | st.just("é" * 300)})),
    "two": (
        {"k": pl.String(), "l": pl.Int16()},
        st.fixed_dictionaries({"k": st.none() | st.text("\x00\x01a", max_size=3), "l": st.none() | st.integers(-9, 9)}),
    ),
}
TYPES = {name: dtype for name, (dtype, _) in VALUES.items()}
FEATURES = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in VALUES.items()})


def a_row(keys: dict[str, pl.DataType], values: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([values], schema={**keys, "at": UTC, "known": UTC, **TYPES}, orient="row")


@pytest.mark.parametrize("keys", list(KEYS))
@settings(max_examples=tries(40), deadline=None)
@given(data=st.data())
def test_a_single_entry_is_the_one_that_the_query_makes(keys: str, data: st.DataObject) -> None:
    types, drawn = KEYS[keys]
    moments = {"at": data.draw(st.none() | MOMENT), "known": data.draw(st.none() | MOMENT)}
    row = a_row(types, {**data.draw(drawn), **moments, **data.draw(FEATURES)})

    for known in (None, "known"):
        clocks: dict[str, Any] = {"event": pl.col("at"), "known": known and pl.col(known)}
        wanted = entries_of(row, key_expr(types), pl.Schema(TYPES), now=EPOCH, pushed=True, **clocks)
        found = single_entry(row, types, TYPES, "at", known)

        early = any(each is not None and each.year < 1000 for each in moments.values())
        assert found is not None or early
        assert found in (None, dict(wanted.iter_rows()))


@pytest.mark.parametrize("keys", list(KEYS))
@settings(max_examples=tries(40), deadline=None)
@given(data=st.data(), length=st.integers(1, 10**13))
def test_a_single_tile_is_the_one_that_the_query_makes(keys: str, data: st.DataObject, length: int) -> None:
    types, drawn = KEYS[keys]
    moments = {"at": data.draw(st.none() | MOMENT), "known": data.draw(st.none() | MOMENT)}
    row = a_row(types, {**data.draw(drawn), **moments, **data.draw(FEATURES)})
    columns = {"at": UTC, "known": UTC, **TYPES}

    wanted = tiles_of(row.with_columns(pl.lit("0:s:1:0").alias(EVENT_TAG)), key_expr(types), columns, "at", length)

    assert single_tile(row, types, columns, "at", length, "0:s:1:0") == dict(wanted.iter_rows())


@pytest.mark.parametrize("dtype", [pl.Array(pl.Float32, 20), pl.List(pl.Float64), pl.Array(pl.Float64, 20)], ids=str)
def test_a_pushed_vector_is_packed_as_a_published_one(dtype: pl.DataType) -> None:
    row = pl.DataFrame(
        [{"k": 1, "at": EPOCH, "v": [0.1] * 20}], schema={"k": pl.Int64, "at": UTC, "v": dtype}, orient="row"
    )
    keys, columns = {"k": pl.Int64()}, {"at": UTC, "v": dtype}
    tiles = tiles_of(row.with_columns(pl.lit("0:s:1:0").alias(EVENT_TAG)), key_expr(keys), columns, "at", 10**9)
    assert single_tile(row, keys, columns, "at", 10**9, "0:s:1:0") == dict(tiles.iter_rows())
    entries = entries_of(
        row, key_expr(keys), pl.Schema({"v": dtype}), event=pl.col("at"), known=None, now=EPOCH, pushed=True
    )
    assert single_entry(row, keys, {"v": dtype}, "at", None) == dict(entries.iter_rows())


@pytest.mark.parametrize("dtype", [pl.Float64(), pl.Boolean(), pl.Date(), pl.Int128()], ids=str)
def test_other_keys_and_clocks_are_left_to_the_query(dtype: pl.DataType) -> None:
    row = a_row({"k": dtype}, {"k": None, "at": EPOCH})
    assert single_entry(row, {"k": dtype}, TYPES, "at", None) is None
    assert single_tile(row, {"k": dtype}, TYPES, "at", 9, "") is None
    whole: dict[str, pl.DataType] = {"k": pl.Int64()}
    for at in (ALWAYS, moment_of(-31_000_000_000_000_000)):
        assert single_entry(a_row(whole, {"k": 1, "at": at}), whole, TYPES, "at", None) is None
    assert single_entry(a_row(whole, {"k": 1, "at": NEVER}), whole, TYPES, "at", None)
    elsewhere = a_row(whole, {"k": 1, "at": EPOCH}).with_columns(pl.col("at").dt.convert_time_zone("Asia/Tokyo"))
    assert single_entry(elsewhere, whole, TYPES, "at", None) is None


# ---------------------------------------------------------------- what a view makes of a row

FUNCTIONS: dict[str, tuple[Callable[[pl.LazyFrame], Any], bool]] = {
    "the same": (lambda rows: rows, True),
    "a copy": (lambda rows: rows.clone(), True),
    "some columns": (lambda rows: rows.select("k", "at", "known", twice=pl.col("x") * 2), True),
    "no rows": (lambda rows: rows.filter(pl.col("x") > 5), True),
    "a frame": (lambda rows: rows.collect(), True),
    "sums": (lambda rows: rows.group_by("k", "at", "known").agg(pl.col("x").sum()), True),
    "another zone": (lambda rows: rows.with_columns(pl.col("at").dt.convert_time_zone("Asia/Tokyo")), False),
    "several rows": (lambda rows: pl.concat([rows, rows.with_columns(x=pl.lit(9))]), False),
    "no key": (lambda rows: rows.drop("k"), False),
    "no clock": (lambda rows: rows.drop("known"), False),
    "no features": (lambda rows: rows.select("k", "at", "known"), False),
    "a failure": (lambda rows: rows.with_columns(pl.col("nothing")), False),
    "no frame": (lambda rows: 7, False),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
@pytest.mark.parametrize("aggregations", [(), (fp.Sum("x", windows=["1d"]),)], ids=["row", "exact"])
def test_a_single_row_of_a_view_is_what_its_function_makes_of_it(name: str, aggregations: tuple[object, ...]) -> None:
    function, quick = FUNCTIONS[name]
    event = pl.DataFrame(
        [("a", EPOCH, EPOCH, 1)], schema={"k": pl.String, "at": UTC, "known": UTC, "x": pl.Int64}, orient="row"
    )
    read = fp.Source("events", fp.sources.Frame(event), event_time="at", known_at="known")
    more: dict[str, Any] = {"aggregations": aggregations, "accuracy": "exact"} if aggregations else {}
    view = fp.feature_view(entity=fp.Entity("user", join_keys=["k"]), source=read, name="v", **more)(function)

    def made(of: Callable[[], pl.DataFrame | None]) -> pl.DataFrame | type[FeaturePlatformError] | None:
        try:
            return of()
        except FeaturePlatformError as error:
            return type(error)

    wanted = made(lambda: feature_rows(view, event.lazy()).collect())
    found = made(lambda: single_feature_row(view, event))

    if isinstance(found, pl.DataFrame):
        assert isinstance(wanted, pl.DataFrame)
        assert found.equals(wanted)
        assert found.schema == wanted.schema
    else:
        assert found in (None, wanted)
    assert not quick or aggregations or isinstance(found, pl.DataFrame)
