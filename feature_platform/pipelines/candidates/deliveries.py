"""Deliveries: what a source holds now of each partition, by the units that it lies in, and how that has changed.

A partition's commit has a digest of the rows that it was made of. When the digest of the source's rows is another one
now, the partition differs from its source: rows were added, corrected or deleted. The same rows in other files have the
same digest.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import PurePath

import polars as pl

from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.offline.history import PartitionState
from feature_platform.parts.sources.base import WHOLE_UNIT, DataUnit, Gone
from feature_platform.pipelines.candidates.ledger import (
    GONE,
    SEEN,
    Inventory,
)

UNITS_AT = "units_at"  # among the extra facts of a commit: the newest event of the ledger that it knows of
NOTHING = "none"  # the digest of no rows
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
        schema: the columns of the rows before they are prepared; None where headers alone do not tell the types.
        left_out: how many rows lie before (-1) and after (1) what the project takes in.
        waiting: the units that are left for a later look, since they may still be being written.
        starts: where the partitions that units hold or held rows of begin.
    """

    rows: Mapping[str | None, int]
    digests: Mapping[str | None, str]
    inventory: Inventory | None
    held_by: Mapping[str | None, Sequence[str]]
    named: bool
    schema: pl.Schema | None
    left_out: Mapping[int, int] = field(default_factory=dict)
    starts: Mapping[str | None, datetime | None] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()

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

    def were_replaced(self, key: str, state: PartitionState, gone: Gone) -> bool:
        """Tell whether rows of a published partition were replaced by others: in their unit, or in one of another name.

        Args:
            gone: what may happen to rows that are gone; where they may go, a unit that is gone says nothing.
        """
        may_go, moment = gone in ("taken", "rolling"), _moment_of(state)
        return any(
            not may_go if what == "is gone" else what == "changed" and not self._holds_the_same(name, key, moment)
            for name, what in self._moves(key, state)
        )

    def waiting_partitions(self, published: Mapping[str, PartitionState]) -> dict[str, str]:
        """Return the partitions that wait for units which may still be being written, each with the reason, in words.

        They are those of which such a unit held rows. A published one of which a unit is gone waits, too, since the
        same rows may be coming in a unit of another name.
        """
        if not self.waiting:
            return {}
        by_key = {key: self.waiting.intersection(names) for key, names in self.held_by.items() if key}
        young = {key: PurePath(min(names)).name for key, names in by_key.items() if names}
        reasons = {key: f"{name} may still be being written" for key, name in young.items()}
        left = {key: state for key, state in published.items() if key not in reasons and self.differs(key, state)}
        for key, state in left.items():
            if self.gone(key, state):
                reasons[key] = f"{self.reason_of(key, state)}, and others may still be being written"
        return reasons

    @property
    def is_in_one_piece(self) -> bool:
        """Tell whether its units are read together, so that the ledger does not know what each holds."""
        return self.inventory is not None and WHOLE_UNIT in self.inventory.facts["unit"]

    def reason_of(self, key: str, state: PartitionState) -> str:
        """Return what happened to the rows of a partition since it was made, by the units that hold them."""
        moves = [f"{PurePath(name).name} {what}" for name, what in self._moves(key, state)]
        more = f" and {len(moves) - _NAMED} more" if len(moves) > _NAMED else ""
        return f"its data changed{': ' * bool(moves)}{', '.join(moves[:_NAMED])}{more}"

    def changed_since(self, source: Source) -> set[str]:
        """Return the partitions that hold rows of units that have changed or gone since this look."""
        if self.inventory is None or source.connector.holds_still:
            return set()
        stamps = self.inventory.facts.select("unit", "stamp").unique().rows()
        with source.connector.open(source.name) as data:
            units = data.units() or []
        now = {(unit.name, unit.stamp) for unit in (*units, *join_units(units))}
        changed = {name for name, stamp in stamps if (name, stamp) not in now}
        return {key for key, names in self.held_by.items() if key and changed.intersection(names)} if changed else set()

    @property
    def extra(self) -> dict[str, str]:
        """Return what a commit says of this look besides the digests of its partitions."""
        newest = None if self.inventory is None else self.inventory.events["seen_at"].max()
        return {UNITS_AT: newest.isoformat()} if isinstance(newest, datetime) else {}

    def _holds_the_same(self, name: str, key: str, moment: datetime) -> bool:
        """Tell whether a unit holds the same rows of a partition as at a moment; another reading cannot tell."""
        if self.inventory is None:
            return False
        seen = self.inventory.events.filter(pl.col("event") == SEEN, pl.col("unit") == name)
        before, now = seen.filter(pl.col("seen_at") <= moment)["seen_at"].max(), seen["seen_at"].max()
        looks = [seen.filter(pl.col("seen_at") == at) for at in (before, now)]
        inside = pl.col("at") == self.starts.get(key)
        held = [look.filter(inside).select("rows", "hash", "hashed_by").rows() for look in looks]
        return held[0] == held[1] and set(looks[0]["reading"]) == set(looks[1]["reading"])

    def _moves(self, key: str, state: PartitionState) -> Iterator[tuple[str, str]]:
        written_at, moment = state.extra.get(UNITS_AT), _moment_of(state)
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


def _moment_of(state: PartitionState) -> datetime:
    """Return the newest event of the ledger that a partition's commit knows of; the first moment when it knows none."""
    written_at = state.extra.get(UNITS_AT)
    return clock.ALWAYS if written_at is None else datetime.fromisoformat(written_at)


def delivered_rows(state: PartitionState) -> int:
    """Return how many rows the connector had when a partition was made."""
    return state.rows if state.delivered is None else state.delivered


def join_units(units: Sequence[DataUnit]) -> list[DataUnit]:
    """Join all units into one, with a stamp that changes with any of theirs."""
    digest = hashlib.blake2b(digest_size=16)
    for unit in units:
        digest.update(f"{unit.name}\0{unit.stamp}\0".encode())
    return [DataUnit(WHOLE_UNIT, digest.hexdigest())]
