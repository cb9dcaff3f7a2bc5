"""The SDK: words to declare sources, features and labels, and the functions that compute them.

Importing it loads neither Dagster nor Great Expectations; those are reached when they are used.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from feature_platform.declarations.about import About
from feature_platform.declarations.cadence import Cadence
from feature_platform.declarations.derived import ratio
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.declarations.entity import Entity
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.feature_view import feature_view
from feature_platform.declarations.field import Field
from feature_platform.declarations.label import label
from feature_platform.declarations.monitor import Monitor
from feature_platform.declarations.on_demand import on_demand
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Project
from feature_platform.declarations.request import Request
from feature_platform.declarations.row import Row
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.split import Sample, Split, Weights
from feature_platform.declarations.suite import expectations_from_suite
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.union import Union
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.ground.secret import Secret
from feature_platform.parts import sources
from feature_platform.parts.aggregations import (
    Any,
    BottomK,
    Count,
    CountDistinct,
    First,
    FirstN,
    Histogram,
    Kurtosis,
    Last,
    LastN,
    Max,
    Mean,
    Min,
    Mode,
    Quantile,
    Rate,
    Recency,
    Skew,
    Std,
    Sum,
    TimeTo,
    TopK,
    Var,
)
from feature_platform.parts.imputation import Impute

if TYPE_CHECKING:
    import dagster as dg

    from feature_platform import access, online, testing
    from feature_platform.compute.joins.point_in_time import point_in_time_join
    from feature_platform.declarations.project import project_of
    from feature_platform.ground import errors
    from feature_platform.lineage.tree import lineage_tree
    from feature_platform.monitoring import alerting as alerts
    from feature_platform.monitoring.comparison import drift_report, drift_scores
    from feature_platform.monitoring.partitions import monitor_asset
    from feature_platform.monitoring.watching import take_in
    from feature_platform.offline import CommitStamp
    from feature_platform.offline.store import OfflineStore
    from feature_platform.online.spool import Spool
    from feature_platform.parts import aggregations, alert_channels
    from feature_platform.pipelines.completeness import incomplete_tables
    from feature_platform.pipelines.maintenance import maintain_all
    from feature_platform.pipelines.materialization import materialize
    from feature_platform.pipelines.plan import stale_assets
    from feature_platform.pipelines.pushes.flushing import flush
    from feature_platform.quality.suites import suite_of
    from feature_platform.serving import online_features
    from feature_platform.serving.applying import Target
    from feature_platform.serving.publication import publish
    from feature_platform.serving.pushing import push
    from feature_platform.settings import Settings, loaded_settings
    from feature_platform.training.fitted import imputation_statistics
    from feature_platform.training.historical import explain, historical_features
    from feature_platform.training.reproduction import reproduce_training_set
    from feature_platform.training.sets import build_training_set
    from feature_platform.upkeep.migration import migrate, plan_migration
    from feature_platform.upkeep.orphans import drop_orphans, find_orphans
    from feature_platform.upkeep.pinning import release, roll_back
    from feature_platform.verification.version_diff import diff_versions
    from feature_platform.verification.why import why, why_row

__all__ = [
    "About",
    "Any",
    "BottomK",
    "Cadence",
    "CommitStamp",
    "Count",
    "CountDistinct",
    "DriftRule",
    "Entity",
    "Expect",
    "FeaturePlatformError",
    "FeatureService",
    "Field",
    "First",
    "FirstN",
    "Histogram",
    "Impute",
    "Kurtosis",
    "Last",
    "LastN",
    "Max",
    "Mean",
    "Min",
    "Mode",
    "Monitor",
    "OfflineStore",
    "Partitions",
    "Project",
    "Quantile",
    "Rate",
    "Recency",
    "Request",
    "Row",
    "Sample",
    "Secret",
    "Settings",
    "Skew",
    "Source",
    "Spine",
    "Split",
    "Spool",
    "Std",
    "Sum",
    "Target",
    "TimeTo",
    "TopK",
    "TrainingSet",
    "Union",
    "Var",
    "Weights",
    "access",
    "aggregations",
    "alert_channels",
    "alerts",
    "build_training_set",
    "definitions",
    "diff_versions",
    "drift_report",
    "drift_scores",
    "drop_orphans",
    "errors",
    "expectations_from_suite",
    "explain",
    "feature_view",
    "find_orphans",
    "flush",
    "historical_features",
    "imputation_statistics",
    "incomplete_tables",
    "label",
    "lineage_tree",
    "loaded_settings",
    "maintain_all",
    "materialize",
    "migrate",
    "monitor_asset",
    "on_demand",
    "online",
    "online_features",
    "plan_migration",
    "point_in_time_join",
    "project_of",
    "publish",
    "push",
    "ratio",
    "release",
    "reproduce_training_set",
    "roll_back",
    "sources",
    "stale_assets",
    "suite_of",
    "take_in",
    "testing",
    "why",
    "why_row",
]


def definitions(project: ModuleType | Project, settings: "Settings | None" = None) -> "dg.Definitions":
    """Return the Dagster code location of a project: `defs = fp.definitions(my_module)`.

    Args:
        project: a module of declarations.
        settings: where the stores are. Defaults to those of `pyproject.toml` and the environment.

    Raises:
        FeaturePlatformError: a declaration is wrong; the sentence says which, and what to do.
    """
    from feature_platform.orchestration.code_location import code_location

    return code_location(project, settings)


_HOMES = {
    "CommitStamp": "offline",
    "OfflineStore": "offline.store",
    "Settings": "settings",
    "Spool": "online.spool",
    "Target": "serving.applying",
    "build_training_set": "training.sets",
    "diff_versions": "verification.version_diff",
    "drift_report": "monitoring.comparison",
    "drift_scores": "monitoring.comparison",
    "drop_orphans": "upkeep.orphans",
    "explain": "training.historical",
    "find_orphans": "upkeep.orphans",
    "flush": "pipelines.pushes.flushing",
    "historical_features": "training.historical",
    "imputation_statistics": "training.fitted",
    "incomplete_tables": "pipelines.completeness",
    "lineage_tree": "lineage.tree",
    "loaded_settings": "settings",
    "maintain_all": "pipelines.maintenance",
    "materialize": "pipelines.materialization",
    "migrate": "upkeep.migration",
    "monitor_asset": "monitoring.partitions",
    "online_features": "serving",
    "plan_migration": "upkeep.migration",
    "point_in_time_join": "compute.joins.point_in_time",
    "project_of": "declarations.project",
    "publish": "serving.publication",
    "push": "serving.pushing",
    "release": "upkeep.pinning",
    "reproduce_training_set": "training.reproduction",
    "roll_back": "upkeep.pinning",
    "stale_assets": "pipelines.plan",
    "suite_of": "quality.suites",
    "take_in": "monitoring.watching",
    "why": "verification.why",
    "why_row": "verification.why",
}
_ROOMS = {
    "access": "access",
    "aggregations": "parts.aggregations",
    "alert_channels": "parts.alert_channels",
    "alerts": "monitoring.alerting",
    "errors": "ground.errors",
    "online": "online",
    "testing": "testing",
}


def __getattr__(name: str) -> object:
    """Load a name that needs numpy or deltalake when it is first used."""
    if name in _ROOMS:
        return import_module(f"feature_platform.{_ROOMS[name]}")
    if name not in _HOMES:
        raise AttributeError(f"module 'feature_platform' has no attribute {name!r}")
    return getattr(import_module(f"feature_platform.{_HOMES[name]}"), name)
