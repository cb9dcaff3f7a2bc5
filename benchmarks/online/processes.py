"""Processes of a measurement: started in a group of their own, and ended with it whatever happens.

Everything binds to loopback, on a port that the system says is free.
"""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from benchmarks.online.data import NOW
from benchmarks.peers import NO_TELEMETRY, ROOT

START_S, END_S = 90, 15
PROJECT = "benchmarks.online.project"
T = TypeVar("T")
_TICKS = os.sysconf("SC_CLK_TCK")
_URL = re.compile(r"http://127\.0\.0\.1:\d+")


class Missing(Exception):
    """A program of this machine is not there."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(f"`{program}` is not on the PATH. Install it: apt-get install {package}.")


class NotStarted(Exception):
    """A process did not become ready."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    pid: int
    url: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)

    def cpu(self) -> float:
        """Seconds of CPU that the process and all below it have used."""
        return sum(_cpu_of(each) for each in tree(self.pid))

    def ask(self, path: str, body: bytes | None = None, timeout: float = 10) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(*self.address, timeout=timeout)
        try:
            connection.request("GET" if body is None else "POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def program(name: str, package: str | None = None) -> str:
    """Where a program is; as root on Debian it is installed when it is missing.

    Raises:
        Missing: it is not there and cannot be installed.
    """
    if not shutil.which(name) and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {package or name} ...", flush=True)
        words = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package or name]
        subprocess.run(words, stdout=subprocess.DEVNULL, timeout=300, check=False)
    found = shutil.which(name)
    if found is None:
        raise Missing(name, package or name)
    return found


@contextmanager
def running(words: Sequence[str], log: Path, cwd: Path = ROOT, more: Mapping[str, str] | None = None) -> Iterator[int]:
    """A process in a group of its own, its words in a log; all of the group is gone afterwards."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        process = subprocess.Popen(
            words, cwd=cwd, env=environment(more), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process.pid
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    """Ask a process to end, then end what is left of its group; all of it is gone afterwards."""
    members = tree(process.pid)
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the group is the process's own
    process.wait()
    deadline = time.monotonic() + END_S
    while any(map(command_of, members)) and time.monotonic() < deadline:
        time.sleep(0.01)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of what is measured."""
    return {**os.environ, **NO_TELEMETRY, "PYTHONWARNINGS": "ignore", **(more or {})}


def settings(folder: Path, online: str | None = None) -> dict[str, str]:
    """What tells a process of the platform where things are."""
    found = {"BENCH_ONLINE": str(folder), "FEATURE_PLATFORM_ROOT": str(folder / "store")}
    return found if online is None else {**found, "FEATURE_PLATFORM_ONLINE": online}


@contextmanager
def served(folder: Path, workers: int = 1, online: str | None = None) -> Iterator[Server]:
    """The platform's server over the stores of a folder.

    Args:
        online: the address of the online store; the one in the folder when not said.
    """
    words = [sys.executable, "-m", "feature_platform.cli", "serve", "--project", PROJECT, "--port", "0"]
    words += ["--workers", str(workers), "--now", NOW.isoformat(), "--log-level", "warning"]
    log = folder / "logs" / "server.log"
    with running(words, log, more=settings(folder, online)) as pid:
        url = _waited(pid, log, lambda: next(iter(_URL.findall(log.read_text())), ""))
        server = Server(pid, url)
        _waited(pid, log, lambda: _answers(server))
        yield server


@contextmanager
def feast_served(repository: Path, feast: str) -> Iterator[Server]:
    """Feast's own server with one worker that is not replaced meanwhile."""
    port, log = free_port(), repository / "serve.log"
    words = [feast, "serve", "-h", "127.0.0.1", "-p", str(port), "--no-access-log", "-w", "1", "--max-requests", "0"]
    with running(words, log, cwd=repository) as pid:
        server = Server(pid, f"http://127.0.0.1:{port}")
        _waited(pid, log, lambda: _answers(server))
        yield server


@contextmanager
def redis_served() -> Iterator[str]:
    """The address of a Redis that keeps nothing, on a socket in a folder of its own."""
    binary = program("redis-server")
    with tempfile.TemporaryDirectory(prefix="fp-bench-") as folder:  # short: the path of a socket has 107 bytes
        path, log = Path(folder) / "socket", Path(folder) / "log"
        words = [binary, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", folder]
        with running(words, log) as pid:
            _waited(pid, log, lambda: "eady to accept connections" in log.read_text())
            yield f"unix://{path}"


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    below: dict[int, list[int]] = {}
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and (stat := _stat(int(each.name))):
            below.setdefault(int(stat[1]), []).append(int(each.name))
    found = [pid]
    for process in found:
        found.extend(below.get(process, []))
    return found


def command_of(pid: int) -> str:
    """How a process was started; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def memory(pid: int) -> dict[str, int]:
    """Bytes: what was resident at the most (`VmHWM`), and what is private now (`RssAnon`)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines if line.startswith(("VmHWM", "RssAnon")))
    return {name: int(text.split()[0]) * 1024 for name, text in found.items()}


def _waited(pid: int, log: Path, found: Callable[[], T]) -> T:
    """What becomes true before long."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if result := found():
            return result
        stat = _stat(pid)
        if not stat or stat[0] == "Z":
            break
        time.sleep(0.05)
    raise NotStarted(f"A process is not ready: {log.read_text()[-500:]}")


def _answers(server: Server) -> bool:
    try:
        return server.ask("/health", timeout=1)[0] == 200
    except OSError:
        return False


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on; none when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _cpu_of(pid: int) -> float:
    stat = _stat(pid)
    return (int(stat[11]) + int(stat[12])) / _TICKS if stat else 0.0
