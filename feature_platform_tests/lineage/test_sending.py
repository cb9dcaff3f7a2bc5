"""Runs go out in the order in which they ended, at least once, and none is lost while a server is dead."""

import shutil
from pathlib import Path

import pytest

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.lineage import sending
from feature_platform.lineage.configuration import LineageSettings
from feature_platform.lineage.records import decode_position, encode_position, read_new_runs
from feature_platform.lineage.sending import SentRuns, send_new_runs
from feature_platform.offline.log_facts import TablePosition
from feature_platform_tests.lineage.published import faults_of
from feature_platform_tests.lineage.recorded import events, run, shop
from feature_platform_tests.lineage.servers import Marquez, closed, enter_bare_folder, marquez, silent

ORDERS, SPENDING = "sources/orders", "views/spending"


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter_bare_folder(tmp_path, monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    return fp.OfflineStore(tmp_path / "store")


def to(address: str, timeout: float = 5.0) -> LineageSettings:
    return LineageSettings(None, {"type": "http", "url": address}, timeout)


def send(
    store: fp.OfflineStore, address: str, after: TablePosition | None, timeout: float = 5.0, seconds: float = 20.0
) -> SentRuns:
    return send_new_runs(shop(), store, to(address, timeout), after, seconds=seconds)


def run_ids(server: Marquez) -> list[str]:
    return [each["run"]["runId"] for each in server.events]


def test_without_runs_there_is_nothing_to_send(store: fp.OfflineStore) -> None:
    with closed() as address:
        assert send(store, address, None) == SentRuns(None, 0, 0)


def test_what_is_new_is_sent_once_and_is_what_the_records_say(store: fp.OfflineStore) -> None:
    with marquez() as server:
        run(shop(), store, ORDERS)
        first = send(store, server.address, None)
        run(shop(), store, SPENDING, SPENDING)
        second = send(store, server.address, first.position)
        third = send(store, server.address, second.position)
        assert [each.describe() for each in (first, second, third)] == ["1 run sent", "2 runs sent", "0 runs sent"]
        told = server.events

    tags = {each["run"]["facets"].pop("tags")["tags"][-1]["key"] for each in told}
    expected = events(shop(), store)
    assert tags == {"openlineage_client_version"}
    assert [faults_of(each) for each in told] == [[]] * 6
    assert [(each["eventType"], each["job"], each["outputs"]) for each in told] == [
        (each["eventType"], each["job"], each["outputs"]) for each in expected
    ]


@pytest.mark.parametrize("kind", [closed, silent])
def test_a_dead_server_loses_nothing_and_gets_all_once_it_is_up(store: fp.OfflineStore, kind) -> None:
    run(shop(), store, ORDERS)
    with marquez() as server:
        before = send(store, server.address, None).position
    run(shop(), store, SPENDING, SPENDING)
    with kind() as address:
        dead = [send(store, address, before, timeout=0.2) for _ in range(2)]
        assert [(each.position, each.sent, each.waiting) for each in dead] == [(before, 0, 2)] * 2
        assert str(dead[0].failure).startswith("The lineage of run `")
        assert f"of `{SPENDING}` was not sent to {address}: " in str(dead[0].failure)
        assert "Nothing is lost." in str(dead[0].failure)
    with marquez() as server:
        assert send(store, server.address, before).describe() == "2 runs sent"
        assert len(set(run_ids(server))) == 2


def test_a_server_that_dies_in_between_gets_the_rest_later_and_the_same_run_again(store: fp.OfflineStore) -> None:
    run(shop(), store, ORDERS, SPENDING)
    with marquez() as server:
        server.answers = [(204, {})] * 3 + [(503, {})]
        half = send(store, server.address, None)
        assert (half.sent, half.waiting, half.describe()) == (1, 1, "1 run sent, 1 waiting")
        rest = send(store, server.address, half.position)
        assert (rest.sent, rest.failure) == (1, None)
        ids = run_ids(server)
    assert ids[2:4] == ids[4:6]
    assert len(set(ids)) == 2


def test_a_look_ends_in_time_and_at_its_number_of_runs_and_the_next_goes_on(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(shop(), store, ORDERS, SPENDING, SPENDING, SPENDING)
    with marquez() as server:
        short = send(store, server.address, None, seconds=0)
        assert short.describe() == "1 run sent, 3 waiting"
        monkeypatch.setattr(sending, "MOST_RUNS", 2)
        limited = send(store, server.address, short.position)
        assert limited.describe() == "2 runs sent, 1 waiting"
        assert send(store, server.address, limited.position).describe() == "1 run sent"
        assert len(set(run_ids(server))) == 4


def test_several_attempts_of_one_run_are_all_sent(store: fp.OfflineStore) -> None:
    run(shop(), store, SPENDING, ORDERS, SPENDING, run_id="one")
    new = read_new_runs(store, None, 100)

    assert [each.record["outcome"] for each in new.runs] == ["failed", "published", "published"]
    positions = [each.position.version for each in new.runs]
    assert positions == [-1, 0, 1]
    with marquez() as server:
        done = send(store, server.address, None)
        assert (done.sent, send(store, server.address, done.position).sent) == (3, 0)
    [failed, _, _] = new.runs
    assert [each.record for each in read_new_runs(store, failed.position, 100).runs] == [
        each.record for each in new.runs
    ]


def test_runs_are_found_after_the_table_was_compacted_and_made_anew(store: fp.OfflineStore, tmp_path: Path) -> None:
    run(shop(), store, ORDERS, SPENDING)
    after = read_new_runs(store, None, 100).upto
    store.maintain("runs")
    assert store.latest_version("runs") > after.version
    assert read_new_runs(store, after, 100).runs == ()
    other = fp.OfflineStore(tmp_path / "other")
    run(shop(), other, ORDERS)
    assert [each.record["asset"] for each in read_new_runs(other, after, 100).runs] == [ORDERS]


def test_a_version_that_is_not_stored_any_more_is_told_without_its_columns(store: fp.OfflineStore) -> None:
    run(shop(), store, ORDERS)
    shutil.rmtree(store.location(ORDERS).uri)
    [_, end] = events(shop(), store)
    assert faults_of(end) == []
    assert "schema" not in end["outputs"][0]["facets"]
    assert end["outputs"][0]["facets"]["version"]["datasetVersion"] == "0"


def test_a_cursor_is_a_position_and_any_other_text_is_refused() -> None:
    position = TablePosition("a1", 4)
    assert decode_position(encode_position(position)) == position
    assert decode_position(None) is None
    for text in ("x", "{}", '{"runs": 3}', '{"runs": ["a", "b"]}'):
        with pytest.raises(InvalidDeclaration, match="The cursor of lineage is"):
            decode_position(text)
