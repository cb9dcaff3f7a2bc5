"""Accepting: a person takes a new level as usual, so that its alerts end and it teaches from then on.

The level is stored with the tables first, then the alerts end. After an interruption in between, do it again.
"""

from collections.abc import Sequence
from datetime import datetime

from feature_platform.ground.clock import Grain, partition_bounds, partition_key, partition_start
from feature_platform.ground.errors import UnknownAlert, VersionNotFound
from feature_platform.ground.findings import LEVELS
from feature_platform.ground.table_names import TableKind
from feature_platform.monitoring.alerting import Alert, AlertStore, accept
from feature_platform.monitoring.alerting.store import find_alert
from feature_platform.monitoring.judging.versions import Thing, thing_of
from feature_platform.offline import OfflineStore
from feature_platform.offline.accepted import AcceptedLevel, accept_levels, version_name
from feature_platform.offline.names import WHOLE


def accept_level(
    store: OfflineStore,
    alerts: AlertStore,
    name: str,
    by: str,
    now: datetime,
    note: str = "",
    *,
    affected: bool = False,
) -> tuple[Alert, ...]:
    """Take what an alert found as usual from its first partition on, and end the alerts about it; return those.

    Args:
        name: its fingerprint or the beginning of it.
        affected: also take the levels of the alerts that it inhibits.

    Raises:
        UnknownAlert: there is no such alert, it has ended, or it is of no level.
        WriteFailed, AlertStoreFailed: do it again.
    """
    book = alerts.book()
    alert = find_alert(book, name)
    active = [each for each in book.alerts.values() if each.is_active]
    chosen = [alert]
    if affected:
        chosen += [each for each in active if each.root == alert.fingerprint and each.finding.kind in LEVELS]
    things = {(each.finding.asset, thing_about(each)) for each in chosen}
    levels = [_level(store, each, by, now, note) for each in chosen]
    ending = [each for each in active if (each.finding.asset, thing_about(each)) in things]
    accept_levels(store, levels)
    return accept(alerts, [each.fingerprint for each in ending], by, now, note)


def thing_about(alert: Alert) -> Thing:
    """Return the thing that an alert is about, as references name it."""
    return thing_of(alert.finding.kind, alert.finding.column)


def levels_about(levels: Sequence[AcceptedLevel], alert: Alert) -> list[AcceptedLevel]:
    """Return the accepted levels of what an alert is about."""
    return [each for each in levels if thing_of(each.kind, each.column) == thing_about(alert)]


def _level(store: OfflineStore, alert: Alert, by: str, now: datetime, note: str) -> AcceptedLevel:
    finding, table = alert.finding, TableKind.MONITORING.of(alert.finding.asset)
    name = alert.fingerprint[:8]
    if not alert.is_active:
        raise UnknownAlert("Alert", name, "has ended already", "See `feature-platform alerts list`.")
    if finding.kind not in LEVELS:
        reason = f"is about {finding.kind}, which has no level to accept"
        raise UnknownAlert("Alert", name, reason, f"`feature-platform alerts resolve {name}` ends it by hand.")
    judged = sorted(store.partition_states(table)) if store.exists(table) else []
    if WHOLE in judged:
        since, upto = _versions_of_level(store, alert)
    else:
        since, upto = _partitions_of_level(store, table, alert, judged)
    return AcceptedLevel(finding.asset, finding.kind, finding.column, since, upto, by, note, now)


def _partitions_of_level(store: OfflineStore, table: str, alert: Alert, judged: Sequence[str]) -> tuple[str, str]:
    """Return the first partition of a level, and the newest that was judged."""
    grain = store.grain(table) if judged else None
    if not alert.since or grain is None:
        raise _nothing_left(alert)
    since = _partition_of(alert.since, grain)
    return since, max(since, *judged)


def _versions_of_level(store: OfflineStore, alert: Alert) -> tuple[str, str]:
    """Return the version of a table without partitions in which a level began, and its newest version.

    When the table was made anew since, the level began before its first version.
    """
    asset = alert.finding.asset
    if not store.exists(asset):
        raise _nothing_left(alert)
    try:
        first = store.version_at(asset, alert.began_at or alert.opened_at)
    except VersionNotFound:
        first = 0
    return version_name(first), version_name(store.latest_version(asset))


def _nothing_left(alert: Alert) -> UnknownAlert:
    name = alert.fingerprint[:8]
    reason = f"is about {alert.finding.asset}, and the judged data is no longer there"
    return UnknownAlert("Alert", name, reason, f"`feature-platform alerts resolve {name}` ends it by hand.")


def _partition_of(window: str, grain: Grain) -> str:
    """Return the partition in which a window begins; windows are named as `watching.judgements` does."""
    finest: Grain = "hourly" if len(window) > len("2024-01-08") else "daily"
    return partition_key(partition_start(partition_bounds(window, finest, "An alert")[0], grain), grain)
