"""What a channel is: a way to people or their tools that takes one message at a time.

A message counts as delivered when `send` returns. Whatever goes wrong is a `DeliveryFailed` that shows neither address
nor secret; a message may come twice after a crash, always with the same key.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.findings import SEVERITIES, Severity, rank
from feature_platform.parts.alert_channels.message import Message

TIMEOUT = 10.0
"""Seconds that a receiver has for each step (connect, respond)."""

T = TypeVar("T")


class Channel(ABC):
    """A channel as it is configured.

    Args:
        name: what the settings call it; the only thing about it that is stored.
        options: its options in the settings; every channel knows `owners` (only messages for one of them; by
            default all) and `severity` (the least severe that it takes; by default `info`).

    Raises:
        InvalidDeclaration: an option is missing, unknown or wrong; its value is not shown.
    """

    kind: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        self.name = name
        known = ("kind", "owners", "severity", *self.options)
        if unknown := [key for key in options if key not in known]:
            raise InvalidDeclaration(
                f"Setting `alerts.channels.{name}`", f"has the unknown option `{unknown[0]}`",
                f"A {self.kind} channel knows {', '.join(known)}.",
            )  # fmt: skip
        owners = self._option(options, "owners", list, None)
        self.owners = None if owners is None else frozenset(str(each) for each in owners)
        least = self._option(options, "severity", str, "info")
        if least not in SEVERITIES:
            raise self._error("severity", "is not known", f"Write one of {', '.join(SEVERITIES)}.")
        self.least: Severity = least

    @abstractmethod
    def send(self, message: Message) -> None:
        """Deliver a message.

        Raises:
            DeliveryFailed: it was not taken.
            PackageMissing: the channel needs a package that is not installed.
        """

    def takes(self, message: Message) -> bool:
        """Tell whether a message is meant for this channel."""
        wanted = self.owners is None or bool(self.owners & set(message.owners))
        return wanted and rank(message.severity) >= rank(self.least)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _option(self, options: Mapping[str, object], key: str, kind: type[T], default: T | None) -> T | None:
        value = options.get(key)
        if value is None:
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._error(key, f"is not a {kind.__name__}", f"Give a {kind.__name__}.")
        return value

    def _require(self, options: Mapping[str, object], key: str) -> str:
        value = self._option(options, key, str, None)
        if not value:
            raise self._error(key, "is missing", f"A {self.kind} channel needs it.")
        return value

    def _error(self, key: str, found: str, remedy: str) -> InvalidDeclaration:
        return InvalidDeclaration(f"Setting `alerts.channels.{self.name}.{key}`", found, remedy)


def texts(values: Sequence[object] | None) -> tuple[str, ...]:
    """Return the texts among some values, in order."""
    return tuple(each for each in values or () if isinstance(each, str))
