"""A shop that is watched, and rows of monitoring tables, short to write."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from types import ModuleType
from typing import Any

import polars as pl

import feature_platform as fp
from feature_platform.compute.watches.monitored import MONITORED
from feature_platform.declarations.project import Project, project_of
from feature_platform.monitoring.alerting import AlertStore, Policy
from feature_platform.monitoring.watching import Intake, take_in
from feature_platform.offline import CommitStamp
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform_tests.assets import table_asset
from feature_platform_tests.monitoring.alerting.words import event
from feature_platform_tests.shop import at, daily, last_order, source, spending

POLICY = Policy(budget=1000)
LATER = datetime(2024, 2, 1, tzinfo=timezone.utc)  # long after the days of the shop


def day(number: int) -> str:
    """The key of a day of January, from 1 on."""
    return f"2024-01-{number:02}"


def shop(rows: pl.DataFrame | None = None, *, days: int | None = 10, start: datetime | None = None, **words) -> Project:
    """Orders, what is spent and the last order; with `days` None it goes on."""
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=start or at(0), end=None if days is None else at(days))
    monitor = fp.Monitor() if words.get("partitioned", True) else None
    read = source(daily(10) if rows is None else rows, **{"owner": "team:shop", "monitor": monitor, **words})
    module.spending = spending(read, lateness=None, owner="team:features", monitor=monitor)
    module.last_order = last_order(read)
    return project_of(module)


def materialize(project: Project, store: fp.OfflineStore, days: int = 5, first: int = 0, only: str = "") -> None:
    """Everything, or one asset, from a day (0 is the first) on."""
    for asset in project.assets:
        if only in ("", asset.asset):
            materialize_asset(
                table_asset(project, asset.asset), store, (at(first), at(first + days)), project.partitions
            )


def row(kind: str, partition: str, **facts) -> dict[str, object]:
    """A row of a monitoring table: nothing alarming was found, if nothing else is said."""
    alarm = facts.get("alarm", False)
    made = {"partition": partition, "content": "h", "kind": kind, "found": alarm, "certain": False, "alarm": alarm}
    return {**dict.fromkeys(MONITORED), **made, "status": "ok", **facts}


def monitored(store: fp.OfflineStore, asset: str, *rows: dict[str, object], partitions: Sequence[str] = ()) -> None:
    """What a monitoring table says of some partitions, or of those of the rows."""
    frame = pl.DataFrame(rows, schema=MONITORED, orient="row")
    keys = list(partitions) or sorted({str(each["partition"]) for each in rows})
    stamp = CommitStamp("run", f"monitoring/{asset}", "1", grain=None if keys == [""] else "daily")
    if keys == [""]:
        store.replace(f"monitoring/{asset}", frame, stamp=stamp)
    else:
        store.replace(f"monitoring/{asset}", frame, partitions=keys, partition_of="partition", stamp=stamp)


class Watcher:
    """Looks again and again, from cursor to cursor."""

    def __init__(self, project: Project, store: fp.OfflineStore, alerts: AlertStore, policy: Policy = POLICY) -> None:
        self.project, self.store, self.alerts, self.policy = project, store, alerts, policy
        self.now = LATER
        self.cursor: str | None = None
        self.taken: Intake | None = None

    def looks(self, project: Project | None = None, hours: float = 1) -> list[str]:
        """The events that come of the next look."""
        self.now += timedelta(hours=hours)
        self.taken = take_in(project or self.project, self.store, self.alerts, self.policy, self.now, self.cursor)
        self.cursor = self.taken.cursor
        return [event(each) for each in self.taken.messages]

    def finding(self, asset: str, kind: str, column: str | None = None):
        """The newest finding about something."""
        alerts = self.alerts.book().alerts.values()
        [found] = [
            each.finding
            for each in alerts
            if (each.finding.asset, each.finding.kind, each.finding.column) == (asset, kind, column)
        ]
        return found

    def open(self) -> list[str]:
        """What is wrong: `drift of amount in sources/orders`."""
        active = [each.finding for each in self.alerts.book().alerts.values() if each.is_active]
        return sorted(f"{each.kind} of {each.column} in {each.asset}" for each in active)
