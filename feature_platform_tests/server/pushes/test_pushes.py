"""Pushes over HTTP: taken whole or refused, read by the next request, and in the log when the spool is emptied."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.access import create_key
from feature_platform.ground.errors import PushRefused
from feature_platform.online.spool import Spool
from feature_platform.pipelines.pushes.accepting import accept_push
from feature_platform.server.app import FeatureServer
from feature_platform.server.now import current_time
from feature_platform.server.settings import PushSettings
from feature_platform_tests import shop
from feature_platform_tests.effort import tries
from feature_platform_tests.server.conftest import Start
from feature_platform_tests.server.driver import ask
from feature_platform_tests.server.process import serving
from feature_platform_tests.server.pushes.pushing import HOUR, df, emptied, feast, read, waiting


def test_a_feast_push_is_read_by_the_next_request_and_kept(server: FeatureServer, root: Path) -> None:
    told = ask(
        server,
        "/push",
        {
            "push_source_name": "orders",
            "df": df(amount=["NaN"]),
            "to": "online_and_offline",
            "allow_registry_cache": True,
            "transform_on_write": True,
        },
    )
    assert (told.status, told.body) == (200, b"")
    assert read(server, "eve") == "NaN"
    [kept] = Spool(root / "spool").pending()
    assert kept.rows.drop("amount").rows() == [("eve", shop.at(5, 12))]


def test_a_push_that_does_not_say_where_to_is_kept_online_only(server: FeatureServer, root: Path) -> None:
    assert ask(server, "/push", {"push_source_name": "orders", "df": df()}).status == 200
    assert read(server, "eve") == 7.0
    assert waiting(root) == 0


def test_a_push_for_the_offline_store_alone_is_not_read(server: FeatureServer, root: Path) -> None:
    assert feast(server, "offline").status == 200
    assert read(server, "eve") is None
    assert waiting(root) == 1


def test_our_own_push_has_rows_and_says_which_views_have_them(server: FeatureServer) -> None:
    rows = [
        {"customer": "eve", "at": HOUR + "+01:00", "amount": 3},
        {"customer": None, "at": HOUR + "Z", "amount": None},
    ]
    told = ask(server, "/v1/push", {"source": "orders", "rows": rows})
    assert (told.status, told.json) == (200, {"rows": 2, "views": ["last_order", "exact"]})
    assert read(server, "eve") == 3.0
    assert read(server, "eve", "exact", "amount_sum_3d") == 3.0
    naive = ask(server, "/v1/push", {"source": "orders", "rows": [{"customer": "eve", "at": HOUR, "amount": 3}]})
    assert naive.status == 422
    assert "`at`" in naive.json["message"]


def test_feature_rows_are_written_online_and_the_newest_wins(server: FeatureServer) -> None:
    for day, amount in ((6, 5.0), (5, 1.0)):
        columns = {"customer": ["eve"], "at": [f"2024-01-0{day}T00:00:00"], "last_amount": [amount]}
        told = ask(server, "/write-to-online-store", {"feature_view_name": "last_order", "df": columns})
        assert (told.status, told.body) == (200, b"null")
    assert read(server, "eve") == 5.0


def test_every_type_of_a_table_can_be_pushed_as_json(server: FeatureServer) -> None:
    columns = {
        "number": [9],
        "at": [HOUR],
        "name": ["\u00fc\U0001f600"],
        "share": ["-Infinity"],
        "small": [0.1],
        "seen": ["2024-01-01T01:00:00+01:00"],
        "day": ["2024-01-01"],
        "times": [["2024-01-01T00:00:00", None]],
        "counts": [[{"value": "a", "count": 2}]],
        "flag": [True],
        "raw": ["AP8="],
    }
    assert ask(server, "/push", {"push_source_name": "typed_rows", "df": columns}).status == 200
    names = list(columns)[2:]
    told = ask(server, "/v1/features", {"features": [f"typed:{each}" for each in names], "entities": [{"number": 9}]})
    found = dict(zip(names, told.json["rows"][0]["values"], strict=True))
    assert found.pop("small") == pytest.approx(0.1, abs=1e-7)
    assert found == {
        "name": "\u00fc\U0001f600",
        "share": "-Infinity",
        "seen": "2024-01-01T00:00:00.000000Z",
        "day": "2024-01-01",
        "times": ["2024-01-01T00:00:00.000000Z", None],
        "counts": [{"value": "a", "count": 2}],
        "flag": True,
        "raw": "AP8=",
    }


SECRET = "s3cr3t"
BAD_COLUMNS: list[tuple[dict[str, Any], str]] = [
    ({"amount": [1.0, 2.0]}, "amount"),
    ({"amount": [SECRET]}, "amount"),
    ({"amount": [True]}, "amount"),
    ({"amount": [2**53 + 1]}, "amount"),
    ({"amount": [10**400]}, ""),
    ({"amount": [{}]}, "amount"),
    ({"amount": [[1.0]]}, "amount"),
    ({"customer": [1]}, "customer"),
    ({"at": [SECRET]}, "at"),
    ({"at": [None]}, "at"),
    ({"at": [1_700_000_000]}, "at"),
    ({"at": ["0001-01-01T00:00:00+14:00"]}, "at"),
    ({"unknown": [SECRET]}, "unknown"),
    ({"amount": SECRET}, ""),
    ({"customer": [], "at": [], "amount": []}, "no rows"),
    ({"customer": ["a", "b"], "at": [HOUR, HOUR], "amount": [1.0, SECRET]}, "row 1"),
]


def test_columns_that_do_not_fit_are_refused_whole(server: FeatureServer, root: Path) -> None:
    for columns, named in BAD_COLUMNS:
        told = feast(server, **columns)
        assert told.status == 422, columns
        assert named in told.feast_error["message"], columns
        assert SECRET not in told.feast_error["message"]
    assert (read(server, "eve"), waiting(root)) == (None, 0)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "9999-12-31T23:59:59-05:00"])
def test_an_event_of_the_future_or_of_no_real_time_is_refused(server: FeatureServer, root: Path, time: str) -> None:
    row = {"customer": "eve", "at": time, "amount": 1}
    native = ask(server, "/v1/push", {"source": "orders", "rows": [row]})
    assert (native.status, "`at` " in native.json["message"]) == (422, True)
    features = {"customer": ["eve"], "at": [time], "last_amount": [1.0]}
    written = ask(server, "/write-to-online-store", {"feature_view_name": "last_order", "df": features})
    assert [told.status for told in (feast(server, at=[time]), written)] == [422, 422]
    assert (read(server, "eve"), waiting(root)) == (None, 0)


BODIES = [
    b"",
    b"[]",
    b"{",
    b'{"push_source_name": "orders"}',
    b'{"push_source_name": "orders", "df": []}',
    b'{"push_source_name": "orders", "df": {}}',
    b'{"push_source_name": "orders", "df": {"customer": []}, "to": "nowhere"}',
    b'{"push_source_name": "orders", "df": {"amount": [NaN]}}',
    b'{"push_source_name": "orders", "df": {"customer": ["\\ud800"], "at": ["2024-01-06"], "amount": [1]}}',
    b'{"push_source_name": "orders", "df": {"amount": %s}}' % (b"[" * 5000 + b"]" * 5000),
    b'{"push_source_name": "orders", "df": {"amount": [%s]}}' % (b"9" * 5000),
    b"\xff",
]


@pytest.mark.parametrize("path", ["/push", "/write-to-online-store", "/v1/push"])
def test_a_body_that_is_no_push_is_refused(server: FeatureServer, root: Path, path: str) -> None:
    assert {body: ask(server, path, body).status for body in BODIES} == dict.fromkeys(BODIES, 422)
    assert waiting(root) == 0


def test_rows_that_lack_a_column_are_refused(server: FeatureServer) -> None:
    rows = [{"customer": "eve", "at": HOUR + "Z", "amount": 3}, {"customer": "eve", "at": HOUR + "Z"}]
    told = ask(server, "/v1/push", {"source": "orders", "rows": rows})
    assert (told.status, "`amount` in row 1" in told.json["message"]) == (422, True)


def test_names_that_nobody_declared_are_not_found_as_feast_has_it(server: FeatureServer) -> None:
    told = ask(server, "/push", {"push_source_name": "last_order", "df": df()})
    assert (told.status, told.feast_error["class"]) == (404, "PushSourceNotFoundException")
    for path, body in (
        ("/write-to-online-store", {"feature_view_name": "nope", "df": df()}),
        ("/materialize", {"end_ts": HOUR, "feature_views": ["last_order", "nope"]}),
    ):
        told = ask(server, path, body)
        assert (told.status, told.feast_error["class"]) == (404, "FeatureViewNotFoundException")
    assert ask(server, "/v1/push", {"source": "nope", "rows": []}).status == 404


def test_a_windowed_view_takes_no_feature_rows(server: FeatureServer) -> None:
    told = ask(server, "/write-to-online-store", {"feature_view_name": "spending", "df": {"customer": ["eve"]}})
    assert (told.status, "Push events to its source" in told.feast_error["message"]) == (422, True)


def test_a_hundred_thousand_rows_are_one_push(server: FeatureServer, root: Path) -> None:
    names = [f"c{number}" for number in range(100_000)]
    columns: dict[str, Any] = {"customer": names, "at": [HOUR] * len(names), "amount": [1.5] * len(names)}
    assert feast(server, **columns).status == 200
    assert read(server, names[-1]) == 1.5
    assert waiting(root) == 1


def test_scopes_are_asked_for(start: Start, root: Path, tmp_path: Path) -> None:
    tokens = {
        scope: create_key(tmp_path / "access", scope.replace(":*", ""), [scope], now=current_time())[1]
        for scope in ("read:*", "push", "admin")
    }
    server = start(online=str(root / "online"), pushing=PushSettings({"root": str(root)}, root / "spool"))
    push, publish = {"push_source_name": "orders", "df": df()}, {"end_ts": HOUR, "feature_views": ["plane"]}
    found = {
        scope: [
            ask(server, path, body, headers=[(b"authorization", b"Bearer " + token.encode())]).status
            for path, body in (("/push", push), ("/materialize", publish))
        ]
        for scope, token in tokens.items()
    }
    assert found == {"read:*": [403, 403], "push": [200, 403], "admin": [200, 200]}
    assert ask(server, "/push", push).status == 401


def test_a_source_with_a_reserved_column_takes_no_pushes() -> None:
    rows = shop.orders(("eve", shop.at(5, 12), 7.0)).with_columns(fp_push_row=pl.lit(1))
    source = fp.Source("orders", fp.sources.Frame(rows), event_time="at")
    with pytest.raises(PushRefused, match="column `fp_push_row` is a reserved name of the log of pushes"):
        accept_push(source, rows.schema, rows, shop.at(5, 12))


def test_metrics_tell_of_pushes(server: FeatureServer) -> None:
    feast(server)
    emptied(server)
    text = ask(server, "/metrics").body.decode()
    for line in (
        'feature_platform_pushes_total{source="orders",to="online_and_offline"} 1.0',
        'feature_platform_pushed_rows_total{source="orders",to="online_and_offline"} 1.0',
        "feature_platform_spooled_pushes 0.0",
    ):
        assert line in text


def test_a_server_without_an_offline_store_takes_no_pushes(start: Start) -> None:
    assert ask(start(), "/push", json.loads("{}")).status == 404


def test_workers_read_what_they_took_and_leave_an_empty_spool(root: Path) -> None:
    with serving(root, "--workers", "2", "--now", "2024-01-06T13:00", "--frozen") as process:
        for number in range(8):
            connection = process.connection()
            rows = [{"customer": f"c{number}", "at": HOUR + "Z", "amount": number}]
            question = {"features": ["last_order:last_amount"], "entities": [{"customer": f"c{number}"}]}
            answers = []
            for path, body in (("/v1/push", {"source": "orders", "rows": rows}), ("/v1/features", question)):
                connection.request("POST", path, json.dumps(body))
                response = connection.getresponse()
                answers.append((response.status, json.loads(response.read())))
            connection.close()
            assert answers[0] == (200, {"rows": 1, "views": ["last_order", "exact"]})
            assert answers[1][1]["rows"][0]["values"] == [float(number)]
    assert waiting(root) == 0
    log = fp.OfflineStore(str(root)).read("pushes/orders").select("amount").collect()
    assert sorted(log["amount"]) == [float(number) for number in range(8)]


@pytest.mark.parametrize("path", ["/v1/push", "/push", "/write-to-online-store", "/materialize"])
def test_whatever_is_pushed_only_documented_answers_come_back(server: FeatureServer, path: str) -> None:
    schema = schemathesis.openapi.from_dict(ask(server, "/openapi.json").json)

    @seed(2013)
    @settings(
        max_examples=tries(12),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
        case = data.draw(schema[path]["POST"].as_strategy(generation_mode=data.draw(st.sampled_from(modes))))
        told = ask(server, path, json.dumps(case.body, default=str).encode())
        assert told.status in (200, 404, 422), (case.body, told.body)

    check()
