"""Running a server: the socket, the workers, and how they end.

The socket is bound before anything else is done, so that a port that is taken is one line. With several workers each
opens the store after it was spawned, a killed one is replaced, and none outlives its parent.
"""

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from feature_platform.access import Keyring, jwt_verifier
from feature_platform.declarations.project import project_of
from feature_platform.ground.errors import CannotListen
from feature_platform.online import store_of
from feature_platform.server import logs
from feature_platform.server.auth import Gate
from feature_platform.server.settings import ServerSettings
from feature_platform.server.shared_metrics import metrics_folder
from feature_platform.server.workers import AnnouncingServer, Supervisor

if TYPE_CHECKING:
    from feature_platform.server.app import FeatureServer

_BACKLOG = 2048
_KEEP_ALIVE = 75  # seconds; longer than the balancers in front wait, so that they end a connection, not the server
_GRACE = 10  # seconds for running requests when the server stops
_SWITCH = 0.0005  # seconds that a computing thread may keep the event loop waiting; 0.005 otherwise


@dataclass(frozen=True)
class Worker:
    """A factory of the application of a worker, called in the worker's own process."""

    settings: ServerSettings

    def __call__(self) -> "FeatureServer":
        """Return the application, with its project imported and its store open."""
        from feature_platform.server.app import FeatureServer
        from feature_platform.server.protocol import GuardedProtocol

        logs.configure(self.settings.log_level, entities=self.settings.log_entities)
        sys.setswitchinterval(_SWITCH)
        gc.freeze()  # these objects stay: collections need not look at them
        gc.set_threshold(50_000, 20, 100)
        GuardedProtocol.limits = self.settings.limits
        project = project_of(import_module(self.settings.project))
        return FeatureServer(project, store_of(self.settings.online), gate_of(self.settings), self.settings)


def gate_of(settings: ServerSettings) -> Gate:
    """Return the gate that decides who is let in.

    Raises:
        AccessKeysUnreadable: the file of keys is damaged, and it is not decided yet whether keys are needed.
        InvalidDeclaration, PackageMissing: JWT is configured in part, or cannot be verified here.
    """
    verifier = None if settings.jwt is None else jwt_verifier(*settings.jwt)
    return Gate(Keyring(settings.access_folder, needed=settings.keys_needed), verifier)


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        CannotListen: the port is in use, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        raise CannotListen(host, port, os.strerror(number) if number and number > 0 else str(error)) from None


def run(settings: ServerSettings, listening: socket.socket, workers: int, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; running requests are finished first.

    Args:
        ready: called once, when the first worker answers.

    Raises:
        CannotStart: no worker could start.
    """
    with _clean_end():
        if workers == 1:
            AnnouncingServer(_config(settings, 1), ready).run(sockets=[listening])
        else:
            with metrics_folder(settings.state) as folder:
                shared = replace(settings, parent=os.getpid(), metrics=folder)
                Supervisor(_config_factory(shared, workers), [listening], ready).run()


def _config_factory(settings: ServerSettings, workers: int) -> Callable[[], uvicorn.Config]:
    """Return a function that configures a worker; if keys were needed once, later workers need them, too."""
    gate = gate_of(settings)

    def fresh() -> uvicorn.Config:
        gate.look()
        return _config(replace(settings, keys_needed=gate.keys_needed), workers)

    return fresh


def _config(settings: ServerSettings, workers: int) -> uvicorn.Config:
    from feature_platform.server.protocol import GuardedProtocol

    logs.configure(settings.log_level, entities=settings.log_entities)
    return uvicorn.Config(
        Worker(settings),
        factory=True,
        http=GuardedProtocol,
        ws="none",
        loop="auto",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        workers=workers,
        backlog=_BACKLOG,
        limit_concurrency=settings.limits.connections,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
    )


@contextmanager
def _clean_end() -> Iterator[None]:
    """End the process as a success on SIGTERM and SIGINT, which uvicorn raises again once it has stopped."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before: dict[int, Callable[..., Any] | int | None] = {
        number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
