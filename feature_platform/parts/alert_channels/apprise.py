"""Slack, Teams, PagerDuty and about 170 others, through the package `apprise` (extra `alerts`).

Chat services read markup and mentions in plain text; the characters that begin them are replaced by look-alikes.
"""

from collections.abc import Mapping

from feature_platform.ground.errors import DeliveryFailed, PackageMissing
from feature_platform.parts.alert_channels.base import Channel, texts
from feature_platform.parts.alert_channels.message import Message

_HARMLESS = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "'", "*": "∗", "[": "(", "]": ")"})
_TYPES = {"info": "INFO", "warning": "WARNING", "critical": "FAILURE"}


class Apprise(Channel):
    """One notification to every address.

    Options: `urls`, a list of addresses as apprise writes them, e.g. `slack://...`; they hold secrets.
    """

    kind = "apprise"
    options = ("urls",)

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        super().__init__(name, options)
        self._urls = texts(self._option(options, "urls", list, None))
        if not self._urls:
            raise self._error("urls", "is missing", 'Give a list of addresses: urls = ["slack://..."].')

    def send(self, message: Message) -> None:
        try:
            import apprise
        except ImportError:
            raise PackageMissing(f"Alert channel `{self.name}`", "apprise", "alerts") from None
        service = apprise.Apprise()
        if not all(service.add(url) for url in self._urls):
            raise DeliveryFailed(self.name, "apprise does not understand one of its urls")
        kind = "SUCCESS" if message.event == "resolved" else _TYPES[message.severity]
        delivered = service.notify(
            title=remove_markup(message.subject),
            body=remove_markup(message.text),
            notify_type=getattr(apprise.NotifyType, kind),
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not delivered:
            raise DeliveryFailed(self.name, "apprise could not deliver it")


def remove_markup(text: str) -> str:
    """Return text that no chat service takes for markup or a mention.

    >>> remove_markup("<!channel> @here *x*")
    '‹!channel› ＠here ∗x∗'
    """
    return text.translate(_HARMLESS)
