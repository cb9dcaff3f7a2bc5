"""Publishing staged rows: one commit that names the files of the partitions that differ, and no others.

Equal rows are recognized by content hash, so late data rewrites only the partitions it touches, and writing the same
rows twice makes no second version. Every commit is exclusive: a writer that loses a race compares again with what the
winner left there, and need not write its files again.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, create_table_with_add_actions

from feature_platform.ground.content import is_rows_hash
from feature_platform.ground.errors import TableMoved, TableNotFound
from feature_platform.ground.working_columns import PARTITION
from feature_platform.offline.commits import (
    Commit,
    CommitStamp,
    allow_wall_clocks,
    commit_properties,
    description_of,
    table_properties,
    update_table_properties,
    with_retries,
)
from feature_platform.offline.history import PartitionState, live_rows, partition_states
from feature_platform.offline.schema import added_columns, delta_schema, has_wall_clock
from feature_platform.offline.staged import Staged
from feature_platform.offline.staging import check_partitioning


def publish_staged(staged: Staged, stamp: CommitStamp) -> Commit:
    """Publish staged rows in one commit; see `OfflineStore.publish`."""
    location = staged.location
    commit, is_new = with_retries(location, lambda: _attempt(staged, stamp))
    if is_new and commit.version:
        update_table_properties(location, stamp, tuple(staged.plan.sort_by))
    return commit


def _attempt(staged: Staged, stamp: CommitStamp) -> tuple[Commit, bool]:
    try:
        table, states = partition_states(staged.location, enough=lambda live: _keys_to_look_up(staged, live))
    except TableNotFound:
        keys = tuple(staged.partitions) if staged.asked is None else staged.asked
        _create(staged, stamp, keys)
        return _commit(staged, 0, keys, keys), True
    schema = pl.Schema(table.schema())
    check_partitioning(staged.location.table, table, staged.plan)
    if staged.plan.made_from not in (None, table.version()):
        raise TableMoved(staged.location.table)
    added = _other_columns(staged, schema)
    keys = tuple(sorted({*live_rows(table), *staged.partitions})) if staged.asked is None else staged.asked
    changed = tuple(key for key in keys if _differs(staged, states.get(key), key))
    confirmed = tuple(key for key in keys if key not in changed and _is_news(staged, states.get(key), key, stamp))
    if not changed and not confirmed:
        return _commit(staged, table.version(), keys, ()), False
    if any(has_wall_clock(staged.schema[name]) for name in added):
        table = allow_wall_clocks(staged.location, table, stamp)
    if staged.plan.reshapes and dict(_columns(staged)) != dict(schema):
        _reshape(staged, table, stamp, keys)
        return _commit(staged, table.version() + 1, keys, keys), True
    remade = [key for key in changed if key not in staged.damaged]
    unrepeatable = tuple(key for key in remade if _is_unrepeatable(states.get(key), key, stamp))
    _replace(staged, table, stamp, changed, confirmed, unrepeatable)
    return replace(_commit(staged, table.version() + 1, keys, changed), unrepeatable=unrepeatable), True


def _other_columns(staged: Staged, schema: pl.Schema) -> list[str]:
    """Return the columns that the table lacks or has in another type; `SchemaChanged` where that is not allowed."""
    columns = _columns(staged)
    if staged.plan.reshapes:
        return [name for name, dtype in columns.items() if schema.get(name) != dtype]
    return added_columns(staged.location.table, schema, columns)


def _create(staged: Staged, stamp: CommitStamp, keys: Sequence[str]) -> None:
    """Write version 0, exclusively: two writers that both create the table and retry would both succeed."""
    columns, location = list(_columns(staged)), staged.location
    adds = _add_actions(staged, keys)
    with _commit_files(staged, keys):
        create_table_with_add_actions(
            location.uri,
            delta_schema(_columns(staged), comments=stamp.comments),
            adds,
            partition_by=[PARTITION] if staged.plan.is_partitioned else None,
            configuration=table_properties(location, columns, tuple(staged.plan.sort_by)),
            description=description_of(stamp),
            storage_options=location.storage_options,
            commit_properties=commit_properties(
                stamp, "replace", exclusive=True, **_commit_facts(staged, stamp, keys, ())
            ),
        )


def _replace(
    staged: Staged,
    table: DeltaTable,
    stamp: CommitStamp,
    changed: Sequence[str],
    confirmed: Sequence[str],
    unrepeatable: Sequence[str],
) -> None:
    """Replace what the changed partitions hold by what is staged."""
    adds = _add_actions(staged, changed)
    facts = _commit_facts(staged, stamp, changed, confirmed) | {"unrepeatable": list(unrepeatable) or None}
    filters = [(PARTITION, "in", list(changed))] if staged.plan.is_partitioned else None
    with _commit_files(staged, changed):
        table.create_write_transaction(
            [*adds],
            "overwrite" if changed else "append",
            delta_schema(_columns(staged), table.schema(), stamp.comments) if changed else table.schema(),
            partition_by=[PARTITION] if staged.plan.is_partitioned else None,
            partition_filters=filters if changed else None,
            commit_properties=commit_properties(stamp, "replace", exclusive=True, **facts),
        )


def _reshape(staged: Staged, table: DeltaTable, stamp: CommitStamp, keys: Sequence[str]) -> None:
    """Replace all that the table holds by what is staged, in the columns of the staged rows."""
    adds = _add_actions(staged, keys)
    with _commit_files(staged, keys):
        table.create_write_transaction(
            [*adds],
            "overwrite",
            delta_schema(_columns(staged), comments=stamp.comments),
            partition_by=[PARTITION] if staged.plan.is_partitioned else None,
            commit_properties=commit_properties(
                stamp, "replace", exclusive=True, **_commit_facts(staged, stamp, keys, ())
            ),
        )


@contextmanager
def _commit_files(staged: Staged, keys: Sequence[str]) -> Iterator[None]:
    """Commit the files of partitions in this block; they are removed only if the commit certainly did not happen."""
    staged.published = frozenset(keys)
    try:
        yield
    except CommitFailedError:
        staged.published = frozenset()
        raise


def _add_actions(staged: Staged, keys: Sequence[str]) -> list[AddAction]:
    return [file.add_action() for key in keys for file in staged.files(key)]


def _columns(staged: Staged) -> pl.Schema:
    """Return the columns of the table, as far as the rows have them."""
    return pl.Schema({**staged.schema, PARTITION: pl.String()}) if staged.plan.is_partitioned else staged.schema


def _commit_facts(
    staged: Staged, stamp: CommitStamp, changed: Sequence[str], confirmed: Sequence[str]
) -> dict[str, object]:
    facts = staged.facts([*changed, *confirmed])
    for key in facts.keys() & stamp.delivered.keys():
        facts[key]["delivered"] = stamp.delivered[key]
    for key in facts.keys() & stamp.units.keys():
        facts[key]["units"] = stamp.units[key]
    origins: list[dict[str, object]] = []
    for key in facts.keys() & stamp.origins.keys():
        origin = stamp.origins[key]
        shared = origin.shared_facts()
        if shared not in origins:
            origins.append(shared)
        facts[key] |= {"origin": origins.index(shared), "delivered": origin.delivered, "units": origin.units}
        if origin.hash is None:
            facts[key]["hash"] = None
    return {
        **({"origins": origins} if origins else {}),
        "partitions": facts,
        "columns": list(staged.schema),
        "rows_added": sum(staged.length(key) for key in changed),
        "sort_by": list(staged.plan.sort_by),
    }


def _keys_to_look_up(staged: Staged, live: Mapping[str, int]) -> set[str]:
    """Return the partitions whose state in the log is needed.

    A partition without files is empty whatever the log says; the log is needed only if it stays empty.
    """
    keys = {*live, *staged.partitions} if staged.asked is None else staged.asked
    return {key for key in keys if key in live or not staged.length(key)}


def _differs(staged: Staged, state: PartitionState | None, key: str) -> bool:
    if state is None:
        return staged.length(key) > 0
    if key in staged.damaged:
        return True
    return state.hash != staged.hash(key) and (state.rows > 0 or staged.length(key) > 0)


def _is_news(staged: Staged, state: PartitionState | None, key: str, stamp: CommitStamp) -> bool:
    """Tell whether the log has to note rows that are the same.

    It has to when they were never written, have another origin, or have other columns while empty.
    """
    if state is None or state.hash != staged.hash(key):
        return True
    return (*_origin_of_state(state), state.units) != (*_origin_of_stamp(stamp, key), stamp.units.get(key))


def _is_unrepeatable(state: PartitionState | None, key: str, stamp: CommitStamp) -> bool:
    """Tell whether a partition that gets other rows was made by the same code from the same data before."""
    if state is None or state.hash is None or not is_rows_hash(state.hash) or not (stamp.inputs or stamp.extra):
        return False  # the hash of old tells another order for other rows
    return _origin_of_state(state) == _origin_of_stamp(stamp, key)


def _origin_of_state(state: PartitionState) -> tuple[str | None, dict[str, int], dict[str, str], int | None]:
    """Return the origin that the newest commit of a partition states for its rows."""
    return state.code_version, dict(state.inputs), dict(state.extra), state.delivered


def _origin_of_stamp(stamp: CommitStamp, key: str) -> tuple[str | None, dict[str, int], dict[str, str], int | None]:
    """Return the origin that a commit with this stamp would state for the rows of a partition."""
    return stamp.code_version, dict(stamp.inputs), dict(stamp.extra), stamp.delivered.get(key)


def _commit(staged: Staged, version: int, keys: Sequence[str], changed: Sequence[str]) -> Commit:
    hashes = {key: staged.hash(key) for key in keys}
    return Commit(staged.location.table, version, tuple(changed), hashes, {key: staged.length(key) for key in keys})
