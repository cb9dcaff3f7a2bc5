"""The register of tables: which ones a store has, and of which declaration, also when storage cannot be listed."""

from collections.abc import Iterable, Iterator

from feature_platform.offline import OfflineStore
from feature_platform.offline.accepted import ACCEPTED
from feature_platform.offline.runs import RUNS
from feature_platform.pipelines.holders import HOLDERS

_OF_THE_STORE = (RUNS, ACCEPTED, HOLDERS)
_KINDS = ("sources", "views", "labels", "training_sets")
_BESIDE = ("quarantine", "late", "profiles", "layouts", "monitoring")  # `<kind>/<asset>`
_OF_SOURCES = ("pushes", "units")  # `<kind>/<source>`
_OF_SERVICES = ("imputation", "requests", "skew", "consistency")  # `<kind>/<service>`


def known_tables(store: OfflineStore, services: Iterable[str] = ()) -> list[str]:
    """Return the names of the tables of a store, sorted.

    A local store lists its tables. An object store cannot: there, the records of runs say which assets have ever been
    run, and the tables of services are known by their names.
    """
    if store.location(RUNS).folder is not None:
        return store.tables()
    if not store.exists(RUNS):
        return []
    ran = store.read(RUNS).select("asset").unique().collect()["asset"].to_list()
    assets = [name for name in ran if name.partition("/")[0] in _KINDS]
    return sorted(name for name in {*_OF_THE_STORE, *_of(assets, services)} if store.exists(name))


def table_owner(table: str) -> str | None:
    """Return the declaration that a table belongs to; None for tables of the whole store, and for unknown ones.

    >>> [table_owner(table) for table in ("quarantine/sources/orders", "units/orders", "requests/shop", "runs")]
    ['sources/orders', 'sources/orders', 'services/shop', None]
    """
    kind, _, rest = table.partition("/")
    if kind in _BESIDE:
        kind, _, name = rest.partition("/")
        return rest if kind in _KINDS and name else None
    if kind in _OF_SOURCES:
        return f"sources/{rest}"
    if kind in _OF_SERVICES:
        return f"services/{rest}"
    return table if kind in _KINDS and rest else None


def _of(assets: Iterable[str], services: Iterable[str]) -> Iterator[str]:
    """Yield the names that tables of some assets and services would have."""
    for asset in assets:
        yield asset
        yield from (f"{kind}/{asset}" for kind in _BESIDE)
        if asset.startswith("sources/"):
            yield from (f"{kind}/{asset.removeprefix('sources/')}" for kind in _OF_SOURCES)
    for service in services:
        yield from (f"{kind}/{service}" for kind in _OF_SERVICES)
