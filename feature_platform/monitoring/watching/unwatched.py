"""Assets and columns that are no longer watched: alerts about them end and say why, instead of staying open."""

from collections.abc import Mapping

from feature_platform.compute.transforms.rows import watched_columns
from feature_platform.declarations.project import Asset, is_partitioned
from feature_platform.declarations.source import Source
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.findings import DIFFERENCES, LEVELS, FindingKind
from feature_platform.monitoring.alerting import Alert, AlertStore
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot


def find_unwatched(snapshot: ProjectSnapshot, alerts: AlertStore) -> Mapping[str, str]:
    """Return why some active alerts can never end by themselves: their asset, monitor, column or rule is gone.

    Of assets that the project does not have those count that it found something about: others are of other projects.
    """
    active = [each for each in alerts.book().alerts.values() if each.is_active]
    assets = {each.asset: each for each in snapshot.project.assets}
    whys = {each.fingerprint: _why(snapshot, assets.get(each.finding.asset), each) for each in active}
    return {key: why for key, why in whys.items() if why is not None}


def _why(snapshot: ProjectSnapshot, asset: Asset | None, alert: Alert) -> str | None:
    finding = alert.finding
    if asset is None:
        return f"{finding.asset} is no longer declared" if finding.project == snapshot.project.name else None
    if finding.kind == FindingKind.FRESHNESS:
        declared = isinstance(asset, Source) and asset.freshness is not None and asset.event_time is not None
        return None if declared else f"{finding.asset} declares no freshness any more"
    if finding.kind == FindingKind.LATE_PARTITION:
        return None if is_partitioned(asset) else f"{finding.asset} has no partitions any more"
    if finding.kind in DIFFERENCES and (isinstance(asset, TrainingSet) or asset.monitor is None):
        return f"{finding.asset} has no monitor any more"
    if finding.column is None or finding.kind not in LEVELS:
        return None
    if finding.kind == FindingKind.SCHEMA:  # a missing column is what it is about
        return None
    return _column_gone(snapshot, asset, finding.kind, finding.column)


def _column_gone(snapshot: ProjectSnapshot, asset: Asset, kind: str, column: str) -> str | None:
    version_range = snapshot.version_range(asset.asset)
    if version_range is None:
        return None
    schema = snapshot.store.read(asset.asset, version=version_range.upto).collect_schema()
    if column not in schema:
        return f"{asset.asset} has no column {column} any more"
    if kind != FindingKind.DRIFT or isinstance(asset, TrainingSet) or asset.monitor is None:
        return None
    columns = asset.monitor.columns
    compared = watched_columns(asset, schema) if columns is None else columns
    return None if column in compared else f"the monitor of {asset.asset} no longer compares {column}"
