"""Sending: runs go out oldest first, each with all its events, until one is not taken or time is up."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from feature_platform.declarations.project import Project
from feature_platform.ground.errors import LineageUnsent
from feature_platform.lineage.configuration import LineageSettings
from feature_platform.lineage.datasets import StoredTables
from feature_platform.lineage.events import EventMaker
from feature_platform.lineage.records import NewRuns, read_new_runs, read_schemas
from feature_platform.lineage.transports import EventSender, open_sender
from feature_platform.offline import OfflineStore
from feature_platform.offline.log_facts import TablePosition
from feature_platform.offline.names import offline_root

MOST_RUNS = 100  # of one look
SECONDS = 20.0  # after which a look ends; the next one goes on


@dataclass(frozen=True)
class SentRuns:
    """The result of sending what is new.

    Attributes:
        position: where the next look begins.
        sent: how many runs were sent.
        waiting: how many are left for the next look.
        failure: why one was not taken.
    """

    position: TablePosition | None
    sent: int
    waiting: int
    failure: LineageUnsent | None = None

    def describe(self) -> str:
        """Describe it in one line.

        >>> SentRuns(None, 1, 0).describe(), SentRuns(None, 2, 3).describe()
        ('1 run sent', '2 runs sent, 3 waiting')
        """
        waiting = f", {self.waiting} waiting" if self.waiting else ""
        return f"{self.sent} run{'s' * (self.sent != 1)} sent{waiting}"


def send_new_runs(
    project: Project,
    store: OfflineStore,
    settings: LineageSettings,
    after: TablePosition | None,
    *,
    seconds: float = SECONDS,
) -> SentRuns:
    """Send the runs that were recorded after a position, at most `MOST_RUNS` of them.

    It never raises for a server that does not take them: the failure is in the result, with how far it came.

    Raises:
        InvalidDeclaration: no transport is configured, or one that cannot be used.
    """
    new = read_new_runs(store, after, MOST_RUNS)
    if not new.runs:
        return SentRuns(new.upto or after, 0, new.waiting)
    maker = make_events(project, store, settings, [each.record for each in new.runs])
    with open_sender(settings) as sender:
        return _send_in_time(new, after, maker, sender, seconds)


def make_events(
    project: Project, store: OfflineStore, settings: LineageSettings, records: list[Mapping[str, Any]]
) -> EventMaker:
    """Return what makes the events of some records, with the columns of their tables read."""
    address, namespace = offline_root(str(store.root)), settings.namespace_of(project.name)
    return EventMaker(project, StoredTables(address, namespace, read_schemas(store, records)))


def send_run(maker: EventMaker, record: Mapping[str, Any], sender: EventSender) -> None:
    """Send the events of a run.

    Raises:
        LineageUnsent: one was not taken.
    """
    for event in maker.events_of(record):
        reason = sender.send(event)
        if reason is not None:
            run = f"run `{record['run_id']}` of `{record['asset']}`"
            remedy = "Start the server or mend its settings; the next try sends it."
            raise LineageUnsent(run, sender.place, reason, remedy)


def _send_in_time(
    new: NewRuns, after: TablePosition | None, maker: EventMaker, sender: EventSender, seconds: float
) -> SentRuns:
    end, position = time.monotonic() + seconds, after
    for sent, run in enumerate(new.runs):
        left = len(new.runs) - sent + new.waiting
        if time.monotonic() > end and sent:
            return SentRuns(position, sent, left)
        try:
            send_run(maker, run.record, sender)
        except LineageUnsent as failure:
            return SentRuns(position, sent, left, failure)
        position = run.position
    return SentRuns(new.upto, len(new.runs), new.waiting)
