"""Findings, evaluations and moments, short to write."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

from feature_platform.monitoring.alerting import (
    Book,
    CheckedScope,
    Evaluation,
    Finding,
    Policy,
    QuietHours,
    evaluate_book,
)
from feature_platform.monitoring.alerting.finding import fingerprint_of
from feature_platform.parts.alert_channels import Message

DEFAULT = Policy()
NIGHT = Policy(quiet=QuietHours(time(22), time(7), "UTC"))
NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
OWNERS = {"sources/flights": "data", "views/delays": "features", "views/hours": "features", "services/model": "ml"}
UPSTREAM = {
    "views/delays": ["sources/flights"],
    "views/hours": ["sources/flights"],
    "services/model": ["views/delays", "views/hours"],
}


def hours(number: float) -> datetime:
    return NOON + timedelta(hours=number)


def days(number: float) -> datetime:
    return NOON + timedelta(days=number)


def found(asset="sources/flights", kind="drift", severity="warning", partition="2013-03-01", **more) -> Finding:
    more = {"evidence": f"{kind} was seen", "owner": OWNERS.get(asset, ""), **more}
    return Finding(asset, kind, severity, partition=partition, **more)


def key(asset="sources/flights", kind="drift", column=None) -> str:
    return fingerprint_of(asset, kind, column)


def clean(asset="sources/flights", kind="drift", partition="2013-03-02") -> CheckedScope:
    return CheckedScope(asset, kind, partition)


class Player:
    """A book that is played forward, with everything that was said."""

    def __init__(self, policy: Policy = DEFAULT, upstream=UPSTREAM) -> None:
        self.book, self.policy, self.upstream = Book(), policy, upstream
        self.said: list[Any] = []

    def at(self, now: datetime, *what: Finding | CheckedScope) -> list[str]:
        """Evaluate, and say which events came of it: `opened sources/flights drift`."""
        findings = tuple(each for each in what if isinstance(each, Finding))
        checked = tuple(each for each in what if isinstance(each, CheckedScope))
        evaluation = Evaluation(f"{now}", findings, checked)
        self.book, messages = evaluate_book(self.book, evaluation, self.upstream, self.policy, now)
        self.said += [(now, each) for each in messages]
        return [event(each) for each in messages]

    def alert(self, asset="sources/flights", kind="drift", column=None):
        return self.book.alerts[key(asset, kind, column)]


def event(message: Message) -> str:
    """`opened drift in sources/flights, and 2 more`; of a digest, `digest 3`."""
    if message.event == "digest":
        return f"digest {re.findall(r'[0-9]+', message.subject)[0]}"
    return f"{message.event} {message.subject.split(': ', 1)[1]}"
