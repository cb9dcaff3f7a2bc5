"""What is not up to date, as work for a sensor: tables and served views, each with a digest of what it reads.

A run that failed is launched again a few times; after that only when the digest has changed.
"""

import hashlib
from collections.abc import Mapping

from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.project import Asset, Project, asset_upstream
from feature_platform.declarations.source import Source
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import moment_of
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.online.base import OnlineStore
from feature_platform.orchestration.batches import Due, has_ended
from feature_platform.pipelines.plan import known_partitions, stale_assets
from feature_platform.serving.catalogue import stale_online
from feature_platform.training.fitted import is_fitted


def find_outdated(project: Project, store: OfflineStore, online: OnlineStore, now: int) -> Due:
    """Find the tables and served views that a run would change, in partitions that have ended.

    A run does not delete published rows by itself, so partitions that wait for such a decision are not due. A partition
    that has not ended is not a partition of Dagster's yet, and would be computed again with every new row.

    Args:
        now: microseconds since 1970-01-01 UTC.
    """
    moment = moment_of(now)
    keys = [key for key in known_partitions(project, store, moment) if has_ended(key, project.partitions, now)]
    stale = [each for each in stale_assets(project, store, keys, now=moment) if each.due_partitions]
    behind = stale_online(project, store, online, [each.asset for each in stale])
    if not stale and not behind:
        return {}
    read = input_digests_of(project, store)
    due = {each.asset: {key: f"{why} {read[each.asset]}" for key, why in each.due_partitions.items()} for each in stale}
    everything = _digest(*read.values(), *(_version(each.asset, store) for each in project.assets))
    return due | {name: {WHOLE: f"{why} {everything}"} for name, why in behind.items()}


def served_names(project: Project) -> list[str]:
    """Return the names of all assets that may be served."""
    views = [f"online/{each.name}" for each in project.assets if isinstance(each, FeatureView)]
    sets = [each for each in project.assets if isinstance(each, TrainingSet) and is_fitted(each.service)]
    return [*views, *dict.fromkeys(f"online/{TableKind.IMPUTATION.of(each.service.name)}" for each in sets)]


def input_digests_of(project: Project, store: OfflineStore) -> Mapping[str, str]:
    """Return for each asset a hash of its code and of all that it reads, directly or not; not of its own table."""
    digests: dict[str, str] = {}
    for asset in project.assets:
        above = (f"{each.asset} {_version(each.asset, store)} {digests[each.asset]}" for each in asset_upstream(asset))
        digests[asset.asset] = _digest(code_version(asset), *_raw(asset, store), *above)
    return digests


def _raw(asset: Asset, store: OfflineStore) -> list[str]:
    if not isinstance(asset, Source):
        return []
    return [asset.connector.fingerprint(asset.name), _version(TableKind.PUSHES.of(asset.name), store)]


def _version(table: str, store: OfflineStore) -> str:
    return f"{store.table_id(table)} {store.latest_version(table)}" if store.exists(table) else "none"


def _digest(*facts: str) -> str:
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=16).hexdigest()
