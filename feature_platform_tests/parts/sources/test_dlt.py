"""Pipelines of dlt: run by a run of the source alone, merged by key, and as if never run when they fail."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, PackageMissing, SourceUnreadable
from feature_platform.parts.sources import Dlt
from feature_platform.parts.sources.dlt.merging import CannotMerge, last_merge, merge_rows, storable, tidy_table
from feature_platform_tests.effort import repetitions, tries

ROOT = str(Path(fp.__file__).parents[1])
TOKEN = "hunter2hunter2"
FIRST = datetime(2024, 5, 1, 10, tzinfo=timezone.utc)
WORDS: dict[str, Any] = {"table": "tickets", "into": "data", "cursor": "updated_at", "key": "id"}
API = """
import json, os, signal, time
from pathlib import Path

import dlt


def tickets(token):
    @dlt.resource
    def rows(updated_at=dlt.sources.incremental("updated_at")):
        with open("asked.txt", "a") as asked:
            print(updated_at.last_value, file=asked)
        said = json.loads(Path("api.json").read_text())
        if said == "error":
            raise RuntimeError(f"403 for token {token} and s3cretOfDlt")
        yield said
    return rows


@dlt.source
def desk():
    return [dlt.resource([{"id": 1, "updated_at": 5}], name=name) for name in ("Tickets", "users")]


def nothing():
    return 42


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def slow():
    Path("pid.txt").write_text(str(os.getpid()))
    time.sleep(60)
"""


@pytest.fixture
def api(tmp_path, monkeypatch):
    """A folder to work in with a module `api`, whose answers are in `api.json`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "api.py").write_text(API)
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text('[sources.desk]\nkey = "s3cretOfDlt"\n')
    return tmp_path


def connector(name: str = "tickets", **words: Any) -> Dlt:
    secrets = {"token": fp.Secret("DESK_TOKEN")} if name == "tickets" else {}
    return Dlt(f"api:{name}", **{**WORDS, "secrets": secrets, **words})


def ticket(number: int, hours: int, **more: object) -> dict[str, object]:
    return {"id": number, "updated_at": f"{FIRST + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}", **more}


def answer(folder: Path, rows: object) -> None:
    (folder / "api.json").write_text(json.dumps(rows))


def held() -> list[tuple]:
    return connector().scan("tickets").select("id", "amount").sort("id").collect().rows()


def refused(words: Dlt) -> str:
    with pytest.raises(SourceUnreadable) as raised:
        words.fetch("tickets")
    message = str(raised.value)
    start = f"Source `tickets` cannot be read from data/tickets: the pipeline {words.pipeline} "
    assert message.startswith(start)
    assert "\n" not in message
    return message.removeprefix(start)


def test_rows_are_merged_from_run_to_run_and_asked_for_again_by_the_overlap(api, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        answer(api, [ticket(1, 0, amount=1), ticket(1, 1, amount=2), ticket(2, 2, amount=3, tags=["a"])])
        connector(first="2024-01-01T00:00:00Z").fetch("tickets")
        assert held() == [(1, 2), (2, 3)]
        unfinished = api / "data" / "_dlt" / "tickets" / "2"  # of a process that was killed before its commit
        unfinished.mkdir()
        (unfinished / "state.json").write_text("{")
        answer(api, [ticket(1, 1, amount=2), ticket(2, 3, amount=4), ticket(3, 4, Amount=5, amount=6)])
        connector().fetch("tickets")
        assert held() == [(1, 2), (2, 4), (3, 6)]
        before = connector().fingerprint("tickets")
        connector().fetch("tickets")
        assert connector().fingerprint("tickets") == before
        proxy.settimeout(0)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert (api / "asked.txt").read_text().split() == [
        "2024-01-01T00:00:00Z",
        "2024-05-01T11:00:00Z",
        "2024-05-01T13:00:00Z",
    ]
    assert not (api / "home").exists()
    assert sorted(each.name for each in (api / "data" / "_dlt" / "tickets").iterdir()) == ["2", "lock"]
    texts = [each.read_bytes() for each in (api / "data").rglob("*") if each.is_file()]
    assert not any(TOKEN.encode() in each for each in texts)


@pytest.mark.slow
def test_a_run_that_fails_writes_nothing_and_the_next_one_goes_on(api, store):
    source = fp.Source("tickets", connector(), event_time="updated_at", partitioned=False)
    answer(api, [ticket(1, 0, amount=1)])
    fp.materialize(source, store)
    before, version = held(), store.latest_version(source.asset)
    answer(api, [ticket(1, 1, amount="many"), ticket(2, 2, amount=2)])
    with pytest.raises(SourceUnreadable, match=r"`amount__v_text` .*Give the column its type in the pipeline"):
        fp.materialize(source, store)
    answer(api, "error")
    assert refused(connector()) == (
        "failed: RuntimeError: 403 for token *** and ***. What it brought before stays as it is. "
        "Mend the pipeline, then run the source again."
    )
    assert (held(), store.latest_version(source.asset)) == (before, version)
    answer(api, [ticket(1, 1, amount=5), ticket(2, 2, amount=2)])
    fp.materialize(source, store)
    assert store.read(source.asset).select("id", "amount").sort("id").collect().rows() == [(1, 5), (2, 2)]


@pytest.mark.parametrize(
    ("name", "words", "found"),
    [
        ("nothing", {}, "failed: it returned a int, which is no resource or source of dlt. Return what"),
        ("desk", {"table": "groups"}, "failed: it has no resource `groups`. Give .*; it has: Tickets, users."),
        ("killed", {}, "failed: its process ended with -9, and said last: it said nothing"),
        ("missing", {}, "failed: AttributeError: module 'api' has no attribute 'missing'"),
    ],
)
def test_what_is_no_pipeline_is_told(api, name, words, found):
    with pytest.raises(SourceUnreadable, match=found):
        connector(name, **words).fetch("tickets")


def test_a_pipeline_that_takes_too_long_is_ended(api):
    answer(api, [])
    for timeout in ("4s", "20s", "80s"):  # on a busy machine it may take long to begin
        assert refused(connector("slow", timeout=timeout)).startswith(f"did not end within {timeout}. What it brought")
        if (api / "pid.txt").exists():
            break
    with pytest.raises(ProcessLookupError):
        os.kill(int((api / "pid.txt").read_text()), 0)


@pytest.mark.slow
def test_a_pipeline_ends_with_the_process_that_runs_it(api):
    words = f"from feature_platform.parts.sources import Dlt; Dlt('api:slow', **{WORDS}).fetch('tickets')"
    pid, parent = (
        api / "pid.txt",
        subprocess.Popen([sys.executable, "-c", words], env={**os.environ, "PYTHONPATH": ROOT}),
    )
    wait_until(lambda: pid.exists() and pid.read_text())
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_running(int(pid.read_text())))


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_one_resource_of_a_source_is_taken_by_its_name(api):
    desk = connector("desk")
    desk.fetch("tickets")
    assert desk.scan("tickets").collect().rows() == [(1, 5)]
    assert not (api / "data" / "users").exists()


@pytest.mark.slow
def test_a_killed_process_leaves_the_table_whole_and_loses_nothing(api, monkeypatch):
    from feature_platform.parts.sources.dlt import fetching

    chance, start = random.Random(3), fetching._start
    for number in repetitions(2):
        answer(api, [ticket(each, each, amount=each) for each in range(number * 10)])
        monkeypatch.setattr(fetching, "_start", lambda *words: kill_later(start(*words), chance.uniform(1, 4)))
        with pytest.raises(SourceUnreadable, match="ended with -9"):
            fetch_forever()
        monkeypatch.setattr(fetching, "_start", start)
        connector().fetch("tickets")
        assert held() == [(each, each) for each in range(number * 10)]


def fetch_forever() -> None:
    while True:  # one run may be quicker than the kill
        connector().fetch("tickets")


def kill_later(process, seconds: float):
    import threading

    threading.Timer(seconds, lambda: process.poll() is None and os.killpg(process.pid, signal.SIGKILL)).start()
    return process


def test_looking_at_the_source_never_runs_the_pipeline(api, store):
    days = fp.Partitions("daily", start="2024-05-01", end="2024-05-03")
    source = fp.Source("tickets", connector(), event_time="updated_at")
    [due] = fp.stale_assets(fp.Project("desk", days, (source,)), store)
    assert set(due.reasons.values()) == {"never materialized"}
    assert connector().fingerprint("tickets") == "nothing"
    with pytest.raises(SourceUnreadable, match=r"has brought no rows yet\. Run the source"):
        connector().scan("tickets")
    assert not (api / "asked.txt").exists()


def test_a_topic_whose_history_a_pipeline_brings_runs_it_too():
    fetched: list[str] = []

    class Noting(fp.sources.Frame):
        def fetch(self, owner: str) -> None:
            fetched.append(owner)

    history = Noting(pl.DataFrame({"id": [1]}))
    fp.sources.Kafka("broker:9092", topic="tickets", schema={"id": pl.Int64}, history=history).fetch("tickets")
    assert fetched == ["tickets"]


def merged(uri: str, rows: Sequence[Any], number: int) -> bool:
    return merge_rows(uri, pl.DataFrame(rows), ["k"], "at", number)


def test_the_newest_row_of_each_key_is_kept_whatever_comes_when(tmp_path):
    for seed in range(tries(30)):
        chance, uri, newest = random.Random(seed), str(tmp_path / str(seed)), dict[int, tuple]()
        for _ in range(5):
            rows = [(chance.randint(0, 5), chance.randint(0, 9)) for _ in range(chance.randint(1, 8))]
            batch = [{"k": k, "at": at, "x": f"{k}-{at}"} for k, at in rows]
            for k, at in rows:
                newest[k] = max(newest.get(k, (at,)), (at,))
            before = last_merge(uri)
            changed = merged(uri, batch, before + 1)
            assert last_merge(uri) == before + changed
            stored = pl.read_delta(uri).sort("k")
            assert stored.rows() == [(k, at, f"{k}-{at}") for k, (at,) in sorted(newest.items())]


def test_what_is_there_already_makes_no_commit(tmp_path):
    uri, rows = str(tmp_path / "t"), [{"k": 1, "at": 5, "x": None}, {"k": 2, "at": 5, "x": 0.5}]
    assert merged(uri, rows, 1)
    assert not merged(uri, rows, 2)
    assert not merged(uri, [{"k": 1, "at": 4, "x": 9.0}], 2)
    assert not merged(uri, [{"k": 2, "at": 5, "x": 0.5}] * 2, 2)
    assert (DeltaTable(uri).version(), last_merge(uri)) == (0, 1)


def test_columns_come_and_go_and_keep_their_types(tmp_path):
    uri = str(tmp_path / "t")
    merged(uri, [{"k": 1, "at": 1, "x": 0.5}], 1)
    merged(uri, [{"k": 1, "at": 2, "x": 7, "note": "n"}, {"k": 2, "at": 2, "x": 1, "note": None}], 2)
    merged(uri, [{"k": 2, "at": 3, "note": "m"}], 3)
    wanted = pl.DataFrame({"k": [1, 2], "at": [2, 3], "x": [7.0, None], "note": ["n", "m"]})
    assert_frame_equal(pl.read_delta(uri).sort("k"), wanted)
    with pytest.raises(CannotMerge, match="column `x` is String now where the table has Float64"):
        merged(uri, [{"k": 3, "at": 4, "x": "12"}], 4)
    with pytest.raises(CannotMerge, match="1 rows have no `k`, which is their key"):
        merged(uri, [{"k": None, "at": 4, "x": 1.0}, {"k": 1, "at": 4, "x": 1.0}], 4)
    assert last_merge(uri) == 3


def test_rows_with_lists_and_structs_as_frames_bring_them_are_compared_too(tmp_path):
    uri, both = str(tmp_path / "t"), {"l": [[1, 2], None], "s": [{"a": 1, "b": [None, "x"]}, None], "d": [b"x", None]}
    first = pl.DataFrame({"k": [1, 2], "at": [1, 1], "f": [float("nan"), None], **both})
    assert merge_rows(uri, first, ["k"], "at", 1)
    assert not merge_rows(uri, first, ["k"], "at", 2)
    second = first.with_columns(pl.lit(2, pl.Int32).alias("at"), pl.lit([3]).cast(pl.List(pl.Int64)).alias("l"))
    assert merge_rows(uri, second, ["k"], "at", 2)
    assert pl.read_delta(uri)["l"].to_list() == [[3], [3]]


def test_a_tidy_table_has_the_same_rows_in_one_file(tmp_path):
    uri = str(tmp_path / "t")
    for number in range(1, 21):
        merged(uri, [{"k": number, "at": number, "x": None if number % 2 else "x"}], number)
    assert last_merge(uri) == 20
    assert len(DeltaTable(uri).file_uris()) == 1
    assert pl.read_delta(uri)["k"].sort().to_list() == list(range(1, 21))
    tidy_table(uri)
    assert last_merge(uri) == 20


def test_a_time_of_day_is_stored_as_text_and_a_column_without_a_value_not_at_all():
    rows = pl.DataFrame({"t": [datetime(2024, 5, 1, 9, 30).time()], "nothing": [None]})
    assert storable(rows)["t"].to_list() == ["09:30:00"]
    assert storable(rows).columns == ["t"]


@pytest.mark.parametrize(
    ("pipeline", "words", "found"),
    [
        ("api.tickets", {}, "the pipeline 'api.tickets'. Put it at the top of a module"),
        (lambda: None, {}, "a pipeline that another process cannot import"),
        (42, {}, "a pipeline that another process cannot import"),
        ("api:tickets", {"table": "My Tickets"}, "table='My Tickets'. Write it as dlt does: small letters"),
        ("api:tickets", {"into": "s3://lake/desk"}, "Give a folder of this machine"),
        ("api:tickets", {"cursor": "meta.updated"}, "cursor='meta.updated'. Give the name of a field"),
        ("api:tickets", {"key": []}, "key="),
        ("api:tickets", {"first": FIRST}, "Write it as the API does"),
        ("api:tickets", {"overlap": "some"}, "overlap"),
        ("api:tickets", {"timeout": 5}, "timeout"),
        ("api:tickets", {"secrets": {"token": TOKEN}}, "a secret that is no fp.Secret"),
    ],
)
def test_a_wrong_declaration_is_refused(pipeline, words, found):
    with pytest.raises(InvalidDeclaration, match=found) as raised:
        Dlt(pipeline, **{**WORDS, **words})
    assert TOKEN not in str(raised.value)


def test_a_function_is_known_by_where_it_is():
    assert Dlt(json.loads, **WORDS).pipeline == "json:loads"
    assert Dlt("api:desk.tickets", **WORDS).pipeline == "api:desk.tickets"


def test_what_is_missing_is_told_before_anything_runs(api, monkeypatch):
    monkeypatch.delenv("DESK_TOKEN")
    with pytest.raises(fp.errors.SecretMissing, match=r"Source `tickets`.*DESK_TOKEN"):
        connector().fetch("tickets")
    monkeypatch.setitem(sys.modules, "dlt", None)
    with pytest.raises(PackageMissing, match=r"Source `tickets`.* needs dlt\[parquet\], .*the extra `dlt`"):
        connector().fetch("tickets")
    assert not (api / "data").exists()
