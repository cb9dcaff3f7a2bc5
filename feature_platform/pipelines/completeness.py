"""Completeness of tables for their readers: which partitions are stale, and which lack a column that is read.

Everything is read from the logs: a commit says with which code, from which versions and with which columns it was made.
Nulls are not counted, since a null may be a value. Raw data outside the platform is not read: the command `status` does
that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from warnings import warn

from feature_platform.compute.features.service import Selected, selections_of
from feature_platform.compute.transforms.lineage import lineage_by_table
from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.label import Label
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Asset, Declaration, order_declarations
from feature_platform.declarations.row import EVENT_TIME
from feature_platform.declarations.service import FeatureService, selection_of
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import LoggedRequests, Spine
from feature_platform.declarations.training_set import Stale, TrainingSet
from feature_platform.declarations.view import FeatureSelection, FeatureView
from feature_platform.ground.errors import IncompleteTables, IncompleteTablesRefused, TableNotFound
from feature_platform.offline import OfflineStore
from feature_platform.offline.contents import Contents
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE
from feature_platform.pipelines.candidates.changed_inputs import touched_by_dimension
from feature_platform.pipelines.candidates.pinned import held_partitions_in
from feature_platform.pipelines.candidates.requests import has_other_requests
from feature_platform.pipelines.candidates.shared import Span
from feature_platform.pipelines.candidates.touched import touched_of

Readable = FeatureService | Selected | Sequence[Selected] | TrainingSet
_NEVER = "never materialized"
_ALL = None  # every column of a table
_Columns = list[tuple[FeatureView | Label, tuple[str, ...]]]


@dataclass(frozen=True)
class IncompleteTable:
    """A table that lacks rows or columns that its declaration promises.

    Attributes:
        partitions: how many partitions have rows; 1 without partitions.
        stale: its partitions that a run would compute again, by reason; `""` is a table without partitions.
        unfilled: its partitions that were made without a column that is read, by column. It is null there.
    """

    table: str
    version: int
    partitions: int
    stale: Mapping[str, tuple[str, ...]]
    unfilled: Mapping[str, tuple[str, ...]]

    def __str__(self) -> str:
        never = len(self.stale.get(_NEVER, ()))
        parts = [f"{self._count(keys)} stale: {reason}" for reason, keys in self.stale.items() if reason != _NEVER]
        parts += [f"{never} partitions {_NEVER}"] if never else []
        parts += [f"{self._count(keys)} made without `{column}`" for column, keys in self.unfilled.items()]
        return f"`{self.table}` ({'; '.join(parts)})"

    def facts(self) -> dict[str, object]:
        """Return the same as plain values, with numbers of partitions, for manifests and records."""
        return {
            "table": self.table,
            "version": self.version,
            "partitions": self.partitions,
            "stale": {reason: len(keys) for reason, keys in self.stale.items()},
            "unfilled": {column: len(keys) for column, keys in self.unfilled.items()},
        }

    def _count(self, keys: Sequence[str]) -> str:
        return "is" if tuple(keys) == ("",) else f"{len(keys)} of {max(self.partitions, len(keys))} partitions"


def incomplete_tables(
    wanted: Readable,
    store: OfflineStore,
    versions: Mapping[str, int] | None = None,
    *,
    asked: Span | None = None,
) -> tuple[IncompleteTable, ...]:
    """Return the tables behind features or a training set that are stale or partly filled; none when all is well.

    Args:
        versions: Delta versions by table name. A version that is given is wanted, so it cannot be stale; a column that
            is not filled there is reported all the same.
        asked: the first and last moment of the request. Partitions between them that were never materialized, although
            their source has rows, are reported. Without it, those after the first partition of the table are.
    """
    pinned = versions or {}
    read = _columns_read(wanted)
    incomplete: list[IncompleteTable] = []
    newest: dict[str, Contents] = {}
    for asset in _assets_behind(wanted):
        if isinstance(asset, TrainingSet) or not isinstance(asset, Asset):
            continue
        version = pinned.get(asset.asset)
        try:
            contents = store.contents(asset.asset)
        except TableNotFound:
            continue
        if version is None:
            newest[asset.asset] = contents
        states = contents.states(version)
        stale = {} if version is not None else _stale_partitions(asset, store, newest, asked)
        unfilled = _unfilled_partitions(asset, store, states, read) if asset.asset in read else {}
        if stale or unfilled:
            at = contents.version if version is None else version
            rows = sum(1 for state in states.values() if state.rows)
            incomplete.append(IncompleteTable(asset.asset, at, rows, stale, unfilled))
    return tuple(incomplete)


def report_incomplete(owner: str, found: Sequence[IncompleteTable], stale: Stale, *, stacklevel: int = 2) -> None:
    """Report incomplete tables as a warning or an error, or ignore them, as `stale` says.

    Args:
        owner: what reads them, as the beginning of the sentence.
        stacklevel: that of the warning, as `warnings.warn` takes it.

    Raises:
        IncompleteTablesRefused: there are some, and `stale` is "refuse".
    """
    if not found or stale == "ignore":
        return
    tables = [str(table) for table in found]
    if stale == "refuse":
        raise IncompleteTablesRefused(owner, tables)
    warn(IncompleteTables(owner, tables), stacklevel=stacklevel + 1)


def _assets_behind(wanted: Readable) -> tuple[Declaration, ...]:
    """Return what is read and all that it is made of, upstream first.

    A spine of requests is read for itself alone: what its service shows now says nothing of what it was asked.
    """
    read = tuple(_assets(wanted))
    asked = tuple(each for each in read if isinstance(each, Spine) and isinstance(each.rule, LoggedRequests))
    return (*order_declarations(each for each in read if each not in asked), *asked)


def _assets(wanted: Readable) -> Iterator[Asset]:
    if isinstance(wanted, TrainingSet):
        yield wanted.spine
        yield from (each for label in wanted.labels for each in label.read_from.members)
    service = wanted.service if isinstance(wanted, TrainingSet) else selections_of(wanted)
    for view in service.views:
        yield from view.read_from.members
        yield from (each.dimension for each in view.enrichments if view.enriches_when_read)


def _columns_read(wanted: Readable) -> dict[str, _Columns | None]:
    """Return what is read of each table: features of views, labels over windows, or all columns."""
    service = wanted.service if isinstance(wanted, TrainingSet) else selections_of(wanted)
    needs = {view: tuple(name for name in names if name != EVENT_TIME) for view, names in service.needs.items()}
    features: dict[FeatureView, tuple[str, ...] | None] = dict(needs)
    for selection in map(selection_of, service.selections):
        if isinstance(selection, FeatureSelection):
            features[selection.view] = (*selection.features, *(features.get(selection.view) or ()))
        elif isinstance(selection, FeatureView):
            features[selection] = selection.declared_features
    of_windows = [label for label in wanted.labels if not label.has_table] if isinstance(wanted, TrainingSet) else []
    reading: list[tuple[FeatureView | Label, tuple[str, ...] | None]] = [*features.items()]
    reading += [(label, label.columns) for label in of_windows]
    columns: dict[str, _Columns | None] = {}
    for reader, names in reading:
        for table in reader.tables_read:
            others = columns.setdefault(table, [])
            columns[table] = _ALL if names is _ALL or others is _ALL else [*others, (reader, names)]
    if isinstance(wanted, TrainingSet):
        whole = (wanted.spine, *(label for label in wanted.labels if label.has_table))
        columns |= {asset.asset: _ALL for asset in whole}
    return columns


def _stale_partitions(
    asset: Source | FeatureView | Label | Spine,
    store: OfflineStore,
    newest: Mapping[str, Contents],
    asked: Span | None,
) -> dict[str, tuple[str, ...]]:
    """Return the partitions that a run would compute again, by reason; what a pin holds is not stale.

    Args:
        newest: the contents of the tables of an asset and of what it is made from.
    """
    code, contents = code_of(asset), newest[asset.asset]
    states = contents.states()
    reasons = {key: "somebody else wrote it" for key, state in states.items() if state.hash is None}
    for key, state in states.items():
        change = code.change_since(state.code_version, state.functions)
        if change is not None:
            reasons.setdefault(key, change)
    if isinstance(asset, Spine):
        changed = [name for each in asset.inputs if _is_older(contents, newest.get(name := each.asset), name)]
        if isinstance(asset.rule, LoggedRequests) and has_other_requests(asset.rule, store, states):
            changed = [asset.rule.table]
        reasons = {key: f"{name} changed" for name in changed for key in states} | reasons
    elif not isinstance(asset, Source):
        for each in asset.source.members:
            if each.asset in newest:
                reasons = _changed_upstream(asset, each.asset, contents, newest[each.asset], asked) | reasons
    if isinstance(asset, FeatureView):
        for by in asset.enrichments:
            if by.asset in newest:
                reasons = _enriched_otherwise(asset, by, store, contents, newest[by.asset]) | reasons
    held = held_partitions_in(asset, contents) if reasons else ()
    return _by_reason((why, key) for key, why in sorted(reasons.items()) if key not in held)


def _changed_upstream(
    asset: FeatureView | Label,
    upstream: str,
    contents: Contents,
    source: Contents,
    asked: Span | None,
) -> dict[str, str]:
    """Return the partitions whose source has changed, or that were never made although their source has rows."""
    states, now = contents.states(), source.states()
    if not asset.partitioned or WHOLE in {*states, *now}:
        changed = _is_older(contents, source, upstream)
        return dict.fromkeys(states, f"{upstream} changed") if changed else {}
    grid = Partitions(contents.grain or "daily")
    never = {key for key, state in now.items() if state.rows} - states.keys()
    if asked is not None:
        low, high = asked
        never = {key for key in never if grid.bounds(key)[0] <= high and low < grid.bounds(key)[1]}
    else:  # earlier ones may have been read for windows only
        never = {key for key in never if states and key > min(states)}
    touched = touched_of(asset, upstream, grid, states, source)
    return dict.fromkeys(touched, f"{upstream} changed") | dict.fromkeys(never, _NEVER)


def _enriched_otherwise(
    view: FeatureView, by: Enrichment, store: OfflineStore, contents: Contents, dimension: Contents
) -> dict[str, str]:
    """Return the partitions of a view with events that a table enriches otherwise than when they were made."""
    states = contents.states()
    if not view.partitioned or WHOLE in states:
        changed = _is_older(contents, dimension, by.asset)
        return dict.fromkeys(states, f"{by.asset} changed") if changed else {}
    touched = touched_by_dimension(view, by, store, Partitions(contents.grain or "daily"), states)
    return dict.fromkeys(touched, f"{by.asset} changed")


def _is_older(contents: Contents, source: Contents | None, name: str) -> bool:
    """Tell whether a table without partitions was made from another content of one that it reads."""
    read = next((state.inputs[name] for state in contents.states().values() if name in state.inputs), None)
    return source is not None and read is not None and bool(source.changed_since(read))


def _unfilled_partitions(
    asset: Source | FeatureView | Label | Spine,
    store: OfflineStore,
    states: Mapping[str, PartitionState],
    read: Mapping[str, _Columns | None],
) -> dict[str, tuple[str, ...]]:
    """Return the partitions with rows that were made without a column that is read."""
    filled = {key: state.columns for key, state in states.items() if state.rows and state.columns is not None}
    selected = [name for view, names in read[asset.asset] or () if view is asset for name in names]
    every = list(dict.fromkeys([*(name for columns in set(filled.values()) for name in columns), *selected]))
    if all(len(columns) == len(every) for columns in filled.values()):
        return {}
    needed = _needed_columns(asset, store, every, read[asset.asset])
    lacking = ((name, key) for name in needed for key, columns in sorted(filled.items()) if name not in columns)
    return _by_reason(lacking)


def _needed_columns(
    asset: Source | FeatureView | Label | Spine,
    store: OfflineStore,
    every: Sequence[str],
    read: _Columns | None,
) -> list[str]:
    """Return the columns of a table that are read; of a source of an exact view those that its features need."""
    if read is _ALL:
        return list(every)
    needed: set[str] = set()
    for view, names in read:
        if view is asset:
            needed.update(names)
        else:
            behind = lineage_by_table(view, {name: store.read(name).collect_schema() for name in view.tables_read})
            needed.update(name for feature in names for table, name in behind.get(feature, ()) if table == asset.asset)
    return [name for name in every if name in needed]


def _by_reason(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    keys_by_reason: dict[str, list[str]] = {}
    for reason, key in pairs:
        keys_by_reason.setdefault(reason, []).append(key)
    return {reason: tuple(keys) for reason, keys in keys_by_reason.items()}
