"""A server as a process of its own, as `feature-platform serve` starts it."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_COMMAND = "from feature_platform.cli.app import app; app()"


@dataclass
class Process:
    """A running server."""

    popen: "subprocess.Popen[str]"
    port: int
    said: list[str]

    def connection(self, timeout: float = 120) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """One request on a connection of its own."""
        connection = self.connection()
        try:
            text = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", path, text, headers)
            response = connection.getresponse()
            found = response.read()
            is_json = response.headers.get("content-type") == "application/json"
            return response.status, json.loads(found) if is_json else found
        finally:
            connection.close()


def serve(
    root: Path, *arguments: str, stderr: IO[str] | int = subprocess.DEVNULL, project: str = "declared"
) -> "subprocess.Popen[str]":
    """`feature-platform serve` over the stores of a root; the project is a module beside this one."""
    environment = {**os.environ, "FEATURE_PLATFORM_ROOT": str(root), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "serve", "-p", f"{__package__}.{project}", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@contextmanager
def serving(
    root: Path, *arguments: str, stderr: IO[str] | int = subprocess.DEVNULL, project: str = "declared"
) -> Iterator[Process]:
    """A server that listens on a free port, and is stopped in the end."""
    popen = serve(root, "--port", "0", *arguments, stderr=stderr, project=project)
    assert popen.stdout is not None
    said: list[str] = []
    try:
        for line in popen.stdout:
            said.append(line)
            if line.startswith("Try: "):
                break
        assert "".join(said[-1:]).startswith("Try: "), said
        port = int(said[-1].rsplit(":", 1)[1].split("/")[0])
        process = Process(popen, port, said)
        assert process.ask("/health")[0] == 200
        yield process
    finally:
        popen.terminate()
        try:
            popen.wait(60)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
        popen.stdout.close()
