"""States of views with lifetimes: rows that stand for all events before a month, so that a run reads only later ones.

A state only saves time. It is used when it was made by the same code from the same rows as the tables hold now, and is
made anew otherwise; whoever removes all of them, or a crash before one is stored, changes no value.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import polars as pl

from feature_platform.compute.transforms.rows import as_events, select_window_inputs
from feature_platform.compute.windows.lifetimes import KEY_TYPES, Lifetimes, plan_lifetimes, published_lifetimes
from feature_platform.compute.windows.standing_rows import EventColumns, fold_rows
from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground import clock
from feature_platform.ground.errors import FeaturePlatformError, PartitioningChanged, SchemaChanged
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import SLOT
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.offline.files import digests_of_files
from feature_platform.offline.history import open_version
from feature_platform.offline.soundness import UNREADABLE
from feature_platform.parts.aggregations.windows import Lifetime
from feature_platform.pipelines.candidates.shared import Span
from feature_platform.pipelines.candidates.upstream import HELD_ROWS, Upstream
from feature_platform.pipelines.tables import STATES_RETENTION

WORTH_ROWS = HELD_ROWS  # events before the month of a run; to read fewer costs less than to keep a state
FOLDED_ROWS = 2_000_000  # events that are in memory at once while a state is made
KEPT_STATES = 3  # the one that was made last and the newest others: runs of other months make theirs anew
_FORMAT = 1
_WRITER = "lifetime-states"
_ROW, _BEFORE = "row", "before"  # columns of the table: the place of a row, below 0 for what it is made from; its state
_PIECES = pl.Schema({"partition": pl.String(), "digest": pl.String(), "version": pl.Int64(), "files": pl.String()})


@dataclass(frozen=True)
class LifetimeState:
    """Rows that stand for all events before a moment."""

    moment: datetime
    rows: pl.DataFrame


class LifetimeStates:
    """The states of one view, read and kept by one run.

    Args:
        store: where the source is read and states are kept. Reading a state is not noted as an input of the run.
    """

    def __init__(self, source: Upstream, store: OfflineStore) -> None:
        self._source, self._grid = source, source.grid
        self._store = replace(store, opened=None, retention=STATES_RETENTION)
        self._held: LifetimeState | None = None

    def make_windows(self, span: Span) -> pl.DataFrame | None:
        """Make the rows of a view for a span from a state and later events; None where all events are to be read.

        What fails is left to the run that reads all events, so that its errors are the same.
        """
        view, planned = self._source.asset, self._lifetimes
        if planned is None or not isinstance(view, FeatureView):
            return None
        moment = self._moment_before(clock.shift_moment(span[0], -planned.bounded_reach))
        if moment is None or sum(self._source.rows[key] for key in self._keys_before(moment)) < WORTH_ROWS:
            return None
        try:
            state = self._state_at(moment, view, planned)
            if state is None:
                return None
            later = planned.add_slots(self._read_inputs(view, moment, span[1]).collect())
            cadence = view.windows.cadence
            rows = published_lifetimes(
                planned,
                pl.concat([state.rows, later], how="diagonal"),
                later.schema,
                on=view.join_keys,
                event_time=str(view.source.event_time),
                known_at=view.event_known_at,
                derived=view.windows.derived,
                every=cadence.every_us,
                tz=cadence.tz,
                start=span[0],
                end=span[1],
                owner=f"Feature view `{view.name}`",
            )
        except (FeaturePlatformError, pl.exceptions.PolarsError):
            return None
        return rows

    @cached_property
    def _lifetimes(self) -> Lifetimes | None:
        """Return the lifetimes that states can keep; None for any other view, and where one of them is no such."""
        view = self._source.asset
        if not isinstance(view, FeatureView) or not is_windowed(view) or not isinstance(view.source, Source):
            return None
        has_lifetime = any(
            isinstance(each.window(word), Lifetime) for each in view.aggregations for word in each.windows
        )
        if not has_lifetime or view.enrichments or not view.join_keys:
            return None
        if any(state.hash is None and state.version is not None for state in self._source.states.values()):
            return None  # somebody else wrote rows, perhaps into the wrong partition
        schema = self._read_inputs(view, clock.EPOCH, clock.EPOCH).collect_schema()
        if any(schema[key] not in KEY_TYPES for key in view.join_keys):
            return None
        return plan_lifetimes(view.aggregations, schema)

    def _moment_before(self, moment: datetime) -> datetime | None:
        """Return the beginning of the partition that a month begins in, at or before a moment."""
        month = clock.partition_start(moment, "monthly")
        start = clock.partition_start(month, self._grid.grain)
        return start if start > clock.ALWAYS else None

    def _keys_before(self, moment: datetime, since: datetime | None = None) -> list[str]:
        """Return the partitions of the source with rows that end by a moment, and begin at another one or later."""
        first = clock.partition_key(moment, self._grid.grain)
        since_key = "" if since is None else clock.partition_key(since, self._grid.grain)
        return [key for key in sorted(self._source.states) if since_key <= key < first and self._source.rows[key]]

    def _read_inputs(self, view: FeatureView, low: datetime, high: datetime) -> pl.LazyFrame:
        """Read keys, clocks and what is aggregated of the events of `[low, high)`."""
        time = pl.col(str(view.source.event_time))
        rows = self._source.read_partitions(self._grid.overlapping(low, high))
        return select_window_inputs(view, as_events(view.source, rows.filter(time.is_between(low, high, "left"))))

    def _state_at(self, moment: datetime, view: FeatureView, planned: Lifetimes) -> LifetimeState | None:
        """Return the state at a moment: the stored one, or one made from an earlier one, or from all events."""
        held = self._held
        if held is None or held.moment != moment:
            stored = self._newest_stored(moment, view, planned)
            usable = [each for each in (held, stored) if each is not None and each.moment <= moment]
            base = max(usable, key=lambda each: each.moment, default=None)
            if base is None or base.moment != moment:
                base = self._fold(base, moment, view, planned)
                if base is not None:
                    self._keep(base, view, planned)
            self._held = base
        return self._held

    def _fold(
        self, base: LifetimeState | None, moment: datetime, view: FeatureView, planned: Lifetimes
    ) -> LifetimeState | None:
        """Make the state at a moment from an earlier one and the events since, so many at a time."""
        columns, at = _columns_of(view), clock.microsecond_of(moment)
        rows = None if base is None else base.rows
        for keys in self._in_batches(self._keys_before(moment, None if base is None else base.moment)):
            bounds = self._grid.bounds(keys[0])[0], self._grid.bounds(keys[-1])[1]
            events = planned.add_slots(self._read_inputs(view, *bounds).collect()).select(_names(columns, planned))
            rows = fold_rows(events if rows is None else pl.concat([rows, events]), planned, columns, at)
            if rows is None:
                return None
        return None if rows is None else LifetimeState(moment, rows)

    def _in_batches(self, keys: Sequence[str]) -> list[list[str]]:
        """Cut partitions in order of time into batches of few rows; at least one partition is in each."""
        batches, size = list[list[str]](), 0
        for key in keys:
            size += self._source.rows[key]
            if not batches or size > FOLDED_ROWS:
                batches, size = [*batches, []], self._source.rows[key]
            batches[-1].append(key)
        return batches

    # ---------------------------------------------------------------- stored states

    def _newest_stored(self, moment: datetime, view: FeatureView, planned: Lifetimes) -> LifetimeState | None:
        """Return the newest stored state up to a moment that is still true; None where there is none."""
        with suppress(FeaturePlatformError, *UNREADABLE):
            for key in sorted(self._stored_keys(view), reverse=True):
                at = clock.partition_bounds(key, "daily", "A state")[0]
                if at <= moment and (rows := self._read_stored(key, at, view, planned)) is not None:
                    return LifetimeState(at, rows)
        return None

    def _stored_keys(self, view: FeatureView) -> list[str]:
        states = self._store.find_states(TableKind.STATES.of(view.asset))
        return [key for key, state in states.items() if state.rows or state.hash is None]

    def _read_stored(self, key: str, at: datetime, view: FeatureView, planned: Lifetimes) -> pl.DataFrame | None:
        """Return the rows of a stored state; None when it was made by other code or from other rows."""
        scan = self._store.read(TableKind.STATES.of(view.asset), partitions=[key])
        names = _stored_names(_columns_of(view), planned)
        if not {*names.values(), *_PIECES, _ROW} <= set(scan.collect_schema()):
            return None
        pieces = scan.filter(pl.col(_ROW) < 0).sort(_ROW, descending=True).select(list(_PIECES)).collect()
        if not self._is_true(pieces, self._pieces_before(at, view, planned)):
            return None
        rows = scan.filter(pl.col(_ROW) >= 0).sort(_ROW)
        return rows.select(pl.col(stored).alias(name) for name, stored in names.items()).collect()

    def _keep(self, state: LifetimeState, view: FeatureView, planned: Lifetimes) -> None:
        """Store a state and remove the oldest; without room, or when others write, it is made again another time."""
        table, key = TableKind.STATES.of(view.asset), clock.partition_key(state.moment, "daily")
        pieces = self._pieces_before(state.moment, view, planned)
        rows = state.rows.rename(_stored_names(_columns_of(view), planned))
        parts = [
            pieces.with_columns((-1 - pl.int_range(pl.len(), dtype=pl.Int64)).alias(_ROW)),
            rows.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(_ROW)),
        ]
        frame = pl.concat(parts, how="diagonal").with_columns(pl.lit(key).alias(_BEFORE))
        stamp = CommitStamp(_WRITER, table, code_of(view).version, inputs=self._source.versions)
        with suppress(FeaturePlatformError, *UNREADABLE):
            others = sorted((each for each in self._stored_keys(view) if each != key), reverse=True)
            keys = [key, *others[KEPT_STATES - 1 :]]
            try:
                self._store.replace(table, frame, partitions=keys, partition_of=_BEFORE, stamp=stamp)
            except (SchemaChanged, PartitioningChanged):  # of other code; nothing is lost with it
                self._store.drop(table)
                self._store.replace(table, frame, partitions=[key], partition_of=_BEFORE, stamp=stamp)

    def _pieces_before(self, moment: datetime, view: FeatureView, planned: Lifetimes) -> pl.DataFrame:
        """Return what a state is made from: the code, and each partition before it with what tells its content."""
        states, keys = self._source.states, self._keys_before(moment)
        code = [("", _code_digest(view, planned, self._grid.grain), None, None)]
        held = [(key, states[key].hash, states[key].version, self._files.get(key)) for key in keys]
        return pl.DataFrame([*code, *held], schema=_PIECES, orient="row")

    @staticmethod
    def _is_true(before: pl.DataFrame, now: pl.DataFrame) -> bool:
        """Tell whether a state was made by this code from the rows that the source has now.

        The rows of a partition are the same, and in the same order, while its files are; or while the log says that no
        commit has written it since, where files were merged.
        """
        if (
            before.height != now.height
            or before.schema != now.schema
            or before["partition"].to_list() != now["partition"].to_list()
        ):
            return False
        same = {name: (before[name] == now[name]).fill_null(value=False) for name in ("digest", "version", "files")}
        is_code = now["partition"] == ""
        return bool((same["files"] | (same["digest"] & (same["version"] | is_code))).all())

    @cached_property
    def _files(self) -> dict[str, str]:
        source = self._source.asset.source
        if not isinstance(source, Source):
            return {}
        return digests_of_files(open_version(self._store.location(source.asset), self._source.versions[source.asset]))


def _code_digest(view: FeatureView, planned: Lifetimes, grain: str) -> str:
    """Return a digest of the code, the columns and the slots that a state is made with."""
    slots = [f"{slot.name} {slot.keeping.name} {slot.size} {slot.value}" for slot in planned.slots]
    words = [str(_FORMAT), code_of(view).version, grain, *_columns_of(view).names, *slots]
    return hashlib.blake2b("\n".join(words).encode(), digest_size=16).hexdigest()


def _columns_of(view: FeatureView) -> EventColumns:
    return EventColumns(view.join_keys, str(view.source.event_time), view.event_known_at)


def _names(columns: EventColumns, planned: Lifetimes) -> list[str]:
    return [*columns.names, *(slot.name for slot in planned.slots)]


def _stored_names(columns: EventColumns, planned: Lifetimes) -> dict[str, str]:
    """Return how the columns of a state are called in its table, where names of users have no meaning."""
    keys = {name: f"key_{number}" for number, name in enumerate(columns.keys)}
    clocks = {columns.event_time: "event_time"} | ({columns.known_at: "known_at"} if columns.known_at else {})
    return keys | clocks | {slot.name: f"slot_{slot.name.removeprefix(SLOT)}" for slot in planned.slots}
