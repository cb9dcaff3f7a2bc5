"""One temporary folder for a whole session of tests, and the end of all that a session started.

It is a plugin of pytest, so that the folder is there before any test is imported. Everything temporary is made in it:
`tmp_path`, what `tempfile` makes, and what child processes make. It lies in memory where Linux has room for it there,
which saves a tenth of all work: tests make and remove small files. At the end of the session its processes are killed
and the folder is removed. When a session is killed, a small watcher does the same at once; when the watcher was killed,
too, the next session does. The folder of a session that lives is locked.

Processes are known by a variable that they inherit, or by the folder that they work in: a server such as Valkey writes
its title over its variables. Only Linux tells either of others; elsewhere only folders go.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

VARIABLE = "FEATURE_PLATFORM_TESTS_FOLDER"
_PREFIX = "fp-tests-"  # short: the path of a socket has 107 bytes
_LOCK = "lock"
_IN_MEMORY = Path("/dev/shm")
_TRACKERS_END_IN = 5.0
_ENOUGH = 4 << 30  # bytes, eight times what a session has at once


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Make the folder of this session; workers and children are in that of their parent."""
    if VARIABLE in os.environ:
        return
    places = _places()
    for folder in (each for place in places for each in place.glob(f"{_PREFIX}*")):
        _clean_up_if_abandoned(folder)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=places[0]))
    lock = _locked(folder)
    watcher = _start_watcher(folder)
    former = {name: os.environ.get(name) for name in (VARIABLE, "TMPDIR")}
    os.environ |= {VARIABLE: str(folder), "TMPDIR": str(folder)}
    tempfile.tempdir = None  # what was worked out before

    def end_session() -> None:
        watcher.kill()
        watcher.wait()
        _clean_up(folder)
        os.close(lock)
        tempfile.tempdir = None
        for name, value in former.items():
            os.environ.pop(name)
            os.environ |= {} if value is None else {name: value}

    early_config.add_cleanup(end_session)


def _places() -> list[Path]:
    """Return the folders in which sessions make theirs; the first one is for this session."""
    usual = Path(tempfile.gettempdir())
    return [usual] if "TMPDIR" in os.environ or not _has_room(_IN_MEMORY) else [_IN_MEMORY, usual]


def _has_room(place: Path) -> bool:
    """Tell whether a folder is there for everybody, has enough room, and lets programs run that lie in it."""
    if not os.access(place, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize >= _ENOUGH and not found.f_flag & os.ST_NOEXEC


def _locked(folder: Path) -> int:
    """Return the descriptor of a lock on a folder; raise `BlockingIOError` when somebody else has it."""
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    return lock


def _clean_up_if_abandoned(folder: Path) -> None:
    try:
        lock = _locked(folder)
    except OSError:  # of a session that lives, of somebody else, or gone by now
        return
    _clean_up(folder)
    os.close(lock)


def _clean_up(folder: Path) -> None:
    """Kill the processes of a session, and remove its folder.

    Python's trackers of resources end by themselves after their processes, and then remove locks that lie elsewhere.
    """
    patience = time.monotonic() + _TRACKERS_END_IN
    while processes := [*_processes_of(folder)]:
        spared = [*filter(_is_tracker, processes)] if time.monotonic() < patience else []
        for process in sorted({*processes} - {*spared}):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=True)


def _processes_of(folder: Path) -> Iterator[int]:
    """Yield the processes that were started by those of a session; one that has ended is in no folder any more."""
    said = f"{VARIABLE}={folder}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inherited = (process / "environ").read_bytes().split(b"\0")
            works_in = Path((process / "cwd").readlink())
        except OSError:  # of somebody else, or ended by now
            continue
        if said in inherited or folder in works_in.parents:
            yield int(process.name)


def _is_tracker(process: int) -> bool:
    try:
        return b"multiprocessing.resource_tracker" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def _start_watcher(folder: Path) -> "subprocess.Popen[bytes]":
    """Start a process that outlives this one, and cleans up after it."""
    code = f"from {__name__} import watch; watch({str(folder)!r}, {os.getpid()})"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def watch(folder: str, parent: int) -> None:
    """Wait until the parent has ended, and clean up."""
    while os.getppid() == parent:
        time.sleep(0.2)
    _clean_up(Path(folder))
