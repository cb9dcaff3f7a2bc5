"""The settings of a server; a value that is sent to its workers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feature_platform.server.limits import Limits
from feature_platform.server.now import Clock


@dataclass(frozen=True)
class PushSettings:
    """The settings of a server that takes pushes.

    Attributes:
        offline: the arguments of the offline store.
        spool: the folder of the spool, on a disk of this machine.
        flush_every: seconds from one emptying of the spool to the next.
    """

    offline: Mapping[str, Any] = field(repr=False)
    spool: Path
    flush_every: float = 5.0


@dataclass(frozen=True)
class ServerSettings:
    """All that a worker needs to know.

    Attributes:
        project: the module of declarations.
        online: where the online store is: a folder, or a URL.
        access_folder: where access keys are.
        keys_needed: whether only those with a key are let in. Decided once, when the server starts, and never by the
            file that a worker finds: a file that is gone would open the server.
        host: where the server listens, and `allowed_hosts`, under which other names it is asked; see `hosts`.
        jwt: issuer, audience and keys of an identity provider.
        log_entities: log every request with the entities it asks for.
        pushing: where pushes go; None for a server that takes none.
        offline: the arguments of the offline store, for the request log.
        request_log_sample: the share of requests that are kept there.
        alerts: the folder of the alert store, whose counts are among the metrics; None for a server that has none.
        state: the folder of servers' own files on this machine.
        metrics: where the workers of a server add up their metrics; None for a server without workers.
        parent: the process after whose end the worker ends, too; None for a server without workers.
    """

    project: str
    online: str = field(repr=False)
    access_folder: Path
    keys_needed: bool = False
    host: str = "127.0.0.1"
    allowed_hosts: tuple[str, ...] = ()
    jwt: tuple[str, str, str] | None = None
    clock: Clock = field(default_factory=Clock)
    log_entities: bool = False
    log_level: str = "info"
    limits: Limits = field(default_factory=Limits)
    pushing: PushSettings | None = None
    offline: Mapping[str, Any] = field(default_factory=dict, repr=False)
    request_log_sample: float = 0.0
    alerts: Path | None = None
    state: Path = Path(".feature_platform/server")
    metrics: Path | None = None
    parent: int | None = None
