"""The monitoring sensor under Dagster's own daemon, which is killed with its run in the middle of a backfill."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from feature_platform.orchestration.sensors import MONITOR, TRIGGER
from feature_platform_tests.orchestration import watched_shop

ROOT = Path(__file__).parents[2]
MODULE = ("-m", watched_shop.__name__)
KEYS = watched_shop.PROJECT.partitions.keys()
PATIENCE = 300.0  # seconds that a very busy machine may take for a step
# of a run whose process was killed nobody hears any more: Dagster fails it when it has gone on for too long
SETTINGS = """
telemetry: {enabled: false}
run_monitoring: {enabled: true, max_runtime_seconds: 12, poll_interval_seconds: 1}
concurrency: {runs: {max_concurrent_runs: 1}}
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text(SETTINGS)
    for name in ("WRITTEN", "JUDGED", "HOLD", "HELD"):
        monkeypatch.setattr(watched_shop, name, tmp_path / getattr(watched_shop, name).name)
    places = {"DAGSTER_HOME": str(tmp_path / "home"), "WATCHED_SHOP": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    monkeypatch.setenv("DAGSTER_HOME", places["DAGSTER_HOME"])
    return {**os.environ, **places}


@contextmanager
def daemon(environment: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Dagster's daemon with all that it starts, killed at the end as when the machine dies."""
    command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", *MODULE]
    with (
        log.open("ab") as written,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, start_new_session=True, stdout=written, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield process
        finally:
            for each in session(process.pid):
                os.kill(each, signal.SIGKILL)


def session(leader: int) -> list[int]:
    """The processes of a session: fields 1 and 6 of their lines, after the name in parentheses."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader:
            found.append(int(place.parent.name))
    return found


def waited_for(happened: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(int(PATIENCE / 0.25)):
        if happened():
            return
        try:
            process.wait(0.25)
        except subprocess.TimeoutExpired:
            continue
        break
    pytest.fail(f"It did not happen. The daemon said:\n{log.read_text()[-6000:]}")


def write(instance: dg.DagsterInstance, contents: dict[str, str]) -> None:
    before = json.loads(watched_shop.WRITTEN.read_text()) if watched_shop.WRITTEN.exists() else {}
    after = before.get("sources/orders", {}) | contents
    watched_shop.WRITTEN.write_text(json.dumps({"sources/orders": after}))
    for key in contents:
        event = dg.AssetMaterialization(dg.AssetKey(["sources", "orders"]), partition=key)
        instance.report_runless_asset_event(event)


def going_on(instance: dg.DagsterInstance) -> bool:
    over = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
    return any(run.status not in over for run in instance.get_runs(dg.RunsFilter(tags={TRIGGER: MONITOR})))


def everything_is_judged() -> bool:
    written: dict[str, str] = json.loads(watched_shop.WRITTEN.read_text())["sources/orders"]
    return {key: content for _, key, content in watched_shop.judged()} == written


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the daemon's processes in /proc")
def test_a_killed_daemon_and_its_killed_run_skip_nothing_and_repeat_nothing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "daemon.log"
    watched_shop.HOLD.touch()
    with dg.DagsterInstance.get() as instance:
        write(instance, dict.fromkeys(KEYS[:40], "a"))
        start = [sys.executable, "-m", "dagster", "sensor", "start", MONITOR, *MODULE]
        subprocess.run(start, cwd=ROOT, env=environment, check=True, capture_output=True)
        with daemon(environment, log) as process:
            waited_for(watched_shop.HELD.exists, process, log)

        watched_shop.HOLD.unlink()
        write(instance, dict.fromkeys(KEYS[38:40], "b") | dict.fromkeys(KEYS[40:], "a"))
        with daemon(environment, log) as process:
            waited_for(everything_is_judged, process, log)
            waited_for(lambda: not going_on(instance), process, log)

        runs = instance.get_runs(dg.RunsFilter(tags={TRIGGER: MONITOR}))
    written = {(key, "b" if key in KEYS[38:40] else "a") for key in KEYS}
    times = Counter((key, content) for _, key, content in watched_shop.judged())
    assert times == dict.fromkeys(written, 1)
    assert sorted(run.status.value for run in runs) == ["FAILURE", "SUCCESS", "SUCCESS"]
