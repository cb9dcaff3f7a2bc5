"""An alert: one problem from its first finding to its end, and how evaluations and people change it.

All findings about the same asset, kind and column are one alert, whatever the partition. Found again after its end, it
begins a new episode.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from feature_platform.ground.clock import shift_moment
from feature_platform.ground.findings import Severity, rank
from feature_platform.monitoring.alerting.finding import Finding, leading_finding

_BEGUN = 10  # beginnings that are remembered
Status = Literal["open", "acknowledged", "resolved"]


@dataclass(frozen=True)
class Alert:
    """The state of one alert; all moments are UTC.

    Attributes:
        fingerprint: see `fingerprint_of`.
        finding: the newest finding.
        severity: the highest of this episode.
        episode: 1, and one more each time that it begins again.
        since, newest: the first and the newest partition in which it was found.
        opened_at, seen_at: when this episode was first and last found.
        began_at: when the problem itself began; None when that is not known.
        clean: clean evaluations since it was last found.
        resolved_at: when it ended; None while it has not.
        by, note: who acknowledged, resolved or accepted it, and their note.
        accepted: whether it ended because a person accepted what was found as usual.
        begun: when its last episodes began, this one included, up to ten.
        flapping_since: when a notification said that it flaps; None without one, or when a later one told its end.
        told_at: the last notification in this episode; None without one.
        told_severity, told_owners: the severity and the owners of its notifications.
        told: the number of notifications in this episode.
        named: whether a message of this episode names it: its own, a digest, or that of another alert.
        paged: whether a message of its own went out; False when it only stood in a digest.
        owes_end: a message of its own went out, and its end still needs one.
        root: the fingerprint of the alert that inhibits this one, if any.
        silenced_until: the end of the silence that covers it, if any.
    """

    fingerprint: str
    finding: Finding
    severity: Severity
    since: str
    newest: str
    opened_at: datetime
    seen_at: datetime
    status: Status = "open"
    episode: int = 1
    clean: int = 0
    resolved_at: datetime | None = None
    by: str = ""
    note: str = ""
    accepted: bool = False
    begun: tuple[datetime, ...] = ()
    flapping_since: datetime | None = None
    told_at: datetime | None = None
    told_severity: Severity | None = None
    told_owners: tuple[str, ...] = ()
    told: int = 0
    named: bool = False
    paged: bool = False
    owes_end: bool = False
    root: str | None = None
    silenced_until: datetime | None = None
    began_at: datetime | None = None

    @property
    def is_active(self) -> bool:
        """Tell whether it has not ended."""
        return self.status != "resolved"

    def is_silenced(self, now: datetime) -> bool:
        """Tell whether a silence covers it at a moment. The end of a silence is not in it."""
        return self.silenced_until is not None and now < self.silenced_until

    def flaps(self, often: int, within: int, now: datetime) -> bool:
        """Tell whether it comes and goes.

        It does when it began so often within some microseconds before now. It also does when people were notified that
        it flaps, and it has not stopped since.

        One with a message of its own flaps until its end is sent, another while it begins again in time.
        """
        lately = sum(now < shift_moment(each, within) for each in self.begun)
        still = self.flapping_since is not None and (self.paged or lately > 1)
        return still or lately >= often

    def is_calm(self, within: int, now: datetime) -> bool:
        """Tell whether it ended that many microseconds ago or more. It is calm at once where a person ended it."""
        return self.resolved_at is not None and (
            not self.clean or self.accepted or now >= shift_moment(self.resolved_at, within)
        )

    def state(self, now: datetime) -> str:
        """Return `open`, `acknowledged`, `resolved` or `silenced`, as people see it."""
        return "silenced" if self.is_active and self.is_silenced(now) else self.status


def advance_alert(
    alert: Alert | None,
    findings: Sequence[Finding],
    checked: Collection[str],
    resolve_after: int,
    now: datetime,
    *,
    conclusive: Collection[str] = (),
) -> Alert | None:
    """Return an alert after an evaluation that found something about it or looked at some partitions for it.

    A partition that was looked at and is not among those found is clean. It counts when it is the newest one found or
    later, so that a backfill of good old partitions ends nothing. `resolve_after` clean ones in a row end the alert, or
    a conclusive one.

    Args:
        alert: None when there was never one.
        checked: the partitions looked at, each counted once.
        conclusive: those of them where one clean look is enough.
    """
    if findings:
        alert = _begin_episode(findings, now) if alert is None else _add_findings(alert, findings, now)
    if alert is None or not alert.is_active:
        return alert
    newest, bad = alert.newest, {each.partition for each in findings}
    good = {each for each in checked if each not in bad and _not_before(each, newest)}
    clean = alert.clean + len(good)
    if not good or (clean < resolve_after and good.isdisjoint(conclusive)):
        return replace(alert, clean=clean)
    return resolve_alert(replace(alert, clean=clean), now)


def resolve_alert(alert: Alert, now: datetime, by: str = "", note: str = "", *, accepted: bool = False) -> Alert:
    """Return the alert as resolved, by clean evaluations or by a person, who may have accepted what was found."""
    return replace(
        alert,
        status="resolved",
        resolved_at=now,
        owes_end=alert.paged,
        by=by or alert.by,
        note=note or alert.note,
        accepted=accepted,
    )


def acknowledge_alert(alert: Alert, by: str, now: datetime, note: str = "") -> Alert:
    """Return the alert as acknowledged by a person.

    There are no reminders until it gets worse. It still ends by itself.

    The person who acknowledges it counts as notified. An alert that has ended does not change.
    """
    if not alert.is_active:
        return alert
    return replace(
        alert,
        status="acknowledged",
        by=by,
        note=note,
        told_at=alert.told_at or now,
        told_severity=alert.told_severity or alert.severity,
        told_owners=alert.told_owners or ((alert.finding.owner,) if alert.finding.owner else ()),
    )


def mark_notified(alert: Alert, severity: Severity, owners: tuple[str, ...], now: datetime, *, paged: bool) -> Alert:
    """Return the alert after a notification about it. An alert that got worse is open again."""
    worse = alert.told_severity is not None and rank(severity) > rank(alert.told_severity)
    return replace(
        alert,
        status="open" if worse else alert.status,
        told_at=now,
        told_severity=severity if alert.told_severity is None or worse else alert.told_severity,
        told_owners=tuple(sorted({*alert.told_owners, *owners})),
        told=alert.told + 1,
        named=True,
        paged=alert.paged or paged,
    )


def could_cause(cause: Alert, effect: Alert) -> bool:
    """Tell whether one alert may be the cause of another: it did not begin later, in partitions or in time.

    Where it is not known when one of them began, partitions decide, and without those the first findings.
    """
    in_partitions = bool(cause.since and effect.since)
    if in_partitions and cause.since > effect.since:
        return False
    if cause.began_at is not None and effect.began_at is not None:
        return cause.began_at <= effect.began_at
    return in_partitions or cause.opened_at <= effect.opened_at


def _begin_episode(findings: Sequence[Finding], now: datetime, before: Alert | None = None) -> Alert:
    leading = leading_finding(list(findings))
    return Alert(
        fingerprint=leading.fingerprint,
        finding=leading,
        severity=max((each.severity for each in findings), key=rank),
        since=min(each.since for each in findings),
        newest=leading.partition,
        opened_at=now,
        seen_at=now,
        episode=1 if before is None else before.episode + 1,
        begun=(*(() if before is None else before.begun), now)[-_BEGUN:],
        flapping_since=None if before is None else before.flapping_since,
        began_at=_earliest(each.at for each in findings),
    )


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((each for each in moments if each is not None), default=None)


def _add_findings(alert: Alert, findings: Sequence[Finding], now: datetime) -> Alert:
    if not alert.is_active and not alert.owes_end:
        return _begin_episode(findings, now, alert)
    leading, before = leading_finding(list(findings)), alert.finding
    newest = max(alert.newest, leading.partition) if alert.is_active else leading.partition
    if leading.partition < newest:
        leading = before
    return replace(
        alert,
        finding=replace(leading, owner=leading.owner or before.owner, remedy=leading.remedy or before.remedy),
        severity=max((alert.severity, *(each.severity for each in findings)), key=rank),
        since=min(alert.since, *(each.since for each in findings)),
        newest=newest,
        seen_at=now,
        began_at=_earliest([alert.began_at, *(each.at for each in findings)]),
        status=alert.status
        if alert.is_active
        else "open",  # no message told its end yet: for its readers it never ended
        resolved_at=None,
        accepted=False,
        owes_end=False,
        clean=0 if any(_not_before(each.partition, alert.newest) for each in findings) else alert.clean,
    )


def _not_before(partition: str, newest: str) -> bool:
    """Tell whether a partition says something about now: it is not older than the newest one found.

    An asset as a whole (an empty key) always does.
    """
    return partition in ("", newest) or partition > newest
