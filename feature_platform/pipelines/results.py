"""Results of publishing assets, and the candidates that they were made of: values that pipelines hand on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.declarations.expectation import Expect
from feature_platform.ground.clock import Grain
from feature_platform.ground.errors import ExpectationsFailed
from feature_platform.ground.result_table import BriefResult, ResultTable
from feature_platform.offline import Commit
from feature_platform.offline.staged import StagePlan
from feature_platform.offline.staging import Rows
from feature_platform.pipelines.profiling import ProfileSpec
from feature_platform.quality.validation import Validation

_HEADS = ("asset", "state", "rows", "partitions", "expectations that failed")


@dataclass(frozen=True)
class Candidate:
    """Rows that may become a version of an asset.

    Attributes:
        rows: a frame, or parts that are made one after the other: each has all rows of some partitions, or, without
            partitions, the next rows of the table. Parts can be read once.
        partitions: the partitions that these rows replace; None replaces the whole table.
        partition_of: the partition key of each row, None without partitions.
        audited: selects the rows that expectations are about and that are counted, when these are not all.
        inputs: the version of each table that was read.
        notes: counts that people should see, such as rows without event time.
        delivered: how many rows the connector has, of partitions with pushed rows.
        functions: a digest of each function that the code version covers, by its name.
        comments: what people should know of columns, for the schema of the table; None to leave that as it is.
        units: digests of the rows that a source delivers, by partition; they may change while rows are made.
        kept: published partitions that are left as they are because their rows are gone, with what happened to them.
        execution: how the rows are made and what is read for them, in words.
        order_counts: the same rows in another order are other content, as in a training set.
        keys: the join keys of the entity of the rows; none without an entity.
        identity: the columns that no two rows should share; no columns means all. With None they are not counted.
        held: the requested partitions that stay as they are because a pin holds them.
        reshapes: each version has its own columns, as a training set has; only without partitions.
    """

    asset: str
    rows: Rows
    code_version: str
    expectations: Sequence[Expect] = ()
    partitions: Sequence[str] | None = None
    partition_of: pl.Expr | None = None
    grain: Grain | None = None
    sort_by: Sequence[str] = ()
    audited: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None
    inputs: Mapping[str, int] = field(default_factory=dict)
    rows_in: int = 0
    notes: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    delivered: Mapping[str, int] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)
    comments: Mapping[str, str] | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    execution: str = ""
    order_counts: bool = False
    keys: Sequence[str] = ()
    identity: Sequence[str] | None = None
    held: Sequence[str] = ()
    reshapes: bool = False

    @property
    def plan(self) -> StagePlan:
        """Return how its rows are stored."""
        grain = self.grain if self.partitions is not None else None
        ordered = self.partitions is None
        return StagePlan(
            self.partitions,
            self.partition_of,
            self.sort_by,
            ordered=ordered,
            order_counts=self.order_counts,
            grain=grain,
            reshapes=self.reshapes and ordered,
        )

    def select_facts(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Select the rows of keys, which expectations and counts are about."""
        return rows if self.audited is None else self.audited(rows)

    @property
    def profile_spec(self) -> ProfileSpec:
        """Return what of its rows is profiled."""
        return ProfileSpec(self.keys, self.identity, self.audited)


@dataclass(frozen=True, repr=False)
class PublishResult(BriefResult):
    """The result of publishing a candidate: its commit, or None when it was refused.

    Attributes:
        rows: how many rows each partition has, those of keys only; the key is `""` without partitions.
        schema: the columns as they are stored.
        preview: the first rows.
        quarantine: the table that keeps the refused rows.
        refused: the first refused rows, with the expectation that each breaks.
        broken: the first rows that break each failed expectation that can point at rows, by its check name: their
            partition, keys, clocks and the values that it is about.
        profiles: the profile of each partition, counted while its rows were written; none when it was refused, and only
            the first ones when there are very many partitions.
    """

    candidate: Candidate
    commit: Commit | None
    validation: Validation
    rows: Mapping[str, int]
    schema: pl.Schema
    preview: pl.DataFrame
    quarantine: str | None = None
    refused: pl.DataFrame = field(default_factory=pl.DataFrame)
    broken: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    profiles: Mapping[str, PartitionProfile] = field(default_factory=dict)

    def raise_if_refused(self) -> "PublishResult":
        """Raise when the candidate was refused; otherwise return the result itself.

        Raises:
            ExpectationsFailed: names every critical expectation that failed.
        """
        if self.commit is None:
            failures = {each.expectation.check_name: each.summary for each in self.validation.critical_failures}
            raise ExpectationsFailed(self.candidate.asset, failures, self.quarantine)
        return self

    def summary(self) -> ResultTable:
        """Return the asset, its version and what of it was changed or refused."""
        return ResultTable("Published" if self.commit else "Refused", _HEADS, [self.line()])

    def line(self) -> list[object]:
        """Return the cells of the result in a table of several."""
        if self.commit is None:
            failures = [each.summary for each in self.validation.critical_failures]
            return [self.candidate.asset, "refused", None, None, "; ".join(failures)]
        changed = self.commit.changed
        keys = [key for key in changed if key]
        rows = sum(self.rows.get(key, 0) for key in changed)
        where = f"{len(keys)}, {min(keys)} to {max(keys)}" if keys else None
        warnings = [each.summary for each in self.validation.failures]
        state = f"version {self.commit.version}" if changed else "up to date"
        return [self.candidate.asset, state, rows if changed else None, where, "; ".join(warnings) or None]


class PublishResults(BriefResult, dict[str, PublishResult]):
    """The results of publishing several assets, by asset name, upstream first."""

    def summary(self) -> ResultTable:
        """Return one line for each asset."""
        return ResultTable(f"{len(self)} assets", _HEADS, [result.line() for result in self.values()])
