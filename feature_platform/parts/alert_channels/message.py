"""A message: what a channel takes, plain text and JSON, the same for every channel.

Nothing in it is markup, and what comes from data (names, evidence) has no control characters: see `printable`.
"""

from dataclasses import dataclass, field

from feature_platform.ground.findings import Severity

LONGEST_SUBJECT, LONGEST_TEXT, LONGEST_NAME = 150, 20_000, 120


@dataclass(frozen=True)
class Message:
    """One message about an alert, or about several (a digest).

    Attributes:
        key: the same for every attempt to deliver it, and no other message's: by it a receiver knows a repeat.
        event: `opened`, `reopened`, `worse`, `wider`, `reminder`, `resolved`, `digest` or `test`.
        owners: whom it is for; empty when its subject has no owner.
        subject: one line, at most 150 characters.
        text: plain text, at most 20,000 characters.
        json: the same as a JSON object.
        about: the fingerprints of the alerts that it is about.
    """

    key: str
    event: str
    severity: Severity
    owners: tuple[str, ...]
    subject: str
    text: str = field(repr=False)
    json: str = field(repr=False)
    about: tuple[str, ...] = ()


def printable(text: str, limit: int = LONGEST_NAME) -> str:
    r"""Return text on one line, at most `limit` long, without control characters or characters that reorder others.

    >>> printable("delay\r\nBcc: all\x1b[31m")
    'delay\\r\\nBcc: all\\x1b[31m'
    >>> printable("abcdef", 5)
    'ab...'
    """
    shown = text[: limit + 1]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in shown)
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."
