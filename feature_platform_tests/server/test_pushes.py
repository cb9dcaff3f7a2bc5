"""Pushes over HTTP: taken whole or refused, read by the next request, and in the log when the spool is emptied."""

import asyncio
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.access import create_key
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import PushRefused
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.pipelines.candidates.pushes import accept_push
from feature_platform.server.app import FeatureServer
from feature_platform.server.limits import Limits
from feature_platform.server.logs import configure
from feature_platform.server.now import current_time
from feature_platform.server.settings import PushSettings
from feature_platform_tests import shop
from feature_platform_tests.effort import tries
from feature_platform_tests.server import declared
from feature_platform_tests.server.conftest import Start
from feature_platform_tests.server.driver import Told, ask, asked
from feature_platform_tests.server.process import serving

HOUR = "2024-01-06T12:00:00"


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    """The shop, to be written to."""
    return Path(shutil.copytree(published, tmp_path / "shop"))


@pytest.fixture
def server(start: Start, root: Path) -> FeatureServer:
    pushing = PushSettings({"root": str(root)}, root / "spool", 0.02)
    return start(online=str(root / "online"), pushing=pushing, limits=Limits(body=2**24))


def df(**columns: list[object]) -> dict[str, list[object]]:
    return {"customer": ["eve"], "at": [HOUR], "amount": [7.0], **columns}


def feast(server: FeatureServer, to: str = "online_and_offline", **columns: list[object]) -> Told:
    return ask(server, "/push", {"push_source_name": "orders", "df": df(**columns), "to": to})


def read(server: FeatureServer, name: str, view: str = "last_order", feature: str = "last_amount") -> object:
    entities = [{"customer": name}]
    told = ask(server, "/v1/features", {"features": [f"{view}:{feature}"], "entities": entities})
    assert told.status == 200, told.body
    return told.json["rows"][0]["values"][0]


def waiting(root: Path) -> int:
    return sum(Spool(root / "spool").sources().values())


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
        "flag": True,
        "raw": "AP8=",
    }


SECRET = "s3cr3t"
BAD_COLUMNS = [
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
    columns = {"customer": names, "at": [HOUR] * len(names), "amount": [1.5] * len(names)}
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


# ---------------------------------------------------------------- the spool


def emptied(server: FeatureServer) -> None:
    assert server.pushes is not None
    server.pushes.emptying.empty()


def test_the_spool_goes_to_the_log_and_what_a_crash_left_is_applied(server: FeatureServer, root: Path) -> None:
    rows = shop.orders(("eve", shop.at(5, 12), 7.0))
    Spool(root / "spool").append("orders", rows, shop.at(5, 12))
    assert read(server, "eve") is None
    emptied(server)
    assert read(server, "eve") == 7.0
    assert read(server, "eve", "exact", "amount_sum_3d") == 7.0
    assert waiting(root) == 0
    assert fp.OfflineStore(str(root)).read("pushes/orders").select(rows.columns).collect().equals(rows)
    emptied(server)
    assert fp.OfflineStore(str(root)).latest_version("pushes/orders") == 0


def test_a_push_opens_no_table_and_begins_one_query_for_each_view(
    server: FeatureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"customer": "eve", "at": f"{HOUR}Z", "amount": 7.0}]
    told = ask(server, "/v1/push", {"source": "orders", "rows": rows})
    begun: list[object] = []
    collect = pl.LazyFrame.collect

    def counted(frame: pl.LazyFrame, *args: object, **words: object) -> object:
        begun.append(frame)
        return collect(frame, *args, **words)

    monkeypatch.setattr(pl.LazyFrame, "collect", counted)
    monkeypatch.setattr("feature_platform.offline.store.open_table", None)
    monkeypatch.setattr("feature_platform.offline.commits.DeltaTable", None)
    assert ask(server, "/v1/push", {"source": "orders", "rows": rows}).json == told.json
    assert len(begun) <= len(told.json["views"])


def test_what_is_online_is_told_to_the_spool_soon_and_by_stopping_at_the_latest(
    server: FeatureServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(root / "spool")
    monkeypatch.setattr("feature_platform.server.pushes._SETTLED_AFTER", 0.01)
    body = {"push_source_name": "orders", "df": df(), "to": "online_and_offline"}

    async def live() -> None:
        await asked(server, "/push", body)
        while list(spool.unapplied_pushes()):
            await asyncio.sleep(0.01)
        monkeypatch.setattr("feature_platform.server.pushes._SETTLED_AFTER", 1e6)
        await asked(server, "/push", body)
        assert [each.sequence for each in spool.unapplied_pushes()] == [1]
        assert server.pushes is not None
        await server.pushes.stop()

    asyncio.run(asyncio.wait_for(live(), 30))
    assert waiting(root) == 0


def test_pushes_of_a_process_that_lives_are_not_applied_again(server: FeatureServer, root: Path) -> None:
    feast(server, customer=["bob"])
    emptied(server)
    Spool(root / "spool").append("orders", shop.orders(("eve", shop.at(5, 12), 7.0)), shop.at(5, 12))
    emptied(server)  # it came since the time before: whoever took it is at it
    assert read(server, "eve") is None
    emptied(server)  # and by now has died
    assert read(server, "eve") == 7.0
    assert waiting(root) == 0


def test_a_table_that_was_built_without_a_push_gets_it_before_it_leaves_the_spool(
    server: FeatureServer, root: Path
) -> None:
    emptied(server)
    feast(server)
    online = Lmdb(root / "online")
    table = online.table("last_order")
    assert table is not None
    online.build(table, table, [], lambda *_: None)  # as for a view of another shape
    server.answering.refresh()
    assert read(server, "eve") is None
    emptied(server)
    assert read(server, "eve") == 7.0


def test_a_log_that_refuses_is_tried_again(server: FeatureServer, root: Path) -> None:
    feast(server)
    (root / "offline" / "pushes").write_text("in the way")
    emptied(server)
    assert waiting(root) == 1
    assert b'feature_platform_failures_total{error="flush"} 1.0' in ask(server, "/metrics").body
    (root / "offline" / "pushes").unlink()
    emptied(server)
    assert waiting(root) == 0


def test_what_no_log_can_take_is_set_aside_and_told_while_the_others_go_on(
    server: FeatureServer, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configure()
    spool = Spool(root / "spool")
    for source, rows in (("typed_rows", pl.DataFrame({"fp_push": [1]})), ("plane", pl.DataFrame({"tail": ["x"]}))):
        spool.append(source, rows, shop.at(5, 12))
    with spool._transaction(write=True) as (opened, transaction):
        transaction.put((1).to_bytes(8, "big"), b"damaged", db=opened.rows)
    feast(server)
    emptied(server)
    assert fp.OfflineStore(str(root)).read("pushes/orders").select("amount").collect()["amount"].to_list() == [7.0]
    told = ask(server, "/ready")
    assert (told.status, told.json["pushes"]) == (
        200,
        {"waiting": 0, "set_aside": 2, "noticed": {"PushSetAside": 2}},
    )
    text = ask(server, "/metrics").body.decode()
    assert 'feature_platform_spool_noticed_total{kind="PushSetAside"} 2.0' in text
    assert "feature_platform_pushes_set_aside 2.0" in text
    lines = [line for line in capfd.readouterr().err.splitlines() if "noticed about the spool" in line]
    assert [json.loads(line)["message"].split(":")[0] for line in lines] == [
        "Push 1 to source `plane` was set aside",
        "Push 0 to source `typed_rows` was set aside",
    ]


def test_a_server_that_stops_leaves_in_the_spool_what_it_has_no_time_for(server: FeatureServer, root: Path) -> None:
    spool = Spool(root / "spool")
    for number in range(3):
        spool.append("orders", shop.orders(("eve", shop.at(5, 12), float(number))), shop.at(5, 12))
    assert server.pushes is not None
    emptying = server.pushes.emptying
    emptying._grace = -1.0  # over before it begins
    asyncio.run(asyncio.wait_for(emptying.stop(), 30))
    assert waiting(root) == 3
    assert not fp.OfflineStore(str(root)).exists("pushes/orders")


class Failing(Spool):
    """A spool that fails in a way that nobody foresaw, once."""

    failures = 1

    def last(self) -> int:
        self.failures -= 1
        return 1 // 0 if self.failures >= 0 else super().last()


def test_a_failure_that_nobody_foresaw_is_told_and_ends_no_emptying(server: FeatureServer, root: Path) -> None:
    feast(server)
    assert server.pushes is not None
    emptying = server.pushes.emptying
    emptying._target = replace(emptying._target, spool=Failing(root / "spool"))

    async def live() -> None:
        emptying.start()
        while waiting(root):
            await asyncio.sleep(0.01)
        await emptying.stop()

    asyncio.run(asyncio.wait_for(live(), 30))
    assert b'feature_platform_failures_total{error="flush"} 1.0' in ask(server, "/metrics").body


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


def test_a_server_empties_its_spool_when_it_starts_now_and_then_and_when_it_stops(
    server: FeatureServer, root: Path
) -> None:
    Spool(root / "spool").append("orders", shop.orders(("eve", shop.at(5, 11), 6.0)), shop.at(5, 12))

    async def live() -> None:
        assert server.pushes is not None
        server.pushes.start()
        while waiting(root):
            await asyncio.sleep(0.01)
        body = {"push_source_name": "orders", "df": df(), "to": "online_and_offline"}
        assert (await asked(server, "/push", body)).status == 200
        await server.pushes.stop()

    asyncio.run(asyncio.wait_for(live(), 30))
    assert waiting(root) == 0
    log = fp.OfflineStore(str(root)).read("pushes/orders").select("amount").collect()
    assert sorted(log["amount"]) == [6.0, 7.0]


# ---------------------------------------------------------------- publications


def test_what_was_materialized_is_published_on_request(server: FeatureServer, root: Path) -> None:
    feast(server, "offline")
    emptied(server)
    fp.materialize(declared.orders, fp.OfflineStore(str(root)))
    fp.materialize(declared.last_order, fp.OfflineStore(str(root)))
    body = {"start_ts": "2024-01-01T00:00:00", "end_ts": HOUR, "feature_views": ["last_order"]}
    told = ask(server, "/materialize", body)
    assert (told.status, told.body) == (200, b"null")
    assert read(server, "eve") == 7.0
    assert read(server, "eve", "exact", "amount_sum_3d") == 0.0
    assert ask(server, "/materialize-incremental", {"end_ts": HOUR}).status == 200
    assert read(server, "eve", "exact", "amount_sum_3d") == 7.0


def test_a_publication_in_the_background_is_one_at_a_time(server: FeatureServer) -> None:
    async def several() -> list[int]:
        path, body = "/materialize-incremental", {"end_ts": HOUR, "feature_views": ["last_order"]}
        first = await asked(server, path, body, query=b"async=true")
        second = await asked(server, path, body, query=b"async=true")
        assert server.pushes is not None
        await server.pushes.publications.stop()
        return [first.status, second.status]

    assert asyncio.run(several()) == [202, 409]


@pytest.mark.parametrize("hangs", [False, True])
def test_a_publication_is_given_up_when_the_server_stops(
    server: FeatureServer, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    begun, go_on = list[str](), threading.Event()

    def published(view: FeatureView, *_: object, **__: object) -> None:
        begun.append(view.name)
        go_on.wait(20)

    monkeypatch.setattr("feature_platform.server.publications.publish", published)
    assert server.pushes is not None
    publications = server.pushes.publications
    publications._grace = 0.2

    async def stopped() -> Told | None:
        asking = asyncio.create_task(asked(server, "/materialize-incremental", {"end_ts": HOUR}))
        while not begun:
            await asyncio.sleep(0.01)
        if not hangs:
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        await asyncio.wait_for(publications.stop(), 5)
        return None if hangs else await asking

    told = asyncio.run(stopped())
    go_on.set()
    assert len(begun) == 1
    if told is not None:
        assert told.status == 503
        assert "stops, and has not published last_order, exact, " in told.feast_error["message"]


@pytest.mark.parametrize("query", [b"async=%ff", b"x=\xff", b"async=%C3%A9"])
def test_a_query_of_any_bytes_is_no_failure(server: FeatureServer, query: bytes) -> None:
    told = ask(server, "/materialize", {"end_ts": HOUR, "feature_views": ["last_order"]}, query=query)
    assert told.status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"start_ts": "now", "end_ts": HOUR},
        {"start_ts": "2024-01-07T00:00:00", "end_ts": HOUR},
        {"end_ts": 5},
        {"end_ts": HOUR, "feature_views": "last_order"},
    ],
)
def test_moments_that_are_none_are_refused(server: FeatureServer, body: object) -> None:
    told = ask(server, "/materialize", body)
    assert (told.status, set(told.feast_error)) == (422, {"module", "class", "message"})


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
