"""Maintenance: keeps all tables of a store fast and small, and the versions behind training sets readable."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import uuid4

from feature_platform.ground.progress import count_steps
from feature_platform.ground.table_names import TableKind, kind_of_table
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.offline.upkeep import Maintenance
from feature_platform.pipelines.tables import STATES_RETENTION, known_tables


def maintain_all(
    store: OfflineStore, tables: Sequence[str] | None = None, *, run_id: str | None = None
) -> list[Maintenance]:
    """Merge small files, checkpoint the logs and remove files that no kept version needs, table by table.

    Versions that a training set was built from stay readable for as long as the training set's own commits are in its
    log, however short the retention. No content changes, so no asset becomes stale.

    Args:
        tables: the names of all tables of the store, training sets among them. Defaults to `known_tables`, which on an
            object store leaves out the tables of services.

    Returns:
        What was done to each table, in their order.

    >>> import polars as pl, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = OfflineStore(folder.name)
    >>> for day in range(3):
    ...     commit = store.append("late/trips", pl.DataFrame({"day": [day]}), stamp=CommitStamp("r", "trips", "1"))
    >>> [(each.table, each.files_compacted, each.files_merged) for each in maintain_all(store)]
    [('late/trips', 3, 1)]
    >>> folder.cleanup()
    """
    names = known_tables(store) if tables is None else tables
    pinned = pinned_versions(store, names)
    run = run_id or uuid4().hex
    brief = replace(store, retention=STATES_RETENTION)  # of states, whose former versions nobody asks for
    return [
        (brief if kind_of_table(name) is TableKind.STATES else store).maintain(
            name, stamp=CommitStamp(run, name, ""), keep_versions=sorted(pinned.get(name, ()))
        )
        for name in count_steps(names, "maintaining tables", len(names))
    ]


def pinned_versions(store: OfflineStore, tables: Iterable[str]) -> dict[str, set[int]]:
    """Return the versions that training sets were built from, by table, as far as they are still in its log."""
    known = set(tables)
    pinned: dict[str, set[int]] = {}
    for name in sorted(known):
        if kind_of_table(name) is TableKind.TRAINING_SETS:
            for table, versions in store.inputs_read(name).items():
                pinned.setdefault(table, set()).update(versions)
    return {
        table: versions & set(store.history(table)["version"]) for table, versions in pinned.items() if table in known
    }
