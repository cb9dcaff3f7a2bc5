"""Clients that are slow on purpose: they are given up, and cost nothing but their connection."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from feature_platform.server.limits import Limits
from feature_platform.server.now import Clock
from feature_platform.server.settings import ServerSettings
from feature_platform_tests.server import declared
from feature_platform_tests.server.listening import listening


@pytest.fixture
def port(published: Path, tmp_path: Path) -> Iterator[int]:
    """A server in a thread that waits for nobody longer than a tenth of a second."""
    settings = ServerSettings(declared.__name__, str(published / "online"), tmp_path, clock=Clock(stands=declared.NOW))
    with listening(replace(settings, limits=Limits(read=0.1))) as found:
        yield found


def test_requests_that_do_not_come_are_given_up(port: int) -> None:
    slow = {
        "says nothing": b"",
        "half a line": b"GET /hea",
        "half a head": b"GET /health HTTP/1.1\r\nhost: localhost\r\n",
        "half a body": b"POST /v1/features HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{",
    }
    open_ = {name: socket.create_connection(("127.0.0.1", port), timeout=120) for name in slow}
    kept = socket.create_connection(("127.0.0.1", port), timeout=120)
    kept.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert kept.recv(65_536).startswith(b"HTTP/1.1 200")
    for name, connection in open_.items():
        connection.sendall(slow[name])

    for name, connection in open_.items():
        told = b"".join(iter(partial(connection.recv, 65_536), b""))
        assert told.startswith(b"HTTP/1.1 408"), name
        connection.close()
    kept.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert kept.recv(65_536).startswith(b"HTTP/1.1 200"), "an idle connection is no slow request"
    kept.close()


def test_a_client_that_asks_on_and_reads_nothing_is_not_listened_to(port: int) -> None:
    body = b'{"service":"shop","entities":[' + b",".join([b'{"customer":"ann"}'] * 500) + b"]}"
    request = b"POST /v1/features HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    connection = socket.create_connection(("127.0.0.1", port), timeout=2)  # each `send` may wait as long

    def ask_on() -> None:
        sent = 0
        while sent < 64 * 2**20:
            sent += connection.send(request)

    with connection, pytest.raises(TimeoutError):
        ask_on()
