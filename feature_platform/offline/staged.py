"""Staged rows: in files below their table's folder, hashed by partition, not yet named by any version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import polars as pl

from feature_platform.ground.working_columns import PARTITION, ROW
from feature_platform.offline.commits import convert_write_errors
from feature_platform.offline.files import DataFile, remove_files, scan_files, write_files
from feature_platform.offline.names import Location


@dataclass(frozen=True)
class StagePlan:
    """A plan for staging: what is replaced, and how its rows are stored.

    Attributes:
        partitions: the partitions to be replaced; None is the whole table.
        partition_of: the partition of each row; None for a table without partitions.
        sort_by: how the rows of a partition are sorted; rows that tie keep their order.
        ordered: rows are read back in the order in which they arrive, by the column `fp_row`.
        order_counts: another order of the same rows is other content. Otherwise it is the same content, and rows that
            are stored already stay in their order.
        grain: the partition grain, such as `monthly`, that the table must have.
        reshapes: the table takes the columns of these rows, even if it loses columns or changes their types by that.
            Only for rows that replace the whole table.
        made_from: the version of the table that the rows were made from; if it has another one by then, `TableMoved` is
            raised.
    """

    partitions: Sequence[str] | None = None
    partition_of: pl.Expr | str | None = None
    sort_by: Sequence[str] = ()
    ordered: bool = False
    order_counts: bool = False
    grain: str | None = None
    reshapes: bool = False
    made_from: int | None = None

    @property
    def is_partitioned(self) -> bool:
        return self.partition_of is not None


@dataclass(frozen=True)
class StagedPartition:
    """The rows of one partition, in files of their own.

    Attributes:
        kept: the files of the table that hold the same rows already; then there are no new files.
    """

    hash: str
    rows: int
    files: tuple[DataFile, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass
class Staged:
    """Rows that are written and not published; leaving its block removes the files that no commit took.

    Attributes:
        schema: the columns as they are stored, without the partition column.
        asked: the partitions to be replaced; None is all that the table or the rows have.
        empty: the hash of no rows.
        emptied: the hash of no rows, for partitions whose commit has another one for them.
        damaged: the partitions whose rows are the same, in files that are missing or incomplete.
        published: the partitions whose files a commit took.
    """

    location: Location
    plan: StagePlan
    schema: pl.Schema
    asked: tuple[str, ...] | None
    partitions: dict[str, StagedPartition]
    empty: str
    emptied: Mapping[str, str] = field(default_factory=dict)
    damaged: frozenset[str] = field(default=frozenset())
    published: frozenset[str] = field(default=frozenset())

    @property
    def rows(self) -> dict[str, int]:
        """Return the number of rows of each partition that has any; the key is `""` without partitions."""
        return {key: staged.rows for key, staged in self.partitions.items()}

    def hash(self, key: str) -> str:
        """Return the content hash of a partition."""
        return self.partitions[key].hash if key in self.partitions else self.emptied.get(key, self.empty)

    def length(self, key: str) -> int:
        """Return the number of rows of a partition."""
        return self.partitions[key].rows if key in self.partitions else 0

    def facts(self, keys: Sequence[str]) -> dict[str, dict[str, object]]:
        """Return what the commit says of partitions."""
        return {key: {"hash": self.hash(key), "rows": self.length(key)} for key in keys}

    def scan(self, *, partition_column: bool = False) -> pl.LazyFrame:
        """Return the rows, by partition and as they are sorted there, as long as the files exist."""
        uris = [uri for key in sorted(self.partitions) for uri in self._uris(self.partitions[key])]
        rows = scan_files(self.location, uris, self.schema, partitioned=self.plan.is_partitioned)
        hidden = [name for name in (ROW, PARTITION) if name in rows.collect_schema()]
        return rows.drop(name for name in hidden if name == ROW or not partition_column)

    def files(self, key: str) -> tuple[DataFile, ...]:
        """Return the files of a partition.

        Rows that the table held already are written now if they are asked for: another writer has taken them away.
        """
        staged = self.partitions.get(key)
        if staged is None:
            return ()
        if staged.kept:
            scanned = scan_files(self.location, staged.kept, self.schema, partitioned=False).collect()
            rows = scanned.sort(self.plan.sort_by, maintain_order=True) if self.plan.sort_by else scanned
            with convert_write_errors(self.location):
                files = write_files(self.location, {key: rows}, self.plan.sort_by)[key]
            staged = self.partitions[key] = StagedPartition(staged.hash, staged.rows, files)
        return staged.files

    def __enter__(self) -> "Staged":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for key, staged in self.partitions.items():
            if key not in self.published:
                remove_files(self.location, staged.files)

    def _uris(self, staged: StagedPartition) -> tuple[str, ...]:
        return staged.kept or tuple(file.uri(self.location) for file in staged.files)
