"""The upkeep of all tables as an asset: Dagster shows and plots what was merged and removed, like any data."""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from feature_platform.declarations.project import Project
from feature_platform.ground.progress import ProgressLines, report_to
from feature_platform.offline import OfflineStore
from feature_platform.offline.upkeep import Maintenance
from feature_platform.orchestration.markdown import markdown_table
from feature_platform.orchestration.metadata import Metadata
from feature_platform.pipelines.maintenance import maintain_all
from feature_platform.pipelines.tables import known_tables

UPKEEP = dg.AssetKey(["maintenance", "offline_store"])
_WHOLE = "rows_match_their_hashes"
_DAILY = "30 2 * * *"


def upkeep_asset(project: Project) -> dg.AssetsDefinition:
    """Return the asset that merges small files, checkpoints logs and removes files that no kept version needs."""

    @dg.asset(
        key=UPKEEP,
        group_name="maintenance",
        description="Merges small files, checkpoints the logs and removes what no kept version needs, table by table. "
        "Versions that training sets were built from stay readable.",
        kinds={"deltalake"},
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[
            dg.AssetCheckSpec(
                _WHOLE, asset=UPKEEP, description="The rows of every file that was read match the hash in its commit."
            )
        ],
    )
    def maintain(
        context: dg.AssetExecutionContext, offline_store: dg.ResourceParam[OfflineStore]
    ) -> Iterator[dg.MaterializeResult[object]]:
        with report_to(ProgressLines(context.log.info)):
            tables = known_tables(offline_store, [each.name for each in project.services])
            done = maintain_all(offline_store, tables, run_id=context.run.run_id)
        yield dg.MaterializeResult(asset_key=UPKEEP, metadata=_metadata(done), check_results=[_check(done)])

    return maintain


def upkeep_schedule() -> dg.ScheduleDefinition:
    """Return the schedule for every night; it is off until someone turns it on."""
    job = dg.define_asset_job(
        "maintain", selection=dg.AssetSelection.assets(UPKEEP), description="Merge small files, remove old ones."
    )
    return dg.ScheduleDefinition(name="maintain_daily", job=job, cron_schedule=_DAILY)


def _metadata(done: Sequence[Maintenance]) -> Metadata:
    rows = pl.DataFrame(
        {
            "table": [each.table for each in done],
            "files_merged": [each.files_compacted for each in done],
            "into": [each.files_merged for each in done],
            "files_removed": [each.files_removed for each in done],
            "bytes_freed": [each.bytes_freed for each in done],
        },
        schema={
            "table": pl.String,
            **dict.fromkeys(("files_merged", "into", "files_removed", "bytes_freed"), pl.Int64),
        },
    )
    counted = ("files_merged", "files_removed", "bytes_freed")
    return {
        "tables": rows.height,
        **{name: int(rows[name].sum()) for name in counted},
        "by_table": dg.MetadataValue.md(markdown_table(rows)),
    }


def _check(done: Sequence[Maintenance]) -> dg.AssetCheckResult:
    damaged = [f"{each.table} ({', '.join(each.differing)})" for each in done if each.differing]
    return dg.AssetCheckResult(
        asset_key=UPKEEP,
        check_name=_WHOLE,
        passed=not damaged,
        description=f"Rows do not match their commits: {'; '.join(damaged)}. Roll back or materialize again."
        if damaged
        else None,
    )
