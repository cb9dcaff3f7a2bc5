"""A session of tests leaves no process and no folder behind, whether it passes or is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from feature_platform_tests import session_folder

ROOT = Path(__file__).parents[1]
TEST = """
import os, subprocess, sys, tempfile, time
from pathlib import Path

HOLD = "import multiprocessing as m, time; s = m.get_context('spawn').Lock(); print(s._semlock.name, flush=True)"

def test_that_leaves_daemons_a_folder_and_a_lock(tmp_path):
    words = [sys.executable, "-c", "import time; time.sleep(600)"]
    daemons = [subprocess.Popen(words, start_new_session=True, cwd="/")]
    daemons.append(subprocess.Popen(words, start_new_session=True, cwd=tmp_path, env={}))
    words = [sys.executable, "-c", HOLD + "; time.sleep(600)"]
    daemons.append(subprocess.Popen(words, start_new_session=True, stdout=subprocess.PIPE, text=True))
    lock = daemons[-1].stdout.readline().strip()
    pids = ",".join(str(each.pid) for each in daemons)
    Path("said").write_text(f"{lock} {pids} {tempfile.mkdtemp()} {tmp_path}")
    Path("said").rename("left")
    time.sleep(float(os.environ["SECONDS"]))
    for daemon in daemons:
        daemon.returncode = 0  # nobody waits for it
"""


def start_session(folder: Path, seconds: float) -> "subprocess.Popen[str]":
    """Start pytest on one test, whose temporary folders are in `folder` when it does not make one of its own."""
    (folder / "test_daemon.py").write_text(TEST)
    (folder / "tmp").mkdir(exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name != session_folder.VARIABLE}
    places = {"TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT), "SECONDS": str(seconds)}
    words = ["-q", "-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider", "-p", session_folder.__name__]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *words, "test_daemon.py"],
        env={**inherited, **places, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def await_true(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    """Tell whether a process runs; one that has ended and that nobody waits for does not."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def things_left(folder: Path) -> tuple[list[int], list[Path]]:
    """Return the daemons that the test of a session started, and what it made: a lock and folders.

    Two daemons know the session by its variables, the other only works in a folder of it.
    """
    await_true((folder / "left").exists)
    lock, daemons, *made = (folder / "left").read_text().split()
    assert all(Path(place).is_relative_to(folder / "tmp") for place in made)
    return [int(each) for each in daemons.split(",")], [Path(f"/dev/shm/sem.{lock[1:]}"), *map(Path, made)]


def is_clean(folder: Path) -> bool:
    daemons, (lock, *_) = things_left(folder)
    return not any(map(is_alive, daemons)) and not lock.exists() and [*(folder / "tmp").iterdir()] == []


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are known by their variables on Linux")


@needs_linux
def test_a_session_that_passes_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    output, _ = start_session(tmp_path, 0).communicate()

    assert "1 passed" in output
    assert is_clean(tmp_path)


@needs_linux
def test_of_a_session_that_is_killed_nothing_is_left_soon_after(tmp_path: Path) -> None:
    with start_session(tmp_path, 600) as session:
        daemons, made = things_left(tmp_path)
        assert all(map(is_alive, daemons))
        assert all(place.exists() for place in made)
        session.kill()

    await_true(lambda: is_clean(tmp_path))


@needs_linux
def test_what_a_session_left_that_was_killed_with_its_watcher_is_gone_after_the_next_one(tmp_path: Path) -> None:
    with start_session(tmp_path, 600) as session:
        daemons, made = things_left(tmp_path)
        children = Path(f"/proc/{session.pid}/task/{session.pid}/children").read_text().split()
        [watcher] = {int(child) for child in children} - set(daemons)
        os.kill(watcher, signal.SIGKILL)
        session.kill()
    assert all(map(is_alive, daemons))
    assert all(place.exists() for place in made)

    output, _ = start_session(tmp_path, 0).communicate()

    assert "1 passed" in output
    assert not any(map(is_alive, daemons))
    assert is_clean(tmp_path)
