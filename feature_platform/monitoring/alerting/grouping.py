"""Grouping: which alert inhibits which others, so that a broken source is one notification and not forty.

An alert is inhibited by one that began about the same time and no later: on the same asset, where the most severe one
inhibits the others, or on an asset that it is made from. An alert that inhibits others is neither inhibited nor
silenced itself, so that none is hidden without a notification.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from feature_platform.ground.clock import shift_moment
from feature_platform.ground.findings import FindingKind, rank
from feature_platform.monitoring.alerting.alert import Alert, could_cause

CAUSES = (
    FindingKind.SCHEMA,
    "code",  # as others may call it: no watch of ours finds it
    FindingKind.FOREIGN_WRITE,
    FindingKind.UNREPEATABLE,
    FindingKind.EXPECTATIONS,
    FindingKind.RUN,
    FindingKind.FRESHNESS,
    FindingKind.LATE_PARTITION,
    FindingKind.VOLUME,
    FindingKind.DUPLICATE_KEYS,
    FindingKind.UNIT,
)
"""Kinds of findings that explain others, the likeliest cause first."""


def ancestors_of(upstream: Mapping[str, Collection[str]], assets: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Return for each asset everything that it is made from, directly or not. An asset is never among its own.

    >>> sorted(ancestors_of({"c": ["b"], "b": ["a"]}, ["c"])["c"])
    ['a', 'b']
    """
    ancestors = {}
    for asset in assets:
        seen, waiting = {asset}, [asset]
        while waiting:
            more = [each for each in upstream.get(waiting.pop(), ()) if each not in seen]
            seen.update(more)
            waiting.extend(more)
        ancestors[asset] = frozenset(seen - {asset})
    return ancestors


def find_inhibitors(
    alerts: Collection[Alert], ancestors: Mapping[str, frozenset[str]], together: int, now: datetime
) -> Mapping[str, str]:
    """Return for each inhibited alert the fingerprint of the alert that inhibits it, which is not inhibited itself.

    An alert that ended just now still inhibits those that were not found since: they are about to end, too.

    Args:
        ancestors: see `ancestors_of`, for the assets of all alerts.
        together: how far apart the beginnings may be, in microseconds.
    """
    audible = [each for each in alerts if not each.is_silenced(now)]
    heads = [each for each in audible if _ended_within(each, together, now)]
    inhibitors = {}
    for alert in sorted((each for each in audible if each.is_active), key=lambda each: _rank(each, ancestors)):
        over = [each for each in heads if _covers(each, alert, ancestors, together)]
        if over:
            inhibitors[alert.fingerprint] = _best(over, alert, ancestors).fingerprint
        else:
            heads.append(alert)
    return inhibitors


def _covers(root: Alert, alert: Alert, ancestors: Mapping[str, frozenset[str]], together: int) -> bool:
    if root is alert or not _about_the_same_time(root, alert, together):
        return False
    if root.resolved_at is not None and (alert.seen_at > root.resolved_at or alert.opened_at >= root.resolved_at):
        return False  # found since, or begun as the other ended: it will not end with it
    above, below = root.finding.asset, alert.finding.asset
    if not could_cause(root, alert):
        return False
    if above == below:  # the most severe inhibits the others
        return rank(root.severity) >= rank(alert.severity)
    return above in ancestors[below] and below not in ancestors[above]


def _best(over: Collection[Alert], alert: Alert, ancestors: Mapping[str, frozenset[str]]) -> Alert:
    """Return the alert that inhibits another when several could.

    The one that does already stays, so that no other one notifies about the alert again.
    """
    return min(over, key=lambda each: (not each.is_active, each.fingerprint != alert.root, *_rank(each, ancestors)))


def _about_the_same_time(one: Alert, other: Alert, together: int) -> bool:
    earlier, later = sorted((one.opened_at, other.opened_at))
    return later <= shift_moment(earlier, together)


def _ended_within(alert: Alert, together: int, now: datetime) -> bool:
    return alert.resolved_at is not None and alert.paged and now < shift_moment(alert.resolved_at, together)


def _rank(alert: Alert, ancestors: Mapping[str, frozenset[str]]) -> tuple[object, ...]:
    """Return the order in which alerts inhibit others: upstream first, since an ancestor has fewer ancestors."""
    asset = alert.finding.asset
    return (len(ancestors[asset]), asset, *_precedence(alert))


def _precedence(alert: Alert) -> tuple[object, ...]:
    """Return the order in which alerts of one asset inhibit others: the most severe, oldest, likeliest cause first.

    Notifying does not change it, so that groups are the same at the next evaluation.
    """
    kind = CAUSES.index(alert.finding.kind) if alert.finding.kind in CAUSES else len(CAUSES)
    kind += alert.finding.kind == FindingKind.MULTIVARIATE  # says less than a column that drifts
    return (-rank(alert.severity), alert.opened_at, alert.since, kind, alert.fingerprint)
