"""The book: all state of the policy, as one value. Each evaluation makes a new book from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from feature_platform.ground.findings import Severity
from feature_platform.monitoring.alerting.alert import Alert
from feature_platform.monitoring.alerting.policy import Silence


@dataclass(frozen=True)
class BudgetEntry:
    """A notification that counts in the budget of an owner."""

    owner: str
    at: datetime


@dataclass(frozen=True)
class DigestLine:
    """A line that waits for the next digest of an owner."""

    owner: str
    at: datetime
    about: tuple[str, ...]
    severity: Severity
    text: str


@dataclass(frozen=True)
class Book:
    """The state of all alerts.

    Attributes:
        alerts: by fingerprint, ended ones too.
        silences: those that have not ended.
        pages: the notifications of the last seven days.
        lines: those of the next digests.
    """

    alerts: Mapping[str, Alert] = field(default_factory=dict)
    silences: tuple[Silence, ...] = ()
    pages: tuple[BudgetEntry, ...] = ()
    lines: tuple[DigestLine, ...] = ()
