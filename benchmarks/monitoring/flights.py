"""The year of the reference project, told: what people hear of real flights in which nothing is wrong.

Its months are published, judged and told one after the other by the platform's own verbs and policy, the clock moved
on; then once more all twelve in one look. What a message is about is in the table, so that anybody can see whether it
is news.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import feature_platform as fp
from benchmarks.report import table
from feature_platform.declarations.project import Asset, Project, is_partitioned, project_of
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.examples.flights import project as flights_module
from feature_platform.monitoring.alerting import AlertStore, Policy, tick
from feature_platform.monitoring.partitions import monitor_asset
from feature_platform.monitoring.watching import lineage, take_in
from feature_platform.offline.names import WHOLE
from feature_platform.parts.alert_channels import Message
from feature_platform.pipelines.materialization import lateness_of, materialize_asset

BEGIN, END = "<!-- python -m benchmarks.monitoring flights writes from here -->", "<!-- flights to here -->"
MOST = 4  # messages of any kind in a year in which nothing is wrong
_AFTER = timedelta(hours=6)  # a month is judged so long after its end
_LOOKED = "month by month", "in one look"


@dataclass(frozen=True)
class Heard:
    """A message of the year.

    Attributes:
        looked: month by month, or in one look.
        at: the moment of the look.
    """

    looked: str
    at: datetime
    message: Message

    @property
    def evidence(self) -> str:
        """What was seen, in the words of the message."""
        said = [each for each in self.message.text.splitlines() if each.startswith(("What:", "Since:"))]
        return "; ".join(each.split(":", 1)[1].strip() for each in said)


def flights_year() -> list[Heard]:
    """Play the year in both ways."""
    project = project_of(flights_module)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store, alerts = fp.OfflineStore(root / "store"), AlertStore(root / "alerts")
        heard = [*_by_month(project, store, alerts)]
        end = project.partitions.bounds(project.partitions.keys()[-1])[1] + _AFTER
        at_once = take_in(project, store, AlertStore(root / "at once"), Policy(), end).messages
        return [*heard, *(Heard(_LOOKED[1], end, each) for each in at_once)]


def flights_table(heard: Sequence[Heard]) -> str:
    """A row for each message, and how many there were of each way."""
    rows = [(each.looked, f"{each.at:%Y-%m-%d}", each.message.subject, each.evidence) for each in heard]
    counted = [[each for each in heard if each.looked == looked] for looked in _LOOKED]
    told = "; ".join(
        f"{looked}: {len(some)} messages, {sum(each.message.severity == 'critical' for each in some)} critical"
        for looked, some in zip(_LOOKED, counted, strict=True)
    )
    return f"{table(('looked at', 'told', 'message', 'what was seen'), rows)}\n\n{told}. The bar is {MOST}, 0 critical."


def _by_month(project: Project, store: fp.OfflineStore, alerts: AlertStore) -> Iterator[Heard]:
    """Publish, judge and look at each month after its end; in between time alone tells, every day."""
    cursor: str | None = None
    keys = project.partitions.keys()
    for key in keys:
        begins, ends = project.partitions.bounds(key)
        for day in range(1, (ends - begins).days):
            now = begins + timedelta(days=day) + _AFTER
            yield from (Heard(_LOOKED[0], now, each) for each in tick(alerts, lineage(project), Policy(), now))
        for asset in project.assets:
            _publish(asset, project, store, key)
        for asset in project.assets:
            monitor_asset(asset, project, store, [key] if is_partitioned(asset) else [WHOLE])
        now = ends + _AFTER
        taken = take_in(project, store, alerts, Policy(), now, cursor)
        cursor = taken.cursor
        yield from (Heard(_LOOKED[0], now, each) for each in taken.messages)


def _publish(asset: Asset, project: Project, store: fp.OfflineStore, key: str) -> None:
    if isinstance(asset, TrainingSet):
        fp.build_training_set(asset, store)
        return
    span = project.partitions.bounds(key) if asset.partitioned else None
    late = lateness_of(asset, project.declarations)
    materialize_asset(asset, store, span, project.partitions, late=late).raise_if_refused()
