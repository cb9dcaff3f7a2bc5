"""Channels: the ways that alerts go out. The catalogue is `CHANNELS`, one file each under the contract of `base`."""

from collections.abc import Mapping

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.findings import SEVERITIES, Severity
from feature_platform.parts.alert_channels.apprise import Apprise
from feature_platform.parts.alert_channels.base import Channel
from feature_platform.parts.alert_channels.email import Email
from feature_platform.parts.alert_channels.log import Log
from feature_platform.parts.alert_channels.message import Message
from feature_platform.parts.alert_channels.webhook import Webhook

__all__ = [
    "CHANNELS",
    "SEVERITIES",
    "Apprise",
    "Channel",
    "Email",
    "Log",
    "Message",
    "Severity",
    "Webhook",
    "channels_of",
]

CHANNELS: Mapping[str, type[Channel]] = {each.kind: each for each in (Log, Webhook, Email, Apprise)}


def channels_of(configured: object) -> tuple[Channel, ...]:
    """Return the channels of the setting `alerts.channels`, a table of tables, in order of name.

    The log is the only one where none is configured.


    Raises:
        InvalidDeclaration: a channel is of an unknown kind or its options are wrong; no value is shown.

    >>> channels_of({"ops": {"kind": "webhook", "url": "https://example.com/hook?token=secret"}})
    (Webhook('ops'),)
    >>> channels_of({})
    (Log('log'),)
    """
    if not isinstance(configured, Mapping):
        raise InvalidDeclaration("Setting `alerts.channels`", "is not a table", "Give each channel a table.")
    return tuple(_channel_of(str(name), configured[name]) for name in sorted(configured)) or (Log("log", {}),)


def _channel_of(name: str, options: object) -> Channel:
    owner = f"Setting `alerts.channels.{name}`"
    if not isinstance(options, Mapping):
        raise InvalidDeclaration(owner, "is not a table", 'Write its options, such as kind = "log".')
    kind = options.get("kind")
    if not isinstance(kind, str) or kind not in CHANNELS:
        raise InvalidDeclaration(owner, "has no kind that is known", f"Set kind to one of {', '.join(CHANNELS)}.")
    return CHANNELS[kind](name, options)
