"""The seat of the daemon: it ticks a sensor and runs what the sensor asks for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

RANGE = ("2024-03-01", "2024-03-05")
LATER = datetime(2025, 1, 1, tzinfo=UTC)
RUN_KEY = "dagster/run_key"  # Dagster gives it to the runs of a sensor, and never launches one twice


@dataclass
class Seat:
    """Where the daemon sits: ticks a sensor and runs what it asks for, as the daemon does."""

    instance: dg.DagsterInstance
    cursor: str | None = None
    now: datetime = LATER

    def tick(self, definitions: dg.Definitions, sensor: dg.SensorDefinition) -> dg.SensorResult:
        """One tick; its cursor is kept, as when the daemon lives to the end of it."""
        found = self.repeated(definitions, sensor)
        self.cursor = found.cursor
        return found

    def repeated(self, definitions: dg.Definitions, sensor: dg.SensorDefinition) -> dg.SensorResult:
        """One tick of which nothing is kept."""
        repository = definitions.get_repository_def()
        resources = repository.get_top_level_resources()
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, repository_def=repository, resources=resources
        ) as context:
            found = sensor.evaluate_tick(context)
        skipped = dg.SkipReason(found.skip_message) if found.skip_message else None
        return dg.SensorResult(run_requests=found.run_requests, skip_reason=skipped, cursor=found.cursor)

    def run(self, definitions: dg.Definitions, result: dg.SensorResult) -> list[bool]:
        """Runs what was asked for, unless its key has run before; whether each succeeded."""
        job = definitions.resolve_implicit_global_asset_job_def()
        done = []
        for request in result.run_requests or []:
            tags = {**request.tags, RUN_KEY: str(request.run_key)}
            if self.instance.get_runs(dg.RunsFilter(tags={RUN_KEY: str(request.run_key)})):
                continue
            chosen = list(request.asset_selection or [])
            ran = job.execute_in_process(
                instance=self.instance, asset_selection=chosen, tags=tags, raise_on_error=False
            )
            done.append(ran.success)
        return done

    def waited(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)


def said(result: dg.SensorResult) -> str:
    return result.skip_reason.skip_message if result.skip_reason and result.skip_reason.skip_message else ""


def ranges(result: dg.SensorResult) -> list[tuple[set[str], str | None, str | None]]:
    start, end = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    return [
        ({key.to_user_string() for key in each.asset_selection or []}, each.tags.get(start), each.tags.get(end))
        for each in result.run_requests or []
    ]


TABLES = {"sources/orders", "views/last_order", "views/spending"}


def day(frame: pl.DataFrame, number: int, amount: float) -> pl.DataFrame:
    return frame.with_columns(amount=pl.when(pl.col("at").dt.day() == number).then(amount).otherwise("amount"))
