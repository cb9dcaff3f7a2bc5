"""The real server of the demonstration, in a process of its own."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from http.client import HTTPConnection
from pathlib import Path

from feature_platform.access import create_key, list_keys, revoke_key
from feature_platform.ground.clock import shift_moment
from feature_platform.settings import loaded_settings

_URL = re.compile(r"http://127\.0\.0\.1:(\d+)")
_START_SECONDS = 180  # a machine may be busy
ANSWER_SECONDS = 60
_MINUTE = 60_000_000


@dataclass(frozen=True)
class DemoServer:
    """A server that runs, and the requests that it is sent."""

    port: int
    token: str | None

    def ask(self, connection: HTTPConnection, path: str, body: object) -> dict[str, object]:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise ConnectionError(f"{path} answered {answer.status}: {text[:200].decode(errors='replace')}")
        reply: dict[str, object] = json.loads(text)
        return reply


@contextmanager
def run_server(command: Sequence[str], log: Path) -> Iterator[DemoServer]:
    """Run the server in a process of its own, on a free port, until the block is left."""
    with _make_token() as token, log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield DemoServer(_wait_for_port(process, log), token)
        finally:
            process.terminate()
            try:
                process.wait(ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _make_token() -> Iterator[str | None]:
    """Make a key for some minutes where the server needs one."""
    settings = loaded_settings()
    if not list_keys(settings.access_folder) and settings.jwt_arguments() is None:
        yield None
        return
    now = datetime.now(timezone.utc)
    key, token = create_key(settings.access_folder, "make demo", ["read:*"], now, shift_moment(now, 10 * _MINUTE))
    try:
        yield token
    finally:
        revoke_key(settings.access_folder, key.id, datetime.now(timezone.utc))


def _wait_for_port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """Wait until the server has printed its address and is ready to answer; return its port."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        address = _URL.search(log.read_text())
        if address and _is_ready(int(address[1])):
            return int(address[1])
        time.sleep(0.05)
    raise TimeoutError("it ended" if process.poll() is not None else f"it was not ready after {_START_SECONDS} s")


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
