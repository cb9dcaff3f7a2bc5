"""An evaluation: (book, findings, now) -> (new book, messages). Pure; the order of findings does not matter.

Evaluating nothing is the tick of the clock: it sends what is owed (reminders, what waited for the end of quiet hours,
digests). Nothing else is sent, so doing it twice sends nothing twice.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from feature_platform.monitoring.alerting.alert import Alert, advance_alert
from feature_platform.monitoring.alerting.book import Book
from feature_platform.monitoring.alerting.finding import Evaluation, Finding
from feature_platform.monitoring.alerting.grouping import ancestors_of, find_inhibitors
from feature_platform.monitoring.alerting.notifying import decide_notifications
from feature_platform.monitoring.alerting.policy import Policy
from feature_platform.parts.alert_channels.message import Message


def evaluate_book(
    book: Book,
    evaluation: Evaluation,
    upstream: Mapping[str, Collection[str]],
    policy: Policy,
    now: datetime,
) -> tuple[Book, tuple[Message, ...]]:
    """Return the book after an evaluation, and the messages that are due.

    Args:
        upstream: for each asset those that it is made from directly; what is not there is made from nothing.
        now: never earlier than that of the evaluation before.
    """
    alerts = _advance_alerts(book.alerts, evaluation, policy, now)
    silences = tuple(each for each in book.silences if now < each.until)
    ancestors = ancestors_of(upstream, {each.finding.asset for each in alerts.values()})
    alerts = {
        key: replace(each, silenced_until=max((
            silence.until for silence in silences if silence.covers(each, ancestors[each.finding.asset], now)
        ), default=None))
        for key, each in alerts.items()
    }  # fmt: skip
    inhibitors = find_inhibitors(tuple(alerts.values()), ancestors, policy.length("together"), now)
    grouped = {key: replace(each, root=inhibitors.get(key)) for key, each in alerts.items()}
    return decide_notifications(replace(book, alerts=grouped, silences=silences), book.alerts, ancestors, policy, now)


def _advance_alerts(
    alerts: Mapping[str, Alert], evaluation: Evaluation, policy: Policy, now: datetime
) -> Mapping[str, Alert]:
    findings: dict[str, list[Finding]] = defaultdict(list)
    for finding in evaluation.findings:
        findings[finding.fingerprint].append(finding)
    checked: dict[tuple[str, str, str | None], set[str]] = defaultdict(set)
    conclusive: dict[tuple[str, str, str | None], set[str]] = defaultdict(set)
    for scope in evaluation.checked:
        for looks in (checked, conclusive) if scope.conclusive else (checked,):
            looks[scope.asset, scope.kind, scope.column].add(scope.partition)
    after = dict(alerts)
    for key in {*alerts, *findings}:
        about = alerts[key].finding if key in alerts else findings[key][0]
        about_it = ((about.asset, about.kind, about.column), (about.asset, about.kind, None))
        partitions, sure = (
            set().union(*(looks.get(scope, ()) for scope in about_it)) for looks in (checked, conclusive)
        )
        if key in findings or partitions:
            arguments = (findings.get(key, ()), partitions, policy.resolve_after, now)
            new = advance_alert(alerts.get(key), *arguments, conclusive=sure)
            if new is not None:
                after[key] = new
    return after
