"""The request log: a request never waits for it, what it cannot take is counted, what it says it wrote is there."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.serving.request_log import CAPACITY_BYTES, LoggedAnswer, RequestLog
from feature_platform_tests.shop import at

FEATURES = ["amount", "count"]


def row(*values: object) -> dict[str, object]:
    return {"values": values, "statuses": ["PRESENT"] * 2, "event_times": ["2024-01-02T00:00:00Z"], "ages": [1.5]}


def answered(request_id: str, service: str = "shop", **more: bytes) -> LoggedAnswer:
    rows = ",".join(json.dumps(each) for each in (row(1.5, 2), row(None, 0))).encode()
    facts = {"entities": b'{"customer": ["ann", "bob"]}', "rows": rows, **more}
    return LoggedAnswer(
        request_id, service, at(2, 3), features=FEATURES, stamps={"v": "generation 1, change 0"}, **facts
    )


def test_an_answer_is_kept_as_json_with_the_moment_it_is_of(store: fp.OfflineStore) -> None:
    with RequestLog(store, sample=1.0) as log:
        assert log.record(answered("r1"))

    (kept,) = store.read("requests/shop").collect().to_dicts()
    assert (kept["request_id"], kept["at"]) == ("r1", at(2, 3))
    told = {name: json.loads(text) for name, text in kept.items() if name not in ("request_id", "at")}
    assert told == {
        "entities": {"customer": ["ann", "bob"]},
        "features": FEATURES,
        "values": [[1.5, 2], [None, 0]],
        "statuses": [["PRESENT", "PRESENT"]] * 2,
        "event_times": [["2024-01-02T00:00:00Z"]] * 2,
        "stamps": {"v": "generation 1, change 0"},
    }


def test_each_service_has_a_table_and_a_batch_is_one_commit(store: fp.OfflineStore) -> None:
    with RequestLog(store, sample=1.0, flush_seconds=60) as log:
        for number in range(4):
            log.record(answered(f"r{number}", "shop" if number % 2 else "depot"))

    assert log.written == 4
    assert [store.latest_version(f"requests/{name}") for name in ("shop", "depot")] == [0, 0]
    assert store.read("requests/shop").collect()["request_id"].to_list() == ["r1", "r3"]


def test_a_service_whose_table_refuses_holds_up_no_other(store: fp.OfflineStore) -> None:
    folder = Path(store.location("requests/depot").uri)
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    with RequestLog(store, sample=1.0, flush_seconds=60) as log:
        for service in ("depot", "shop"):
            log.record(answered("r1", service))
        assert not log.flush()
        assert (log.written, log.last_failure is not None) == (1, True)
        folder.unlink()
        assert log.flush()
    assert log.written == 2


def test_what_finds_the_queue_full_is_dropped_and_counted(store: fp.OfflineStore) -> None:
    with RequestLog(store, sample=1.0, capacity=2, flush_seconds=60) as log:
        assert [log.record(answered(f"r{number}")) for number in range(5)] == [True, True, False, False, False]
        assert (log.dropped, log.written) == (3, 0)
        log.flush()
        assert log.record(answered("r5"))
    assert (log.dropped, log.written) == (3, 3)


def test_large_answers_fill_the_queue_by_their_bytes(store: fp.OfflineStore) -> None:
    large = answered("large", entities=b" " * CAPACITY_BYTES, rows=b"")
    log = RequestLog(store, sample=1.0, flush_seconds=60)

    assert [log.record(each) for each in (large, answered("small"))] == [True, False]
    assert log.dropped == 1


def test_nothing_is_taken_after_it_was_closed(store: fp.OfflineStore) -> None:
    log = RequestLog(store, sample=1.0)
    log.close()

    assert not log.record(answered("late"))
    assert not store.exists("requests/shop")


@pytest.mark.parametrize(("sample", "low", "high"), [(0.0, 0, 0), (0.25, 180, 320), (1.0, 1_000, 1_000)])
def test_the_sample_is_a_share_of_the_requests_and_the_same_on_every_server(
    store: fp.OfflineStore, sample: float, low: int, high: int
) -> None:
    ids = [f"request-{number}" for number in range(1_000)]
    here, there = (RequestLog(store, sample=sample) for _ in range(2))

    wanted = [each for each in ids if here.wants(each)]
    assert low <= len(wanted) <= high
    assert wanted == [each for each in ids if there.wants(each)]


def test_a_storage_failure_loses_nothing_and_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "store" / "offline" / "requests"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    store = fp.OfflineStore(tmp_path / "store")
    with RequestLog(store, sample=1.0, flush_seconds=60) as log:
        log.record(answered("r1"))
        assert not log.flush()
        assert log.last_failure is not None
        assert (log.written, log.dropped) == (0, 0)
        blocked.unlink()
        assert log.flush()
        assert [log.written, log.last_failure] == [1, None]
    assert store.read("requests/shop").collect().height == 1


def test_an_answer_that_is_no_json_is_dropped_and_the_others_are_kept(store: fp.OfflineStore) -> None:
    with RequestLog(store, sample=1.0, flush_seconds=60) as log:
        log.record(answered("torn", rows=b'{"values":[1'))
        log.record(answered("whole"))

    assert (log.written, log.dropped) == (1, 1)
    assert store.read("requests/shop").collect()["request_id"].to_list() == ["whole"]


def test_a_killed_process_loses_only_what_it_had_not_written(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "feature_platform_tests.serving.logger", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = [int(process.stdout.readline()) for _ in range(3)][-1]
        os.kill(process.pid, signal.SIGKILL)

    rows = fp.OfflineStore(tmp_path).read("requests/shop").collect()
    assert rows.height >= told
    assert rows["request_id"].is_duplicated().sum() == 0
    assert rows.select(pl.col("values").is_null().any()).item() is False
