"""The content hash of a partition: of its rows, or in old commits of its rows in their order.

A partition whose commit has the old hash keeps it until its rows change, so that old rows do not look changed.
"""

from collections.abc import Sequence

import polars as pl

from feature_platform.ground.content import (
    RunningOrderedHash,
    RunningRowsHash,
    is_rows_hash,
    ordered_hash,
    rows_hash,
    rows_hashes,
)
from feature_platform.ground.working_columns import ROW


def content_hashes_of(partitions: Sequence[pl.DataFrame], known_hashes: Sequence[str | None]) -> list[str]:
    """Return the content hash of each of some partitions, sorted as they are stored.

    Args:
        known_hashes: the hash in the newest commit of each partition; None when it has none.
    """
    hashes = rows_hashes(partitions)
    return [
        before if before is not None and not is_rows_hash(before) and ordered_hash(rows) == before else digest
        for rows, digest, before in zip(partitions, hashes, known_hashes, strict=True)
    ]


def content_hashes_of_nothing(schema: pl.Schema) -> tuple[str, str]:
    """Return the content hash of a partition without rows, and the one that old commits have for it."""
    return RunningRowsHash(schema).hexdigest(), RunningOrderedHash(schema).hexdigest()


def has_content(rows: pl.DataFrame, digest: str) -> bool:
    """Tell whether the rows of a partition, as they are stored, are those whose hash a commit has.

    For a table that keeps the order of its rows, the hash itself says whether that order is content.
    """
    if not is_rows_hash(digest):
        return ordered_hash(rows) == digest
    return digest in {rows_hash(rows), rows_hash(rows.drop(ROW, strict=False))}


class RunningContent:
    """The content hash of a partition whose rows arrive in batches, in the order in which they are stored.

    Args:
        known_hash: the hash in the newest commit; None when it has none.
        order_counts: whether another order of the same rows is other content, by the column `fp_row`.
    """

    def __init__(self, schema: pl.Schema, known_hash: str | None, *, order_counts: bool) -> None:
        self._without = () if order_counts else (ROW,)
        self._rows = RunningRowsHash({name: each for name, each in schema.items() if name not in self._without})
        self._known = known_hash
        self._ordered = None if known_hash is None or is_rows_hash(known_hash) else RunningOrderedHash(schema)

    def update(self, batch: pl.DataFrame) -> None:
        """Add the next rows."""
        self._rows.update(batch)
        if self._ordered is not None:
            self._ordered.update(batch)

    def hexdigest(self) -> str:
        """Return the hash of all rows so far."""
        if self._ordered is not None and self._ordered.hexdigest() == self._known:
            return str(self._known)
        return self._rows.hexdigest()
