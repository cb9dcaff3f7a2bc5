"""Versions: a table without partitions, seen as if each of its contents were a partition named after its version.

Its monitoring table holds the answers about the newest content only. What alarmed in earlier ones is in the stamps
of the commits of that table, so that judging reads two logs and no old file.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace

import polars as pl

from feature_platform.ground.findings import FindingKind
from feature_platform.monitoring.judging.snapshot import TableSnapshot
from feature_platform.offline import OfflineStore
from feature_platform.offline.accepted import version_name
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE
from feature_platform.offline.profiles import profiled_contents

Thing = tuple[str, str | None]
"""What is learnt about: `("", column)` whatever the kind of finding, or `(kind, None)` of the table as such."""

_CONTENT, _ALARMED = "content", "alarmed"  # in stamps


def thing_of(kind: str, column: str | None) -> Thing:
    """Return what a row of a monitoring table is about.

    >>> thing_of("unit", "amount"), thing_of("volume", None)
    (('', 'amount'), ('volume', None))
    """
    return ("", column) if column is not None else (kind, None)


def by_version(snapshot: TableSnapshot) -> TableSnapshot:
    """Return a table without partitions as if each of its contents were a partition, named after its newest version.

    The newest content is there under the newest version. Earlier ones are those that have a profile.
    """
    contents = snapshot.store.contents(snapshot.asset.asset)
    newest = snapshot.states[WHOLE]
    states: dict[str, PartitionState] = {}
    seen = {newest.hash, None}
    for version, state in contents.replacements:
        if version < snapshot.version and state.hash not in seen:
            seen.add(state.hash)
            states[version_name(version)] = state
    hashes = [state.hash for state in states.values() if state.hash is not None]
    profiled = profiled_contents(snapshot.store, snapshot.asset.asset, hashes)
    known = {name: state for name, state in states.items() if state.hash in profiled}
    return replace(snapshot, states={**known, version_name(snapshot.version): newest})


def stamped_alarms(content: str, rows: pl.DataFrame) -> dict[str, str]:
    """Return the part of a commit's stamp that says what alarmed in a content; severity `info` does not count.

    Args:
        rows: the answers.
    """
    alarming = rows.filter(
        pl.col("alarm").fill_null(value=False),
        pl.col("severity").ne_missing("info"),
        pl.col("kind") != FindingKind.FOREIGN_WRITE,
    )
    things = dict.fromkeys(thing_of(kind, column) for kind, column in alarming.select("kind", "column").iter_rows())
    return {_CONTENT: content, _ALARMED: json.dumps(list(things))}


def alarms_by_content(store: OfflineStore, monitored: str) -> Mapping[str, Collection[Thing]]:
    """Return what alarmed in each content that was judged, by the newest answer about it.

    Answers of releases that did not write stamps do not count.

    Args:
        monitored: the table of answers.
    """
    if not store.exists(monitored):
        return {}
    alarms: dict[str, Collection[Thing]] = {}
    for _, state in store.contents(monitored).replacements:
        if _ALARMED in state.extra:
            things = json.loads(state.extra[_ALARMED])
            alarms.setdefault(state.extra[_CONTENT], [(str(kind), column) for kind, column in things])
    return alarms
