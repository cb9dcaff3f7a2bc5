"""The way that events go out: the client of OpenLineage, held to one quick try for each event.

By default the client tries a dead server six times, puts events of `async_http` into a thread, passes over one of
several transports that fails, and prints to a log that nobody reads. Here an event is sent, or it is an error.
"""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde
from openlineage.client.transport import Config, Transport, get_default_factory
from openlineage.client.transport.noop import NoopConfig, NoopTransport
from requests import HTTPError, RequestException, Timeout

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.secret import hide_secrets
from feature_platform.lineage.configuration import LineageSettings, is_switched_off

_FAILURES = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, ImportError)
"""What transports raise; those of Kafka and clouds have errors of their own, which end a tick with a traceback."""

_CLOSING = 5.0  # seconds for what a transport still holds
_BY_HTTP = ("http", "async_http", "datadog")
_REMEDY = (
    "Set OPENLINEAGE_URL, write an openlineage.yml, or give the setting `lineage` a transport; "
    "--print shows events without sending them."
)
_CHECK = "Mend openlineage.yml and the variables that begin with OPENLINEAGE_."
_NO_FACETS: dict[str, Any] = {"environment_variables": [], "source_code_location": {"disabled": True}}
"""What the client would add is of this process, not of the run; the address of a repository may hold a key."""


class EventSender:
    """Sends events one after the other; each call is one try.

    Attributes:
        place: where they go, without a secret.
    """

    def __init__(self, client: OpenLineageClient, place: str, secrets: frozenset[str]) -> None:
        self._client, self.place, self._secrets = client, place, secrets

    def send(self, event: RunEvent) -> str | None:
        """Send an event, and return why it was not taken; None when it was."""
        try:
            self._client.emit(event)
        except _FAILURES as error:
            return hide_secrets(_reason_of(error), self._secrets)
        return None

    def close(self) -> None:
        """Close what is open to the server."""
        self._client.close(timeout=_CLOSING)


@contextmanager
def open_sender(settings: LineageSettings) -> Iterator[EventSender]:
    """Open the way that is configured.

    Raises:
        InvalidDeclaration: none is, or the client of OpenLineage cannot use it.
    """
    if is_switched_off():
        raise InvalidDeclaration("Lineage", "is switched off by OPENLINEAGE_DISABLED", "Unset it.")
    with _kept_environment():
        words = _configured_transport(settings)
        secrets = frozenset(_secrets_in(words))
        try:
            transport = get_default_factory().create(bound_transport(words, settings.timeout))
            client = OpenLineageClient(transport=transport, config={"facets": _NO_FACETS})
        except _FAILURES as error:
            found = f"cannot be used: {hide_secrets(_reason_of(error), secrets)}"
            raise InvalidDeclaration("The transport of lineage", found, _REMEDY) from None
    sender = EventSender(client, _place_of(words), secrets)
    try:
        yield sender
    finally:
        sender.close()


def bound_transport(words: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """Return the words of a transport that tries once, not longer than a time, and tells of every failure.

    >>> bound_transport({"type": "async_http", "url": "http://127.0.0.1:5000", "timeout": 90}, 5.0)["timeout"]
    5.0
    """
    bound = dict(words)
    kind = bound.get("type")
    if kind in _BY_HTTP:
        bound["timeout"] = min(float(bound.get("timeout", timeout)), timeout)
        bound["retry"] = {"total": 0, "connect": 0, "read": 0, "status_forcelist": []}
        own: dict[str, Any] = {"async_transport_rules": {}} if kind == "datadog" else {"type": "http"}
        bound |= own
    elif kind == "console":
        bound["type"] = f"{__name__}.{PrintingTransport.__name__}"
    elif kind == "composite":
        several = bound.get("transports") or []
        named = several.items() if isinstance(several, dict) else [(None, each) for each in several]
        bound["transports"] = [
            {**bound_transport(each, timeout), **({} if name is None else {"name": name})}
            for name, each in named
            if each
        ]
        if bound.get("continue_on_success", True):  # each must take it; otherwise the first that does is enough
            bound["continue_on_failure"] = False
    elif kind == "transform" and isinstance(bound.get("transport"), Mapping):
        bound["transport"] = bound_transport(bound["transport"], timeout)
    return bound


class PrintingTransport(Transport):
    """Prints events, one a line: what the client's own console would put into a log."""

    kind = "console"
    config_class = Config

    def __init__(self, config: Config) -> None:
        """Make it; there is nothing to configure."""

    def emit(self, event: Any) -> None:
        sys.stdout.write(event_text(event) + "\n")


def event_text(event: RunEvent) -> str:
    """Return an event as one line of JSON."""
    return Serde.to_json(event)


def _configured_transport(settings: LineageSettings) -> dict[str, Any]:
    """Return the words of the transport: the setting over openlineage.yml over variables, as the client has it."""
    given = {"transport": dict(settings.transport)}
    try:
        with _heard_client() as complaints:
            words = dict(OpenLineageClient(transport=NoopTransport(NoopConfig()), config=given).config.transport or {})
    except _FAILURES as error:
        complaints = [type(error).__name__]
    if complaints:
        raise InvalidDeclaration("The settings of OpenLineage", f"cannot be read: {complaints[0]}", _CHECK)
    if words.get("type"):
        return words
    if url := os.environ.get("OPENLINEAGE_URL"):
        words = {"type": "http", "url": url}
        key = os.environ.get("OPENLINEAGE_API_KEY")
        if there := os.environ.get("OPENLINEAGE_ENDPOINT"):
            words["endpoint"] = there
        return words | ({"auth": {"type": "api_key", "apiKey": key}} if key else {})
    raise InvalidDeclaration("Lineage", "has nowhere to go", _REMEDY)


@contextmanager
def _heard_client() -> Iterator[list[str]]:
    """Take what the client logs about its settings, since it goes on without what it cannot read, and shows it."""
    complaints: list[str] = []

    def hear(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:  # what is filled in may be a secret; the sentence is the client's own
            complaints.append(str(record.msg).replace("%s", "...").rstrip(".: "))
        return False

    client = logging.getLogger("openlineage.client.client")
    client.addFilter(hear)
    try:
        yield complaints
    finally:
        client.removeFilter(hear)


@contextmanager
def _kept_environment() -> Iterator[None]:
    """Remove the variables that the client adds for itself: they would outlive what they were made from."""
    before = set(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            if name.startswith("OPENLINEAGE__"):
                del os.environ[name]


def _place_of(words: Mapping[str, Any]) -> str:
    """Return where events go, for people: of a server its address without user, path and query."""
    url = words.get("url")
    if not isinstance(url, str):
        return f"transport `{words.get('type')}`"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _secrets_in(words: Mapping[str, Any]) -> Iterator[str]:
    """Yield what may be a secret: every text of the words but the type, and the user and password of an address."""
    for name, value in words.items():
        if isinstance(value, Mapping):
            yield from _secrets_in(value)
        elif isinstance(value, (list, tuple)):
            yield from (text for each in value if isinstance(each, Mapping) for text in _secrets_in(each))
        elif isinstance(value, str) and name in ("url", "log_file_path"):
            parts = urlsplit(value)
            user, _, password = parts.netloc.rpartition("@")[0].partition(":")
            whole = value if name == "url" and not parts.netloc else ""
            yield from (each for each in (user, password, parts.query, whole) if each)
        elif isinstance(value, str) and name not in ("type", "endpoint"):
            yield value


def _reason_of(error: BaseException) -> str:
    """Describe why an event was not taken, without the address that errors of HTTP repeat."""
    if isinstance(error, HTTPError) and error.response is not None:
        return f"it answered with status {error.response.status_code}"
    if isinstance(error, RequestException):
        inner = _errors_inside(error)
        if any(isinstance(each, (Timeout, TimeoutError)) for each in inner):
            return "it did not answer in time"
        named = [each.strerror for each in inner if isinstance(each, OSError) and each.strerror]
        return f"no connection: {(named or [type(inner[-1]).__name__])[-1]}"
    if error.__cause__ is not None:  # of a composite transport
        return _reason_of(error.__cause__)
    return next(iter(str(error).strip().splitlines()), "").rstrip(".! ") or type(error).__name__


def _errors_inside(error: BaseException) -> list[BaseException]:
    """Return an error with those that requests and urllib3 have wrapped in it, from the outermost on."""
    found: list[BaseException] = [error]
    for each in found:
        inner = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        found.extend(inside for inside in inner if isinstance(inside, BaseException) and inside not in found)
    return found
