"""The log: messages go to Python's logger `feature_platform.parts.alert_channels`, one line each.

It is used when no channel is configured, so that an alert is always written somewhere.
"""

import logging

from feature_platform.parts.alert_channels.base import Channel
from feature_platform.parts.alert_channels.message import Message

LOGGER = logging.getLogger("feature_platform.alerts")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}


class Log(Channel):
    """Lines such as `opened [critical] sources/flights: ... {"format":1,...}`; the level is that of the severity."""

    kind = "log"

    def send(self, message: Message) -> None:
        LOGGER.log(_LEVELS[message.severity], "%s %s %s", message.event, message.subject, message.json)
