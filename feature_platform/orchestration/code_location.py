"""The code location: a project's declarations as `dagster.Definitions`."""

import warnings
from types import ModuleType

import dagster as dg

from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Asset, Project, project_of
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView
from feature_platform.offline import OfflineStore
from feature_platform.orchestration.alerts import alert_sensor
from feature_platform.orchestration.assets import (
    derived_asset,
    raw_asset,
    source_asset,
    spine_asset,
    training_set_asset,
)
from feature_platform.orchestration.automation import scheduled_jobs
from feature_platform.orchestration.lineage import lineage_sensors
from feature_platform.orchestration.monitoring import monitoring_assets
from feature_platform.orchestration.online import online_assets
from feature_platform.orchestration.sensors import monitoring_sensor, recompute_sensor
from feature_platform.orchestration.upkeep import upkeep_asset
from feature_platform.orchestration.verification import verification_assets
from feature_platform.quality.validation import check_known
from feature_platform.settings import Settings, loaded_settings


def code_location(project: ModuleType | Project, settings: Settings | None = None) -> dg.Definitions:
    """Return the Dagster definitions of a project: assets, checks, jobs, schedules, sensors, the stores.

    Raises:
        FeaturePlatformError: a declaration is wrong; the sentence says which and what to do.
    """
    declared = project_of(project)
    _check_expectations(declared)
    resolved = settings or loaded_settings()
    online = resolved.online_store()
    with warnings.catch_warnings():
        # single-run backfills, observable sources and partition mappings that reach before the start are beta
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        assets = [compile_asset(asset, declared) for asset in declared.assets]
        raw = [raw_asset(asset) for asset in declared.assets if isinstance(asset, Source)]
        location = dg.Definitions(
            assets=[
                *raw,
                *assets,
                *monitoring_assets(declared),
                *online_assets(declared, online),
                *verification_assets(declared),
                upkeep_asset(declared),
            ],
            resources={"offline_store": OfflineStore(**resolved.store_arguments()), "online_store": online},
            sensors=[
                recompute_sensor(declared),
                monitoring_sensor(declared),
                alert_sensor(declared, resolved),
                *lineage_sensors(declared, resolved),
            ],
            executor=dg.in_process_executor,
        )
        return dg.Definitions.merge(location, scheduled_jobs(declared))


def _check_expectations(project: Project) -> None:
    """Check that every expectation can be computed; `feature-platform check` also checks their arguments."""
    for asset in project.assets:
        for expect in () if isinstance(asset, TrainingSet) else asset.expectations:
            check_known(expect)


def compile_asset(asset: Asset, project: Project) -> dg.AssetsDefinition:
    """Return the Dagster asset of one declaration."""
    if isinstance(asset, Source):
        return source_asset(asset, project)
    if isinstance(asset, (FeatureView, Label)):
        return derived_asset(asset, project)
    if isinstance(asset, Spine):
        return spine_asset(asset, project)
    return training_set_asset(asset, project)
