"""What the server computes from request fields is what a spine with the same values gives, and both refuse the same."""

import json
import math
from collections.abc import Iterator
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feature_platform.compute.features.service import join_features
from feature_platform.compute.serving.values import texts_of
from feature_platform.declarations.project import project_of
from feature_platform.ground.errors import OutsideBounds, WrongColumnType
from feature_platform.online import Lmdb
from feature_platform.server.app import FeatureServer
from feature_platform.server.now import Clock
from feature_platform.server.run import gate_of
from feature_platform.server.settings import ServerSettings
from feature_platform_tests.server import declared, declared_fields
from feature_platform_tests.server.driver import Told, ask

Row = dict[str, Any]
UTC = pl.Datetime("us", "UTC")
SENT: dict[str, Any] = {  # the types that a client's spine has
    "level": pl.Float64,
    "share": pl.Float64,
    "pieces": pl.Int64,
    "day": pl.Date,
    "at": UTC,
    "query": pl.List(pl.Float64),
    "words": pl.List(pl.String),
    "place": pl.Struct({"tags": pl.List(pl.Int64), "lat": pl.Float64}),
}
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, 10.0, math.nextafter(10, 11), 1e39, -1e-46, math.nan, math.inf])
GOOD: Row = {
    "level": 1.0,
    "share": 0.5,
    "pieces": 1,
    "day": None,
    "at": None,
    "query": None,
    "words": [],
    "place": None,
}
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "level": st.none() | FLOATS,
        "share": st.none() | FLOATS,
        "pieces": st.none() | st.integers(-200, 200) | st.sampled_from([2**62, -(2**62)]),
        "day": st.none() | st.dates(),
        "at": st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(timezone.utc)),
        "query": st.none() | st.lists(st.none() | FLOATS, min_size=2, max_size=4),
        "words": st.none() | st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=3), max_size=3),
        "place": st.none()
        | st.fixed_dictionaries(
            {
                "lat": st.none() | FLOATS,
                "tags": st.none() | st.lists(st.none() | st.integers(-(2**17), 2**17), max_size=2),
            }
        ),
    },
)


@pytest.fixture(scope="module")
def fields_server(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureServer]:
    settings = ServerSettings(
        project=declared_fields.__name__,
        online=str(published / "online"),
        access_folder=tmp_path_factory.mktemp("access"),
        clock=Clock(stands=declared.NOW),
    )
    server = FeatureServer(project_of(declared_fields), Lmdb(settings.online), gate_of(settings), settings)
    yield server
    server.answering.close()
    server.readiness.close()


def sent(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: sent(each) for name, each in value.items()}
    return [sent(each) for each in value] if isinstance(value, list) else value


def asked(server: FeatureServer, rows: list[Row]) -> Told:
    return ask(server, "/v1/features", {"service": "fields", "entities": [sent(row) for row in rows]})


def joined(rows: list[Row]) -> pl.DataFrame:
    columns = {name: pl.Series([row[name] for row in rows], dtype=dtype) for name, dtype in SENT.items()}
    spine = pl.DataFrame({"event_timestamp": pl.Series([declared.NOW] * len(rows), dtype=UTC), **columns})
    return join_features(declared_fields.fields_service, spine.lazy(), {}).collect().drop(spine.columns)


def is_refused(row: Row) -> bool:
    try:
        joined([row])
    except (OutsideBounds, WrongColumnType):
        return True
    return False


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([{"query": [0.1, 0.2, 0.3]}, {"query": [1.0, 2.0]}])
@example([{"level": math.nan}])
@example([{"share": -1e-46}, {"level": -math.inf}])
@given(st.lists(ROWS, min_size=1, max_size=4))
def test_the_server_says_what_a_spine_gives_and_both_refuse_the_same_rows(
    fields_server: FeatureServer, drawn: list[Row]
) -> None:
    rows = [GOOD | row for row in drawn]
    told = [asked(fields_server, [row]).status for row in rows]
    assert told == [422 if is_refused(row) else 200 for row in rows]

    kept = [row for row, status in zip(rows, told, strict=True) if status == 200]
    together = asked(fields_server, kept).json
    found = joined(kept) if kept else pl.DataFrame()
    names = together["metadata"]["features"]
    expected = [[json.loads(text) for text in texts_of(found[name])] for name in names] if kept else []
    assert [row["values"] for row in together["rows"]] == [list(row) for row in zip(*expected, strict=True)]
    assert asked(fields_server, rows).status == (200 if len(kept) == len(rows) else 422)


def test_a_field_that_one_view_bounds_is_bounded_in_all_and_counted_once(fields_server: FeatureServer) -> None:
    before = clipped(fields_server)
    told = asked(fields_server, [GOOD | {"level": 1e9, "pieces": 2**40}, GOOD]).json
    values = dict(zip(told["metadata"]["features"], told["rows"][0]["values"], strict=True))
    assert (values["seen_level"], values["twice"], values["seen_pieces"]) == (10.0, 20.0, 100)
    assert clipped(fields_server) - before == 1


def clipped(server: FeatureServer) -> float:
    lines = ask(server, "/metrics").body.decode().splitlines()
    field = 'feature_platform_clipped_request_values_total{field="level"}'
    return sum(float(line.split()[-1]) for line in lines if line.startswith(field))


WRONG = {
    "another length": ({"query": [1.0, 2.0]}, "a list of 2 in row 1, counted from 0, but Array(Float32, shape=(3,))"),
    "a text in numbers": ({"query": [1.0, "2", 3.0]}, "`query` is something else in row 1"),
    "a flag in numbers": ({"query": [1.0, True, 3.0]}, "`query` is something else in row 1"),
    "an object for a list": ({"words": {"a": 1}}, "`words` is something else in row 1"),
    "a number for a struct": ({"place": 3}, "`place` is something else in row 1"),
    "a struct without a field": ({"place": {"lat": 1.0}}, "`place` is something else in row 1"),
    "a struct with another field": ({"place": {"lat": 1.0, "tags": [], "x": 1}}, "`place` is something else in row 1"),
    "a large whole number": ({"place": {"lat": 1.0, "tags": [2**80]}}, "`place` is"),
    "a whole number that no float is": ({"query": [2**24 + 1, 1, 2]}, "`query` is something else in row 1"),
    "no date": ({"day": "2024-02-30"}, "`day` is text, but Date is needed"),
    "an object for a number": ({"level": {"a": 1}}, "`level` is"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_a_value_of_another_shape_is_refused_by_its_row(fields_server: FeatureServer, change: Row, words: str) -> None:
    told = asked(fields_server, [GOOD, GOOD | change])
    assert told.status == 422
    assert words in told.json["message"]


def test_whole_numbers_are_numbers_of_a_vector(fields_server: FeatureServer) -> None:
    told = asked(fields_server, [GOOD | {"query": [1, 2.5, 0]}]).json
    assert told["rows"][0]["values"][-3] == 7.25


def test_an_object_is_no_join_key(server: FeatureServer) -> None:
    told = ask(server, "/v1/features", {"service": "shop", "entities": [{"customer": {"a": 1}}]})
    assert (told.status, "`customer`" in told.json["message"]) == (422, True)


def test_columns_of_lists_and_objects_come_by_feasts_endpoint(fields_server: FeatureServer) -> None:
    row = GOOD | {"query": [0.5, 0.5, 1.0], "place": {"lat": 1.5, "tags": [1]}}
    told = ask(
        fields_server,
        "/get-online-features",
        {"feature_service": "fields", "entities": {name: [sent(each)] for name, each in row.items()}},
    ).json
    columns = dict(zip(told["metadata"]["feature_names"], told["results"], strict=True))
    assert columns["square"]["values"] == [1.5]
    assert columns["seen_place"]["values"] == [{"lat": 1.5, "tags": [1]}]


def test_a_value_that_is_nested_without_end_is_refused(fields_server: FeatureServer) -> None:
    deep = b'{"service": "fields", "entities": [{"query": %b%b}]}' % (b"[" * 100_000, b"]" * 100_000)
    told = ask(fields_server, "/v1/features", deep)
    assert (told.status, "nested too deeply" in told.json["message"]) == (422, True)
    some = ask(fields_server, "/v1/features", deep.replace(b"[" * 99_900, b"").replace(b"]" * 99_900, b""))
    assert some.status == 422
