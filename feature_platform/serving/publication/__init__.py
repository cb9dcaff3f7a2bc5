"""Publishing: the newest offline values of views into the online store.

Afterwards the online store has what one version of the offline table says, with the pushed rows that this version does
not hold yet. Publishing again changes nothing.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never

from feature_platform.compute.serving.learnt import learnt_table, served_statistics
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureView
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.errors import OnlineConflict
from feature_platform.ground.progress import count_steps
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.offline.soundness import convert_damage_errors
from feature_platform.online.base import OnlineStore
from feature_platform.serving.publication.base import OfflineVersion, carry_nothing, commits_of, has_same_shape
from feature_platform.serving.publication.exact import ExactVersion
from feature_platform.serving.publication.outcomes import Publication as Publication
from feature_platform.serving.publication.outcomes import PublicationResults, join_publications
from feature_platform.serving.publication.parts import HistoryTooLong, find_parts, open_parts, remove_histories
from feature_platform.serving.publication.row import RowVersion
from feature_platform.serving.publication.snapshot import SnapshotVersion
from feature_platform.training.fitted import imputation_statistics, is_fitted

_TRIES = 5


def publish(
    wanted: FeatureView | FeatureService, store: OfflineStore, online: OnlineStore, *, now: datetime | None = None
) -> PublicationResults:
    """Publish the newest offline version of views into the online store.

    Args:
        wanted: a view, or a service for all of its views.
        now: values that no moment from then on can see are left out; the current time by default.

    Raises:
        TableNotFound: a view (for an exact view its source) was never materialized.
        OnlineStoreFailed: the online store refused; the values before are still served.
        OnlineConflict: other processes published the same view, again and again.
    """
    require_kind("fp.publish", wanted, (FeatureView, FeatureService), "a feature view or a feature service")
    moment = now or datetime.now(UTC)
    views = wanted.stored_views if isinstance(wanted, FeatureService) else (wanted.original,)
    done = [_publish_view(view, store, online, moment) for view in count_steps(views, "publishing", len(views))]
    if isinstance(wanted, FeatureService) and (learnt := publish_statistics(wanted, store, online, moment)):
        done.append(learnt)
    return PublicationResults(done)


def publish_statistics(
    service: FeatureService, store: OfflineStore, online: OnlineStore, now: datetime
) -> Publication | None:
    """Publish what the imputations of a service have learnt; None where no training set taught them yet."""
    name = TableKind.IMPUTATION.of(service.name)
    if not is_fitted(service) or not store.exists(name):
        return None
    versions, base = {name: store.latest_version(name)}, online.table(learnt_table(service.name))
    origin = store.table_id(name)
    if base is not None and (base.versions, base.origin) == (versions, origin) and not is_of_another_past(base, store):
        return Publication(base, "unchanged", 0)
    statistics = imputation_statistics(service, store, versions[name])
    table, entries = served_statistics(service.name, statistics, versions=versions, now=now)
    whole = replace(table, origin=origin, commits=commits_of(store, versions))
    built = online.build(base, whole, [entries] if entries.height else [], carry_nothing)
    return Publication(built, "built", built.entries)


def is_of_another_past(base: ServedTable, store: OfflineStore) -> bool:
    """Tell whether a published version is not in the store, or is another one: a backup was restored since.

    A version that the log has forgotten, or that was published before commits were noted, is taken for the same.
    """
    return any(_is_another(name, version, base.commits.get(name), store) for name, version in base.versions.items())


def _publish_view(view: FeatureView, store: OfflineStore, online: OnlineStore, now: datetime) -> Publication:
    with convert_damage_errors([store.location(name) for name in view.tables_read], f"Publishing `{view.name}`"):
        for _ in range(_TRIES - 1):
            try:
                return _try_publish_all(view, store, online, now)
            except OnlineConflict:
                continue  # another process published meanwhile: perhaps nothing is left to do
        return _try_publish_all(view, store, online, now)


def _try_publish_all(view: FeatureView, store: OfflineStore, online: OnlineStore, now: datetime) -> Publication:
    """Try once to publish a view, an enriched one in parts where that can be: histories before the events."""
    before, parts = online.table(view.name), find_parts(view, store)
    try:
        opened = open_parts(view, parts, store, now) if parts else [_open_newest(view, store, now)]
        published = [_try_publish(each, online) for each in opened]
    except HistoryTooLong:
        parts, published = None, [_try_publish(_open_newest(view, store, now), online)]
    kept = {*(parts.names if parts else ()), *(before.histories.values() if before else ())}
    remove_histories(view.name, online, kept)  # not those that were served until now: readers may still look there
    return join_publications(published)


def _try_publish(offline: OfflineVersion, online: OnlineStore) -> Publication:
    """Try once to change what is served into what should be."""
    base, store = online.table(offline.view.name), offline.store
    if base is None or not has_same_shape(base, offline.table) or is_of_another_past(base, store):
        return offline.build(online, base)
    if base.versions == offline.table.versions:
        return Publication(base, "unchanged", 0)
    if any(store.changed_since(name, base.versions[name]) for name in offline.others):
        return offline.build(online, base)
    changed = set[str]().union(*(store.changed_since(name, base.versions[name]) for name in offline.names))
    if changed or offline.may_count_twice:
        return offline.update(online, base, changed)
    table = replace(offline.table, newest=base.newest, instants=base.instants)
    return Publication(online.change(base, table, [], [], offline.carry), "changed", 0)


def _open_newest(view: FeatureView, store: OfflineStore, now: datetime) -> OfflineVersion:
    match view.kind:
        case ViewKind.ROW:
            return RowVersion.open_newest(view, store, now)
        case ViewKind.SNAPSHOT:
            return SnapshotVersion.open_newest(view, store, now)
        case ViewKind.EXACT:
            return ExactVersion.open_newest(view, store, now)
        case _:
            assert_never(view.kind)


def _is_another(name: str, version: int, commit: str | None, store: OfflineStore) -> bool:
    if not store.exists(name) or version > store.latest_version(name):
        return True
    return commit is not None and store.commit_id(name, version) not in (None, commit)
