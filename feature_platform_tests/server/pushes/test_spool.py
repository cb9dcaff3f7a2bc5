"""What a server does with the pushes in its spool, now, when it stops and when it starts again."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.server.app import FeatureServer
from feature_platform.server.logs import configure
from feature_platform_tests import shop
from feature_platform_tests.server.driver import ask, asked
from feature_platform_tests.server.pushes.pushing import HOUR, df, emptied, feast, read, waiting


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

    def counted(frame: pl.LazyFrame, *args: Any, **words: Any) -> object:
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
