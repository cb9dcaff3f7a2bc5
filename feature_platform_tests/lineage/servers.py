"""Lineage servers on this machine: one that takes events, one that never answers, and an address without any."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from feature_platform_tests.parts.alert_channels.receivers import Listening, Web


def enter_bare_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder, which is the home, too, where nothing of OpenLineage is configured; no proxy is in the way."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in [each for each in os.environ if each.startswith(("OPENLINEAGE", "FEATURE_PLATFORM_LINEAGE"))]:
        monkeypatch.delenv(name)


class Marquez(Web):
    """Takes events as a lineage server does."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(each.body) for each in self.posted]


@contextmanager
def marquez() -> Iterator[Marquez]:
    """A server that takes events."""
    with Listening(Marquez()) as server:
        yield server


@contextmanager
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def closed() -> Iterator[str]:
    """An address at which nobody listens, for as long as it is kept."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))  # bound and not listening: it refuses, and nobody else gets the port
        yield f"http://127.0.0.1:{kept.getsockname()[1]}"
