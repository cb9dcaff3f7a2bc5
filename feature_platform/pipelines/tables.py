"""The tables that a store has, also when its storage cannot be listed."""

from collections.abc import Iterable

from feature_platform.ground.table_names import TableKind, is_asset, table_names_of
from feature_platform.offline import OfflineStore


def known_tables(store: OfflineStore, services: Iterable[str] = ()) -> list[str]:
    """Return the names of the tables of a store, sorted.

    A local store lists its tables. An object store cannot: there, the records of runs say which assets have ever been
    run, and the tables of services are known by their names.
    """
    if store.location(TableKind.RUNS.value).folder is not None:
        return store.tables()
    if not store.exists(TableKind.RUNS.value):
        return []
    ran = store.read(TableKind.RUNS.value).select("asset").unique().collect()["asset"].to_list()
    return sorted(name for name in {*table_names_of(filter(is_asset, ran), services)} if store.exists(name))
