"""Accepted levels: the levels that people accepted as the new normal, one row each in table `accepted`.

Rows are only appended. They are stored with the tables, not with the alerts, because judging reads them wherever it
runs.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import polars as pl

from feature_platform.ground.table_names import TableKind
from feature_platform.offline.commits import Commit, CommitStamp
from feature_platform.offline.store import OfflineStore

ACCEPTED = TableKind.ACCEPTED.value

_VERSION = "version "
_SCHEMA = pl.Schema(
    {
        "asset": pl.String(),
        "kind": pl.String(),
        "column": pl.String(),
        "since": pl.String(),
        "upto": pl.String(),
        "by": pl.String(),
        "note": pl.String(),
        "at": pl.Datetime("us", "UTC"),
    }
)


@dataclass(frozen=True)
class AcceptedLevel:
    """A level that somebody accepted: what began in a partition is normal from then on.

    Attributes:
        kind, column: of the alert. For a column the level is accepted whatever the kind, for a table as a whole by its
            kind.
        since: the first partition of the new level; for a table without partitions the name of its first version.
            Earlier ones do not count any more.
        upto: the newest partition or version at that time; an alert after it is another problem.
        by, note, at: who accepted it, why, and when (UTC).
    """

    asset: str
    kind: str
    column: str | None
    since: str
    upto: str
    by: str
    note: str
    at: datetime

    @property
    def start_label(self) -> str:
        """Return the start of the level for people: a partition, or `version 12`."""
        number = self.since.removeprefix(_VERSION)
        return self.since if number == self.since else f"{_VERSION}{int(number)}"


def version_name(version: int) -> str:
    """Return the name of a version of a table without partitions.

    Such names sort as their versions do, and no partition key looks like one.

    >>> version_name(12)
    'version 000000000012'
    """
    return f"{_VERSION}{version:012d}"


def accept_levels(store: OfflineStore, levels: list[AcceptedLevel]) -> Commit:
    """Append accepted levels in one commit; concurrent appends all succeed.

    Raises:
        WriteFailed: storage refuses; nothing was accepted.
    """
    rows = [[getattr(each, name) for name in _SCHEMA] for each in levels]
    frame = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    return store.append(ACCEPTED, frame, stamp=CommitStamp(uuid4().hex, levels[0].asset, ""))


def read_accepted_levels(store: OfflineStore, asset: str | None = None) -> list[AcceptedLevel]:
    """Return the levels that were accepted for an asset, or for all assets, oldest first."""
    if not store.exists(ACCEPTED):
        return []
    rows = store.read(ACCEPTED)
    if asset is not None:
        rows = rows.filter(pl.col("asset") == asset)
    ordered = rows.select(_SCHEMA.names()).sort("at", "since", maintain_order=True).collect()
    return [AcceptedLevel(**row) for row in ordered.iter_rows(named=True)]
