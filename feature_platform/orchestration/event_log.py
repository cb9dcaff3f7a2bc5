"""Dagster's storage in SQLite, in the files that Dagster's own storage makes, written many events at a time.

Dagster hands over the events of a range of partitions together, but its storage in SQLite writes each in transactions
of its own, and notes each check of a range once for every partition; see ADR 37. `dagster.yaml` names `SqliteStorage`.
"""

import os
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData, serialize_value
from sqlalchemy import Connection

BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE"  # where Dagster looks for it, and nowhere else
_EVENTS = "1000"  # a transaction of 1,000 events takes half a second


class SqliteStorage(DagsterSqliteStorage):
    """Dagster's storage in SQLite with an event log that takes batches, in every process that opens it.

    `DAGSTER_EVENT_BATCH_SIZE` is set to 1000 where it is not set; with 0 each event is written by itself.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = BatchedEventLog(os.path.join(base_dir, "history", "runs", ""))  # noqa: PTH118
        os.environ.setdefault(BATCH_SIZE, _EVENTS)

    @classmethod
    def from_config_value(  # type: ignore[override]  # as Dagster's own does
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, str]
    ) -> "SqliteStorage":
        return cls.from_local(config_value["base_dir"], inst_data)


class BatchedEventLog(SqliteEventLogStorage):
    """Dagster's event log in SQLite: the events of a batch are one transaction of each of its two databases."""

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Write events about assets: what is planned, and what was materialized or observed."""
        of_runs: dict[str, list[dg.EventLogEntry]] = {}
        for event in events:
            of_runs.setdefault(event.run_id, []).append(event)
        for run_id, of_run in of_runs.items():
            self._store_events_of_run(run_id, of_run)

    def _store_events_of_run(self, run_id: str, events: Sequence[dg.EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        insert = SqlEventLogStorageTable.insert()
        with self.run_connection(run_id) as run:
            run.execute(insert, rows)
        with self.index_transaction() as index:
            returning = insert.returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
            ids = index.execute(returning, rows).scalars().all()
            self._index_assets(index, events, ids)
            planned = [row for event, id_ in zip(events, ids, strict=True) for row in self._planned_rows(event, id_)]
            if planned:
                index.execute(AssetCheckExecutionsTable.insert(), planned)

    def _index_assets(self, index: Connection, events: Sequence[dg.EventLogEntry], ids: Sequence[int]) -> None:
        """Note the tags of every event, and for each asset the newest event of each kind."""
        about_assets = {
            id_: event
            for id_, event in zip(ids, events, strict=True)
            if event.dagster_event is not None and event.dagster_event.asset_key is not None
        }
        self._store_asset_event_tags(index, [*about_assets.values()], [*about_assets])
        newest: dict[tuple[dg.AssetKey | None, object], int] = {}
        for id_, event in about_assets.items():
            newest[event.get_dagster_event().asset_key, event.dagster_event_type] = id_
        for id_ in sorted(newest.values()):
            self._store_asset_event(index, about_assets[id_], id_)

    def _store_asset_check_evaluation_planned(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        with self.index_connection() as index:
            index.execute(AssetCheckExecutionsTable.insert(), [*self._planned_rows(event, event_id)])

    def _planned_rows(self, event: dg.EventLogEntry, event_id: int | None) -> Iterable[Mapping[str, object]]:
        """Return the row that notes a planned check: one row, also for a range of partitions.

        The result of a check names no partition, or the only one of its run. So a row for each partition of a range
        would never get a result, and would stay planned for ever.
        """
        planned = None if event.dagster_event is None else event.dagster_event.event_specific_data
        if not isinstance(planned, AssetCheckEvaluationPlanned):
            return []
        subset = planned.partitions_subset
        alone = None if subset is None or len(subset) > 1 else next(iter(subset.get_partition_keys()), None)
        return [
            {
                "asset_key": planned.asset_key.to_string(),
                "check_name": planned.check_name,
                "partition": alone,
                "run_id": event.run_id,
                "execution_status": "PLANNED",
                "evaluation_event": serialize_value(event),
                "evaluation_event_timestamp": self._event_to_row(event)["timestamp"],
                "evaluation_event_storage_id": event_id,
            }
        ]
