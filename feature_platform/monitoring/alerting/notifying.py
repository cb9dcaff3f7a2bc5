"""Notifying: which messages are due now, and to whom.

A message is due because none has told it yet, never because of the time of an evaluation. Critical alerts notify at
once. The rest waits for the end of quiet hours and, past the owner's budget, goes into a digest. Alerts that opened and
resolved within one evaluation, as in a backfill or after an outage, are one message. Those that resolved during quiet
hours are in the digest. The end of a warning goes with the next message to its owner.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from feature_platform.ground.clock import shift_moment
from feature_platform.ground.findings import DIFFERENCES, Severity, rank
from feature_platform.monitoring.alerting.alert import Alert, mark_notified
from feature_platform.monitoring.alerting.book import Book, BudgetEntry, DigestLine
from feature_platform.monitoring.alerting.grouping import find_inhibitors
from feature_platform.monitoring.alerting.messages import (
    FLAPPING,
    PASSED,
    Group,
    digest_of,
    headline,
    message_of,
    severity_of,
)
from feature_platform.monitoring.alerting.policy import WEEK, Policy
from feature_platform.parts.alert_channels.message import Message


def decide_notifications(
    book: Book,
    before: Mapping[str, Alert],
    ancestors: Mapping[str, frozenset[str]],
    policy: Policy,
    now: datetime,
) -> tuple[Book, tuple[Message, ...]]:
    """Decide which messages are due; return the book after them, and the messages.

    Args:
        book: with groups and silences as they are now.
        before: the alerts before this evaluation.
    """
    desk = _Notifier(book, policy, now)
    due = [
        (group, event)
        for group in _groups(book, ancestors, now)
        if (event := _due_event(group, policy, now)) is not None
    ]
    ends = _attach_ends(due)
    riding = {each.alert.fingerprint for some in ends.values() for each in some}
    for group, event in due:
        if group.alert.fingerprint not in riding:
            desk.notify(group, event, ends.get(group.alert.fingerprint, ()))
    passed = desk.notify_passed(before, ancestors)
    desk.note_ends(before, passed)
    desk.send_digests()
    return desk.book, tuple(desk.messages)


@dataclass
class _Notifier:
    """The maker of the messages of one evaluation."""

    book: Book
    policy: Policy
    now: datetime

    def __post_init__(self) -> None:
        since = shift_moment(self.now, -WEEK)
        self.messages: list[Message] = []
        self.quiet = self.policy.quiet is not None and self.policy.quiet.hold(self.now)
        self.book = replace(self.book, pages=tuple(each for each in self.book.pages if each.at > since))

    def notify(self, group: Group, event: str, ends: Sequence[Group] = ()) -> None:
        """Tell an event in a message, with the ends that go with it; else each in a line of the digest."""
        severity = severity_of(group, event)
        if self._may_send(group.alert.finding.owner, severity):
            self._send(group, event, ends)
        elif severity == "info" or not self.quiet:
            for member, kind in ((group, event), *((end, "resolved") for end in ends)):
                self._add_line(member, kind)
                self._note_notification(member, kind, paged=False)

    def _may_send(self, owner: str, severity: Severity) -> bool:
        """Tell whether a message of its own may go out now: criticals always, warnings by day and within budget."""
        if severity != "warning":
            return severity == "critical"
        return not self.quiet and sum(each.owner == owner for each in self.book.pages) < self.policy.budget

    def _send(self, group: Group, event: str, ends: Sequence[Group] = ()) -> None:
        self.messages.append(message_of(group, event, self.now, ends))
        self.book = replace(self.book, pages=(*self.book.pages, BudgetEntry(group.alert.finding.owner, self.now)))
        self._note_notification(group, event, paged=event != PASSED)  # what is over owes no end
        for end in ends:
            self._note_notification(end, "resolved", paged=False)

    def notify_passed(self, before: Mapping[str, Alert], ancestors: Mapping[str, frozenset[str]]) -> Collection[str]:
        """Tell what began, or became critical, and ended in this evaluation; return the fingerprints.

        Each has one notification: critical alerts are grouped as if they were still active, and all warnings of a long
        history are one message.
        """
        passed = {
            key: each
            for key, each in self.book.alerts.items()
            if not each.is_active
            and not each.paged
            and not each.is_silenced(self.now)
            and _rose_in(before.get(key), each)
        }
        open_again = tuple(replace(each, status="open", resolved_at=None) for each in passed.values())
        led = find_inhibitors(open_again, ancestors, self.policy.length("together"), self.now)
        groups = [
            Group(each, tuple(passed[other] for other, root in led.items() if root == key))
            for key, each in passed.items()
            if key not in led
        ]
        small: list[Group] = []
        for group in sorted(groups, key=_order):
            flaps = _flaps(group.alert, self.policy, self.now)
            if flaps and group.alert.flapping_since is not None:
                continue  # a message told that it flaps
            event = FLAPPING if flaps else PASSED
            if not self._may_send(group.alert.finding.owner, group.severity):
                self._add_line(group, event)
            elif event == PASSED and group.severity != "critical":
                small.append(group)
            else:
                self._send(group, event)
        if small:
            self._send(_join_groups(small), PASSED)
        return passed

    def note_ends(self, before: Mapping[str, Alert], decide_notifications: Collection[str]) -> None:
        """Put into the digest what ended in this evaluation and had no message, neither its own nor another's."""
        after = self.book.alerts
        ended = [
            key
            for key, each in after.items()
            if not each.is_active
            and key not in decide_notifications
            and _was_active(before.get(key), each)
            and not (each.flapping_since is not None and _flaps(each, self.policy, self.now))
        ]
        owed = {key for key in ended if not after[key].paged and not after[key].is_silenced(self.now)}
        unheard = {key for key in owed if not after[key].named}
        led = {key: before[key].root for key in unheard if key in before and before[key].root in unheard}
        for key in sorted(owed - led.keys()):
            if key in unheard:
                members = tuple(after[each] for each, root in led.items() if root == key)
                self._add_line(Group(after[key], members), PASSED)
            elif after[key].told_at is not None:
                self._add_line(Group(after[key]), "resolved")

    def send_digests(self) -> None:
        if self.quiet:
            return
        waiting: dict[str, list[DigestLine]] = defaultdict(list)
        for line in self.book.lines:
            waiting[line.owner].append(line)
        for owner, lines in sorted(waiting.items()):
            if shift_moment(min(each.at for each in lines), self.policy.length("digest")) <= self.now:
                self.messages.append(digest_of(owner, lines, self.now))
                self.book = replace(self.book, lines=tuple(each for each in self.book.lines if each.owner != owner))

    def _add_line(self, group: Group, event: str) -> None:
        line = DigestLine(group.alert.finding.owner, self.now, group.about, group.severity, headline(group, event))
        named = {each: replace(self.book.alerts[each], named=True) for each in group.about}
        self.book = replace(self.book, lines=(*self.book.lines, line), alerts={**self.book.alerts, **named})

    def _note_notification(self, group: Group, event: str, *, paged: bool) -> None:
        alert = self.book.alerts[group.alert.fingerprint]
        if event == "resolved":
            new = replace(alert, owes_end=False, flapping_since=None)
        else:
            new = mark_notified(alert, group.severity, group.owners, self.now, paged=paged)
            if not alert.is_active:  # it has ended, however bad it was; one that flaps ends when it stays away
                new = replace(new, status=alert.status, owes_end=paged and event == FLAPPING)
            if alert.told_at is None:
                new = replace(new, flapping_since=self.now if event == FLAPPING else None)
        named = {each: replace(self.book.alerts[each], named=True) for each in group.about}
        self.book = replace(self.book, alerts={**self.book.alerts, **named, alert.fingerprint: new})


def _attach_ends(due: Sequence[tuple[Group, str]]) -> Mapping[str, Sequence[Group]]:
    """Return, by the alert of a message, the ends of warnings of the same owner that go with it.

    Nobody has to act on an end: it goes with another warning to the same owner that is due now, else with another
    end. Criticals begin and end by themselves.
    """
    warnings: dict[str, list[tuple[Group, str]]] = defaultdict(list)
    for group, event in due:
        if severity_of(group, event) == "warning":
            warnings[group.alert.finding.owner].append((group, event))
    ends_by_alert = {}
    for events in warnings.values():
        ends = [group for group, event in events if event == "resolved"]
        leading = next((group for group, event in events if event != "resolved"), None) or ends.pop(0)
        if ends:
            ends_by_alert[leading.alert.fingerprint] = ends
    return ends_by_alert


def _was_active(before: Alert | None, after: Alert) -> bool:
    """Tell whether an alert that has ended ended in this evaluation."""
    return before is None or before.is_active or before.episode != after.episode


def _rose_in(before: Alert | None, after: Alert) -> bool:
    """Tell whether an alert began, or became critical, after the evaluation before, so that no message said so yet."""
    if before is None or not before.is_active or before.episode != after.episode:
        return before is None or before.episode != after.episode
    return after.severity == "critical" and before.severity != "critical"


def _join_groups(groups: Sequence[Group]) -> Group:
    """Join some groups into one, below the alert of the first."""
    first, *others = groups
    return Group(first.alert, (*first.members, *(each for group in others for each in (group.alert, *group.members))))


def _order(group: Group) -> tuple[object, ...]:
    """Return a sort key that puts the most severe group first."""
    return (-rank(group.severity), group.alert.opened_at, group.alert.fingerprint)


def _groups(book: Book, ancestors: Mapping[str, frozenset[str]], now: datetime) -> Sequence[Group]:
    """Return the alerts that are not inhibited, or whose end is owed, with those that they inhibit, the worst first."""
    members: dict[str, list[Alert]] = defaultdict(list)
    for alert in book.alerts.values():
        if alert.root is not None and alert.is_active:
            members[alert.root].append(alert)
    active: dict[str, list[Alert]] = defaultdict(list)
    for alert in book.alerts.values():
        if alert.is_active:
            active[alert.finding.asset].append(alert)
    groups = []
    for alert in book.alerts.values():
        if ((alert.is_active and alert.root is None) or alert.owes_end) and not alert.is_silenced(now):
            around = sorted({alert.finding.asset, *ancestors[alert.finding.asset]} & active.keys())
            near = tuple(each for asset in around for each in active[asset])
            groups.append(Group(alert, tuple(members[alert.fingerprint]), near))
    return sorted(groups, key=_order)


def _due_event(group: Group, policy: Policy, now: datetime) -> str | None:
    """Return the event of an alert that is due and that no message told yet; None when there is none."""
    alert = group.alert
    flaps = _flaps(alert, policy, now)
    if not alert.is_active:
        return None if flaps and not alert.is_calm(policy.length("calm"), now) else "resolved"
    if alert.told_at is None or alert.told_severity is None:
        return None if alert.status == "acknowledged" else _beginning(alert, flaps=flaps)
    if rank(group.severity) > rank(alert.told_severity):
        return "worse"
    if not set(group.owners) <= set(alert.told_owners):
        return "wider"
    if alert.status == "acknowledged" or group.severity == "info" or _only_differs(group):
        return None
    if group.severity == "warning" and not _is_news(group, alert.told_at):
        return None
    every = policy.length("remind_critical" if group.severity == "critical" else "remind_warning")
    return "reminder" if shift_moment(alert.told_at, every) <= now else None


def _only_differs(group: Group) -> bool:
    """Tell whether nothing is left to say but that values are not as they were, which stays true while it lasts."""
    kinds = {each.finding.kind for each in (group.alert, *group.members)}
    return group.severity != "critical" and kinds <= DIFFERENCES and all(each.named for each in group.members)


def _is_news(group: Group, told_at: datetime) -> bool:
    """Tell whether anything was found since the last message.

    What is about an asset as a whole stands until somebody mends it.

    Where partitions come once a month, nothing new is known about the last one a week later.
    """
    return any(not each.finding.partition or each.seen_at > told_at for each in (group.alert, *group.members))


def _flaps(alert: Alert, policy: Policy, now: datetime) -> bool:
    return alert.flaps(policy.flapping, policy.length("calm"), now)


def _beginning(alert: Alert, *, flaps: bool) -> str | None:
    """Return the event that begins an episode without a message yet; None where the alert is known to flap."""
    if flaps:
        return FLAPPING if alert.flapping_since is None else None
    return "opened" if alert.episode == 1 else "reopened"
