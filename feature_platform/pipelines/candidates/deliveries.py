"""Deliveries: what a source holds now of each partition, by the units that it lies in, and how that has changed.

A partition's commit has a digest of the rows that it was made of. When the digest of the source's rows is another one
now, the partition differs from its source: rows were added, corrected or deleted. The same rows in other files have the
same digest.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from pathlib import PurePath

import polars as pl

from feature_platform.compute.transforms.rows import prepare_rows
from feature_platform.compute.transforms.separable import is_separable
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.errors import NoRowsYet
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import UNIT
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState
from feature_platform.parts.sources.base import WHOLE_UNIT, DataUnit
from feature_platform.pipelines.candidates.ledger import (
    FACTS,
    GONE,
    HASHED_BY,
    SEEN,
    Inventory,
    digests_of,
    read_events,
    row_hash,
    take_inventory,
)
from feature_platform.pipelines.candidates.shared import reading_source

UNITS_AT = "units_at"  # among the extra facts of a commit: the newest event of the ledger that it knows of
NOTHING = "none"  # the digest of no rows
_AT_ONCE = 64  # frames that Polars computes together
_NAMED = 3  # units in one sentence
CHANGED_WHILE_READ = "changed while it was read"


@dataclass(frozen=True)
class Life:
    """The life of a unit: when it came, changed and went.

    Attributes:
        first: when it was first seen.
        changed: when it was first seen with the stamp that it has, or had last.
        gone: when it was found to be gone; None while it is there.
    """

    first: datetime
    changed: datetime
    gone: datetime | None

    def change_since(self, moment: datetime) -> str | None:
        """Return what happened to it after a moment, in words; None when nothing did."""
        if self.gone is not None:
            return "is gone" if self.gone > moment else None
        if self.changed <= moment:
            return None
        return "changed" if self.first <= moment else "is new"


@dataclass(frozen=True)
class Delivery:
    """What a source holds now.

    Attributes:
        rows: how many rows there are of each partition; the null key counts those without event time.
        digests: a digest of these rows; partitions without rows are not there.
        inventory: the units that they lie in; None for data that lies in one piece.
        held_by: the units that hold rows of a partition now, or held some before.
        named: whether people know the units by their names.
        left_out: how many rows lie before (-1) and after (1) what the project takes in.
    """

    rows: Mapping[str | None, int]
    digests: Mapping[str | None, str]
    inventory: Inventory | None
    held_by: Mapping[str | None, Sequence[str]]
    named: bool
    left_out: Mapping[int, int] = field(default_factory=dict)

    def digest_of(self, key: str) -> str:
        """Return the digest of the rows of a partition."""
        return self.digests.get(key, NOTHING)

    def differs(self, key: str, state: PartitionState) -> bool:
        """Tell whether a published partition was made of other rows than there are now.

        For a partition from before commits had digests, only the number of rows is compared.
        """
        if state.units is None:
            return self.rows.get(key, 0) != delivered_rows(state)
        return self.digest_of(key) != state.units

    def gone(self, key: str, state: PartitionState) -> list[str]:
        """Return the units that a published partition was made of and that are not there any more."""
        return [name for name, what in self._moves(key, state) if what == "is gone"]

    def reason_of(self, key: str, state: PartitionState) -> str:
        """Return what happened to the rows of a partition since it was made, by the units that hold them."""
        moves = [f"{PurePath(name).name} {what}" for name, what in self._moves(key, state)]
        more = f" and {len(moves) - _NAMED} more" if len(moves) > _NAMED else ""
        return f"its data changed{': ' * bool(moves)}{', '.join(moves[:_NAMED])}{more}"

    def changed_since(self, source: Source) -> set[str]:
        """Return the partitions that hold rows of units that have changed or gone since this look."""
        if self.inventory is None:
            return set()
        stamps = self.inventory.facts.select("unit", "stamp").unique().rows()
        units = source.connector.units(source.name) or []
        now = {(unit.name, unit.stamp) for unit in (*units, *_join_units(units))}
        changed = {name for name, stamp in stamps if (name, stamp) not in now}
        return {key for key, names in self.held_by.items() if key and changed.intersection(names)} if changed else set()

    @property
    def extra(self) -> dict[str, str]:
        """Return what a commit says of this look besides the digests of its partitions."""
        newest = None if self.inventory is None else self.inventory.events["seen_at"].max()
        return {UNITS_AT: newest.isoformat()} if isinstance(newest, datetime) else {}

    def _moves(self, key: str, state: PartitionState) -> Iterator[tuple[str, str]]:
        written_at = state.extra.get(UNITS_AT)
        moment = clock.ALWAYS if written_at is None else datetime.fromisoformat(written_at)
        for name in self.held_by.get(key, ()) if self.named else ():
            what = self._lives[name].change_since(moment)
            if what is not None and name != WHOLE_UNIT and (written_at is not None or what == "is gone"):
                yield name, what

    @cached_property
    def _lives(self) -> Mapping[str, Life]:
        if self.inventory is None:
            return {}
        there = pl.col("event") == SEEN
        seen = self.inventory.events.filter(there).group_by("unit", "stamp").agg(pl.col("seen_at").min())
        units = self.inventory.events.group_by("unit").agg(
            pl.col("event").last(),
            last=pl.col("seen_at").last(),
            first=pl.col("seen_at").min(),
            stamp=pl.col("stamp").filter(there).last(),
        )
        lives = units.join(seen, on=["unit", "stamp"]).select("unit", "first", "seen_at", "event", "last")
        return {
            name: Life(first, changed, last if event == GONE else None)
            for name, first, changed, event, last in lives.iter_rows()
        }


def delivery_of(
    source: Source, store: OfflineStore, grid: Partitions, now: datetime, raw: pl.LazyFrame | None = None
) -> Delivery:
    """Return what a partitioned source holds now; nothing is written.

    Args:
        now: when this look is.
        raw: what the connector scans. Defaults to a scan here, when something new must be read.

    Raises:
        SourceUnreadable: nothing there, or nothing that can be read.
    """
    try:
        return _read_delivery(source, store, grid, now, raw)
    except NoRowsYet:
        return Delivery({}, {}, None, {}, named=False)


def _read_delivery(
    source: Source, store: OfflineStore, grid: Partitions, now: datetime, raw: pl.LazyFrame | None
) -> Delivery:
    units = source.connector.units(source.name)
    if units is None:
        with reading_source(source):
            facts = _read_facts(source, grid, raw, [WHOLE_UNIT])
        return _delivery(source, facts.with_columns(hashed_by=pl.lit(HASHED_BY)), grid, None, now)
    events = read_events(store, TableKind.UNITS.of(source.name))
    reading = f"{code_version(source)}/{grid.grain}"
    whole = f"{reading}/whole"
    known = set(events["reading"])
    if reading not in known and (whole in known or not _is_separable(source, raw)):
        reading, units = whole, _join_units(units)
    read = partial(_read_facts, source, grid, raw)
    with reading_source(source):
        inventory = take_inventory(events, units, reading, now, read)
    return _delivery(source, inventory.facts, grid, inventory, now)


def delivered_rows(state: PartitionState) -> int:
    """Return how many rows the connector had when a partition was made."""
    return state.rows if state.delivered is None else state.delivered


def _delivery(
    source: Source, facts: pl.DataFrame, grid: Partitions, inventory: Inventory | None, now: datetime
) -> Delivery:
    low, high = grid.accepted_range(now)
    inside = pl.col("at").is_null() | pl.col("at").is_between(low, high, "left")
    rows = facts.filter(inside).group_by("at").agg(pl.col("rows").sum()).filter(pl.col("rows") > 0)
    events = facts.clear() if inventory is None else inventory.events.filter(pl.col("rows") > 0)
    units_by_start = events.filter(inside).group_by("at").agg(pl.col("unit").unique().sort())
    outside = {
        -1: facts.filter(pl.col("at") < low)["rows"].sum(),
        1: facts.filter(pl.col("at") >= high)["rows"].sum(),
    }
    return Delivery(
        {_key(at, grid): count for at, count in rows.iter_rows()},
        {_key(at, grid): digest for at, digest in digests_of(facts.filter(inside)).items()},
        inventory,
        {_key(at, grid): units for at, units in units_by_start.iter_rows()},
        named=not source.connector.rewrites_units,
        left_out={side: int(count) for side, count in outside.items() if count},
    )


def _read_facts(source: Source, grid: Partitions, raw: pl.LazyFrame | None, names: Sequence[str]) -> pl.DataFrame:
    """Read what units hold: all in one scan when the source has no `prepare`, otherwise each by itself."""
    connector, every = source.connector, source.connector.scan(source.name) if raw is None else raw
    if list(names) == [WHOLE_UNIT]:
        return _with_empty_units(_count_rows(source, grid, prepare_rows(source, every), pl.lit(WHOLE_UNIT)), names)
    schema = every.collect_schema()
    if source.prepare is None:
        label = pl.col(UNIT)
        rows = prepare_rows(source, connector.scan_units(source.name, names, schema, UNIT))
        return _with_empty_units(_count_rows(source, grid, rows, label), names)
    frames = [
        _count_rows(source, grid, prepare_rows(source, connector.scan_units(source.name, [name], schema)), pl.lit(name))
        for name in names
    ]
    parts = [frames[first : first + _AT_ONCE] for first in range(0, len(frames), _AT_ONCE)]
    collected = [each for part in parts for each in pl.collect_all(part, engine="streaming")]
    return _with_empty_units(pl.concat(collected).lazy(), names)


def _count_rows(source: Source, grid: Partitions, rows: pl.LazyFrame, unit: pl.Expr) -> pl.LazyFrame:
    """Count prepared rows lazily, as `FACTS`."""
    columns = [name for name in rows.collect_schema() if name != UNIT]
    start = clock.partition_start_of(clock.clip_to_calendar(pl.col(str(source.event_time))), grid.grain)
    keyed = rows.select(unit.alias("unit"), start.alias("at"), row_hash(columns).alias("hash"))
    counted = keyed.group_by("unit", "at").agg(pl.len().cast(pl.Int64).alias("rows"), pl.col("hash").sum())
    return counted.select(pl.col(name).cast(dtype) for name, dtype in FACTS.items())


def _with_empty_units(facts: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    """Collect facts, and add one row for each unit that holds no rows."""
    collected = facts.collect(engine="streaming")
    empty = [(name, None, 0, 0) for name in sorted(set(names) - set(collected["unit"]))]
    return pl.concat([collected, pl.DataFrame(empty, schema=FACTS, orient="row")])


def _is_separable(source: Source, raw: pl.LazyFrame | None) -> bool:
    if source.prepare is None:
        return True
    rows = source.connector.scan(source.name) if raw is None else raw
    return is_separable(source.prepare, rows.collect_schema())


def _join_units(units: Sequence[DataUnit]) -> list[DataUnit]:
    """Join all units into one, with a stamp that changes with any of theirs."""
    digest = hashlib.blake2b(digest_size=16)
    for unit in units:
        digest.update(f"{unit.name}\0{unit.stamp}\0".encode())
    return [DataUnit(WHOLE_UNIT, digest.hexdigest())]


def _key(start: datetime | None, grid: Partitions) -> str | None:
    return None if start is None else clock.partition_key(start, grid.grain)
