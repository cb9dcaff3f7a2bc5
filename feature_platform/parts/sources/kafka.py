"""A topic of Kafka: messages that are served within a moment, and trained on like the rows of any source.

`feature-platform stream` reads the topic (see the room `streaming`). A run of the source reads what is at rest: the
`history` beside the topic, and the log of the messages that were read so far.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal, get_args

import polars as pl

from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.secret import Secret, hide_secrets
from feature_platform.parts.sources.base import Connector, DataUnit, Gone, OpenedData
from feature_platform.parts.sources.json import Extra
from feature_platform.parts.sources.json_types import readable_type
from feature_platform.parts.sources.typed import Types, validate_types

MessageFormat = Literal["json"]
Begin = Literal["oldest", "newest"]
Option = str | int | float | bool
_OWNER = "Connector Kafka"
_BROKER = r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}"
_BROKERS = re.compile(f"{_BROKER}(,{_BROKER})*")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_OPEN_SECRET = re.compile(r"password|secret|\.pem$|sasl\.jaas|token(?!\.endpoint)")
_DECIDED = (
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "isolation.level",
    "enable.partition.eof",
)
_NO_ROWS = "nothing"  # the data version of a topic without a history


@dataclass(frozen=True, init=False, eq=False)
class Kafka(Connector):
    """A topic of Kafka, whose messages go online at once and into the offline store with the next run.

    Args:
        brokers: `host:port`, several with a comma between them.
        format: of the messages: `json`, one object each.
        schema: the columns and their types; a field that a message lacks is null. Times are text with a zone.
        extra: what happens to messages with fields that the schema does not name: `ignore`, or `refuse`.
        history: where the rows of before are, for training; rows that are in the topic, too, count once.
        begin: where to begin when nothing was read yet: at the `oldest` message, or behind the `newest`.
        options: of the client, as librdkafka names them, such as `security.protocol`.
        secrets: options whose value is a secret, such as `sasl.password`.
        lag: how long messages may wait for the offline log.
        incarnation: count it up when the topic was deleted and made anew, or moved to another cluster: its messages are
            then numbered from the start again.

    >>> Kafka("broker:9092", topic="payments", schema={"card": pl.String}).location
    'kafka://broker:9092/payments'
    """

    kind = "kafka"

    brokers: str
    topic: str
    format: MessageFormat
    schema: Mapping[str, pl.DataType]
    extra: Extra
    history: Connector | None
    begin: Begin
    options: Mapping[str, Option] = field(repr=False)
    secrets: Mapping[str, Secret] = field(repr=False)
    lag: str
    incarnation: int
    gone: Gone

    def __init__(
        self,
        brokers: str,
        *,
        topic: str,
        schema: Types,
        format: MessageFormat = "json",  # noqa: A002 - what users of such tools call it
        extra: Extra = "ignore",
        history: Connector | None = None,
        begin: Begin = "oldest",
        options: Mapping[str, Option] | None = None,
        secrets: Mapping[str, Secret] | None = None,
        lag: str = "5s",
        incarnation: int = 1,
    ) -> None:
        _require(isinstance(brokers, str) and _BROKERS.fullmatch(brokers), "has brokers that are none", _ADDRESS)
        _require(isinstance(topic, str) and _TOPIC.fullmatch(topic), f"has topic={topic!r}", "Give the topic's name.")
        _require(format in get_args(MessageFormat), f"has format={format!r}", 'Write "json".')
        _require(extra in get_args(Extra), f"has extra={extra!r}", 'Write "ignore" or "refuse".')
        _require(begin in get_args(Begin), f"has begin={begin!r}", 'Write "oldest" or "newest".')
        is_place = isinstance(history, Connector) and not isinstance(history, Kafka)
        _require(history is None or is_place, "has a history that is no connector", _HISTORY)
        is_count = isinstance(incarnation, int) and not isinstance(incarnation, bool) and incarnation >= 1
        _require(is_count, f"has incarnation={incarnation!r}", "Count from 1.")
        microseconds(lag, f"{_OWNER}, lag,")
        words = {
            "brokers": brokers,
            "topic": topic,
            "format": format,
            "schema": _validate_schema(schema),
            "extra": extra,
            "history": history,
            "begin": begin,
            "options": _validate_options(options or {}),
            "secrets": _validate_secrets(secrets or {}),
            "lag": lag,
            "incarnation": incarnation,
            "gone": "kept" if history is None else history.gone,
        }
        if history is not None:
            decisions = ("changed", "settles", "watch")
            as_history = ("rewrites_units", "holds_still", "units_are", "scans_at_once", *decisions)
            words |= {name: getattr(history, name) for name in as_history}
        for name, word in words.items():
            object.__setattr__(self, name, word)

    @property
    def location(self) -> str:
        return f"kafka://{self.brokers}/{self.topic}"

    @property
    def reading(self) -> str:
        return "" if self.history is None else self.history.reading

    @property
    def functions(self) -> tuple[Callable[..., object], ...]:
        return () if self.history is None else self.history.functions

    @property
    def failures(self) -> tuple[type[BaseException], ...]:
        return super().failures if self.history is None else self.history.failures

    @property
    def remedy(self) -> str:
        return super().remedy if self.history is None else self.history.remedy

    def hide_secrets(self, text: str) -> str:
        found = hide_secrets(text, [secret.reveal(self.location) for secret in self.secrets.values()])
        return found if self.history is None else self.history.hide_secrets(found)

    def culprit(self, owner: str) -> str:
        return self.location if self.history is None else self.history.culprit(owner)

    def fetch(self, owner: str) -> None:
        if self.history is not None:
            self.history.fetch(owner)

    def open(self, owner: str) -> AbstractContextManager[OpenedData]:
        return nullcontext(_NoHistory(self.schema)) if self.history is None else self.history.open(owner)

    def client_options(self, owner: str) -> dict[str, Option]:
        """Return the options of the client, with its secrets.

        Raises:
            SecretMissing: the variable of a secret is not set.
        """
        revealed = {name: secret.reveal(owner) for name, secret in self.secrets.items()}
        return {"bootstrap.servers": self.brokers, **self.options, **revealed}


class _NoHistory(OpenedData):
    """What lies beside a topic without a history: no row, in the types of the messages."""

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self._schema = schema

    def scan(self) -> pl.LazyFrame:
        return pl.LazyFrame(schema=self._schema)

    def fingerprint(self) -> str:
        return _NO_ROWS

    def units(self) -> list[DataUnit] | None:
        return None


_ADDRESS = 'Write "host:9092", several with a comma between them; users and passwords go into `options` and `secrets`.'
_HISTORY = 'Give a place at rest, e.g. fp.sources.Parquet("payments/*.parquet").'


def _require(is_right: object, fault: str, remedy: str) -> None:
    if not is_right:
        raise InvalidDeclaration(_OWNER, fault, remedy)


def _validate_schema(schema: object) -> dict[str, pl.DataType]:
    types = validate_types("Kafka", "schema", schema)
    _require(types, "has a schema without columns", "Name the columns of the messages.")
    for name, dtype in types.items():
        remedy = "Say pl.String and convert it in `prepare`; a time needs a zone: fp.UTC."
        _require(readable_type(dtype), f"has column `{name}` of type {dtype}", remedy)
    return types


def _validate_options(options: object) -> dict[str, Option]:
    """Return the options of a client.

    Raises:
        InvalidDeclaration: one holds a secret, or is decided by the platform; its value is not shown.
    """
    is_mapping = isinstance(options, Mapping) and all(isinstance(name, str) for name in options)
    _require(is_mapping, "has options that are no mapping of names to values", 'Write {"security.protocol": "SSL"}.')
    found: dict[str, Option] = dict(options) if isinstance(options, Mapping) else {}
    for name, value in found.items():
        _require(isinstance(value, (str, int, float)), f"has an option `{name}` that is no text or number", "Mend it.")
        remedy = f'Give its variable: secrets={{"{name}": fp.Secret("NAME_OF_A_VARIABLE")}}.'
        _require(not _OPEN_SECRET.search(name), f"has the secret `{name}` among its options", remedy)
        _require(name not in _DECIDED, f"has the option `{name}`, which the platform sets itself", "Leave it out.")
    return found


def _validate_secrets(secrets: object) -> dict[str, Secret]:
    is_mapping = isinstance(secrets, Mapping) and all(isinstance(name, str) for name in secrets)
    _require(is_mapping, "has secrets that are no mapping", 'Write {"sasl.password": fp.Secret("NAME")}.')
    found: dict[str, Secret] = dict(secrets) if isinstance(secrets, Mapping) else {}
    _require(
        all(isinstance(secret, Secret) for secret in found.values()),
        "has a secret that is no fp.Secret",
        'Write fp.Secret("NAME_OF_A_VARIABLE").',
    )
    return found
