"""Reproduction: a training set built again from the versions that its commit names, and compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.errors import CannotReproduce
from feature_platform.ground.result_table import BriefResult, ResultTable
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.training.plans import plan_set, rows_of_set, tables_of


@dataclass(frozen=True, repr=False)
class Reproduction(BriefResult):
    """The result of building a version of a training set again.

    Attributes:
        is_identical: whether the rows are the same, in the same order, to the last bit.
        rows, rows_again: how many rows are stored, and how many were built.
        versions: of the tables that it was built from, both times.
        code_changed: whether the code differs from that of the commit.
        spine_is_read_anew: whether the spine is no table, so that it may have changed where it comes from.
    """

    table: str
    version: int
    is_identical: bool
    rows: int
    rows_again: int
    versions: Mapping[str, int]
    code_changed: bool
    spine_is_read_anew: bool

    def summary(self) -> ResultTable:
        """Return what came of it, and what differs between then and now."""
        said = "the same rows" if self.is_identical else f"other rows ({self.rows_again:,}, stored are {self.rows:,})"
        title = f"{self.table}, version {self.version}, built again: {said}"
        title += "; its code has changed since" if self.code_changed else ""
        if self.spine_is_read_anew:
            title += "; its spine is no table of the store and was read anew"
        return ResultTable(title, ("table", "version"), list(self.versions.items()))


def reproduce_training_set(training_set: TrainingSet, store: OfflineStore, version: int | None = None) -> Reproduction:
    """Build a version of a training set again, from the versions that its commit names; nothing is published.

    Args:
        version: of the training set. Defaults to the newest.

    Raises:
        TableNotFound: the training set was never built.
        VersionNotFound: it, or a table that it was built from, does not keep that version any more.
        CannotReproduce: the declaration reads a table that this version was built without.
    """
    require_kind("fp.reproduce_training_set", training_set, TrainingSet, "a training set")
    table = training_set.asset
    number = store.latest_version(table) if version is None else version
    state = store.partition_states(table, number)[WHOLE]
    spine_is_read_anew = training_set.spine.asset not in state.inputs
    needed = [name for name in tables_of(training_set, store) if name != training_set.spine.asset]
    missing = [name for name in needed if name not in state.inputs]
    if missing:
        raise CannotReproduce(table, number, missing)
    rows = rows_of_set(training_set, plan_set(training_set, store, state.inputs))
    with TemporaryDirectory(prefix="feature_platform-reproduce-") as folder:
        stamp = CommitStamp(run_id="reproduce", asset=table, code_version="")
        scratch = OfflineStore(folder)
        again = scratch.replace(table, rows, stamp=stamp, ordered=True)
        rows_again = scratch.partition_states(table)[WHOLE].rows
    return Reproduction(
        table,
        number,
        is_identical=again.hashes[WHOLE] == state.hash,
        rows=state.rows,
        rows_again=rows_again,
        versions=dict(state.inputs),
        code_changed=code_version(training_set) != state.code_version,
        spine_is_read_anew=spine_is_read_anew,
    )
