"""Rollbacks: a table gets an older version again and is pinned to it, and what is served follows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args
from uuid import uuid4

from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.project import Asset
from feature_platform.declarations.view import FeatureView
from feature_platform.offline import Commit, CommitStamp, OfflineStore
from feature_platform.online.base import OnlineStore
from feature_platform.serving.publication import Publication, publish


@dataclass(frozen=True)
class RolledBack:
    """The result of a rollback.

    Attributes:
        commit: of the table, with the partitions that changed.
        publications: of the views whose served values were made from it.
    """

    commit: Commit
    publications: Sequence[Publication]


def roll_back(
    asset: Asset,
    store: OfflineStore,
    version: int,
    online: OnlineStore | None = None,
    *,
    views: Iterable[FeatureView] = (),
    now: datetime | None = None,
) -> RolledBack:
    """Restore an older version of an asset's table as a new one, and pin it until `release`.

    No run changes the restored partitions while the pin lasts. Later partitions are computed as before, unless the
    restored version was made by other code than the declared: then they wait, too.

    Args:
        online: the store in which what is served of the table follows at once; only views that it serves are published.
        views: other views that may be served from the table, as exact views are from the events of their source.

    Raises:
        VersionNotFound: the version is not in the log, or its files were vacuumed; nothing has changed.
        OnlineStoreFailed: the table is rolled back, and the online store still serves what it held.
    """
    _require_asset("fp.roll_back", asset)
    commit = store.rollback(asset.asset, version, stamp=CommitStamp(uuid4().hex, asset.asset, ""))
    candidates = [*([asset] if isinstance(asset, FeatureView) else []), *views]
    published = [] if online is None else republish(asset.asset, candidates, store, online, now=now)
    return RolledBack(commit, published)


def republish(
    table: str, views: Iterable[FeatureView], store: OfflineStore, online: OnlineStore, *, now: datetime | None = None
) -> list[Publication]:
    """Publish those of some views again that are served from a table.

    Raises:
        OnlineStoreFailed: the online store refused; what it held is still served.
    """
    moment = now or datetime.now(UTC)
    served = [
        view for view in dict.fromkeys(views) if table in view.tables_read and online.table(view.name) is not None
    ]
    return [each for view in served for each in publish(view, store, online, now=moment)]


def release(asset: Asset, store: OfflineStore) -> bool:
    """End the pin of an asset's table, so that the next runs bring it up to date; return False when there was none."""
    _require_asset("fp.release", asset)
    if store.pin(asset.asset) is None:
        return False
    store.release(asset.asset, stamp=CommitStamp(uuid4().hex, asset.asset, ""))
    return True


def _require_asset(function: str, value: object) -> None:
    require_kind(function, value, get_args(Asset), "a source, a feature view, a label or a training set")
