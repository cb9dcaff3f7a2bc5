"""One side of the comparison, in its own process: a code location for Dagster, as a script the same by the verbs.

It is run as a file, so that the tree whose code is measured may be another one; see `benchmarks/daily_year`.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Asset, Project, is_partitioned, project_of
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView
from feature_platform.examples.flights import project as flights
from feature_platform.ground.progress import ProgressLines, report_to
from feature_platform.monitoring.partitions import monitor_asset
from feature_platform.offline import OfflineStore
from feature_platform.orchestration.code_location import code_location
from feature_platform.pipelines.maintenance import maintain_all
from feature_platform.pipelines.materialization import lateness_of, materialize_asset
from feature_platform.serving.publication import publish, publish_statistics
from feature_platform.settings import loaded_settings
from feature_platform.training.sets import build_training_set
from feature_platform.verification.consistency import check_consistency
from feature_platform.verification.skew import measure_skew

DAYS = "DAILY_YEAR_DAYS"
FIRST = datetime(2013, 1, 1, tzinfo=UTC)


def daily_project(days: int) -> Project:
    """The flights of the reference project, from the first day on, in daily partitions."""
    return replace(project_of(flights), partitions=Partitions("daily", start=FIRST, end=FIRST + timedelta(days)))


def run_verbs(project: Project) -> None:
    """Do what a run of all assets does, in its order, by the functions that the assets call."""
    settings = loaded_settings()
    store, online = OfflineStore(**settings.store_arguments()), settings.online_store()
    end = project.partitions.end or datetime.now(UTC)
    for asset in project.assets:
        _do(asset.asset, lambda: _materialize(asset, project, store))  # noqa: B023 (called at once)
    for asset in project.assets:
        keys = project.partitions.keys() if is_partitioned(asset) else [""]
        _do(f"monitoring/{asset.asset}", lambda: monitor_asset(asset, project, store, keys))  # noqa: B023
    for asset in project.assets:
        if isinstance(asset, FeatureView):
            _do(f"online/{asset.name}", lambda: publish(asset, store, online, now=end))  # noqa: B023
    for service in project.services:
        publish_statistics(service, store, online, end)
        check_consistency(service, store, online, now=end)
        measure_skew(service, store, now=datetime.now(UTC))
    _do("maintenance", lambda: maintain_all(store))


def _materialize(asset: Asset, project: Project, store: OfflineStore) -> None:
    if isinstance(asset, TrainingSet):
        build_training_set(asset, store).published.raise_if_refused()
        return
    keys = project.partitions.keys()
    span = project.partitions.bounds(keys[0])[0], project.partitions.bounds(keys[-1])[1]
    late = lateness_of(asset, project.declarations)
    materialize_asset(
        asset, store, span if is_partitioned(asset) else None, project.partitions, late=late
    ).raise_if_refused()


def _do(name: str, work: Callable[[], object]) -> None:
    print(name, flush=True)
    with report_to(ProgressLines(print)):
        work()


if __name__ == "__main__":
    run_verbs(daily_project(int(sys.argv[1])))
else:
    defs = code_location(daily_project(int(os.environ[DAYS])))
