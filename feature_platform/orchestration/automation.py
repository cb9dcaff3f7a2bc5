"""When assets run by themselves: on a schedule, and when the data they read has changed."""

from typing import Any

import dagster as dg

from feature_platform.declarations.project import Project
from feature_platform.orchestration.upkeep import UPKEEP, upkeep_schedule
from feature_platform.orchestration.verification import verification_keys, verification_schedule

_MINUTES_AFTER_END = 15

Condition = dg.AutomationCondition[Any]  # of assets and checks alike, as Dagster mixes them


def when_data_changed() -> Condition:
    """Return the condition to recompute an asset: a table that it reads has new content, or its code has changed.

    A table that was written again with the same content does not count. The condition waits for upstream runs, and for
    their blocking checks to pass.
    """
    condition = dg.AutomationCondition
    changed: Condition = condition.any_deps_match(condition.data_version_changed()) | condition.code_version_changed()
    return (
        changed.since_last_handled()
        & ~condition.any_deps_missing()
        & ~condition.any_deps_in_progress()
        & ~condition.in_progress()
        & condition.all_deps_blocking_checks_passed()
    ).with_label("when the data it reads has changed")


def when_raw_changed() -> Condition:
    """Return the condition to read an unpartitioned source again: the data outside has changed."""
    condition = dg.AutomationCondition
    changed: Condition = condition.any_deps_match(condition.data_version_changed()) | condition.code_version_changed()
    return (changed.since_last_handled() & ~condition.in_progress()).with_label("when the raw data has changed")


def scheduled_jobs(project: Project) -> dg.Definitions:
    """Return four jobs, each with a schedule that is off until someone turns it on.

    `refresh` computes and serves all assets for a partition, a quarter of an hour after it has ended; `observe_raw`
    looks every hour whether the data outside has changed; `maintain` keeps the tables lean every night, and `verify`
    compares what is served with what is stored. A project without a feature service has nothing to verify.
    """
    grain, upkeep = project.partitions.grain, upkeep_schedule()
    verify = [verification_schedule(project)] if project.services else []
    refresh = dg.define_asset_job(
        "refresh",
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(UPKEEP, *verification_keys(project)),
        description="All assets, for one partition or a range of them.",
    )
    raw = dg.AssetSelection.all(include_sources=True) - dg.AssetSelection.all()
    observe = dg.define_asset_job("observe_raw", selection=raw, description="Has the data outside changed?")
    newest = dg.build_schedule_from_partitioned_job(
        refresh,
        name=f"refresh_{grain}",
        minute_of_hour=_MINUTES_AFTER_END,
        hour_of_day=None if grain == "hourly" else 0,
    )
    hourly = dg.ScheduleDefinition(name="observe_raw_hourly", job=observe, cron_schedule="5 * * * *")
    return dg.Definitions(
        jobs=[refresh, observe, *(each.job for each in (upkeep, *verify))], schedules=[newest, hourly, upkeep, *verify]
    )
