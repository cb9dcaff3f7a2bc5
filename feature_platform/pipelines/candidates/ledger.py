"""The ledger of a source: what each of its units held when it was read, so that only new units are read again.

The table `units/<source>` is a log of events: a unit was seen with a stamp, had these columns and held so many rows of
these partitions, or a unit was gone, or all units were compared, also those that are not watched. It only saves work,
and nothing breaks without it: all units are read once more.
What a partition was made of is in its own commit.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_platform.ground import clock
from feature_platform.ground.content import schema_as_text, schema_of_text
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.parts.sources.base import DataUnit

HASHED_BY = f"polars {pl.__version__}"  # Polars promises the same hash of a row within one release only
SEEN, GONE, COMPARED = "seen", "gone", "compared"
FACTS = {"unit": pl.String(), "at": clock.UTC, "rows": pl.Int64(), "hash": pl.Int64()}
_UNIT = {"event": pl.String(), "unit": pl.String(), "stamp": pl.String(), "reading": pl.String()}
_SEEN_AS = ["unit", "stamp", "reading", "schema"]
EVENTS = {
    **_UNIT,
    "at": clock.UTC,
    "rows": pl.Int64(),
    "hash": pl.Int64(),
    "hashed_by": pl.String(),
    "seen_at": clock.UTC,
    "run_id": pl.String(),
    "schema": pl.String(),
}


@dataclass(frozen=True)
class Inventory:
    """The units of a source that are there now, and what they hold.

    Attributes:
        facts: the rows of `EVENTS` that say what the present units hold.
        events: all events, the newest last.
        news: the events of this look, which are not stored yet.
        before: how many units and rows there were at the last look; zeros at the first.
    """

    facts: pl.DataFrame
    events: pl.DataFrame
    news: pl.DataFrame
    before: tuple[int, int]

    @property
    def now(self) -> tuple[int, int]:
        """Return how many units and rows there are."""
        return self.facts["unit"].n_unique(), int(self.facts["rows"].sum())

    @property
    def gone(self) -> list[str]:
        """Return the units that were there at the last look and are not any more."""
        return self.news.filter(pl.col("event") == GONE)["unit"].to_list()


@dataclass(frozen=True)
class UnitChanges:
    """How the units of a source differ from those of the last look: how many are new, changed and gone."""

    new: int
    changed: int
    gone: int

    def __str__(self) -> str:
        parts = {"new": self.new, "changed": self.changed, "gone": self.gone}
        return ", ".join(f"{count:,} {what}" for what, count in parts.items() if count) or "nothing new"


def unit_changes(events: pl.DataFrame, units: Sequence[DataUnit]) -> UnitChanges:
    """Return how units differ from those that the last look saw, by their names and stamps."""
    last = events.group_by("unit", maintain_order=True).agg(pl.col("event", "stamp").last())
    there, seen = _list_units(units), last.filter(pl.col("event") == SEEN)
    both = there.join(seen, on="unit", suffix="_seen")
    changed = both.filter(pl.col("stamp") != pl.col("stamp_seen")).height
    return UnitChanges(there.height - both.height, changed, seen.height - both.height)


def read_events(store: OfflineStore, table: str) -> pl.DataFrame:
    """Return the events of a ledger, the newest last; none when there is no such table."""
    rows = store.find(table)
    if rows is None:
        return pl.DataFrame(schema=EVENTS)
    stored = rows.collect_schema()
    columns = (pl.col(name) if name in stored else pl.lit(None, dtype).alias(name) for name, dtype in EVENTS.items())
    return rows.select(columns).collect().sort("seen_at", "run_id", maintain_order=True)


def known_schemas(events: pl.DataFrame, units: Sequence[DataUnit], reading: str) -> dict[str, pl.Schema]:
    """Return the columns of those units that the ledger knows with the stamp that they have now."""
    seen = events.filter(pl.col("reading") == reading, pl.col("schema").is_not_null())
    known = _list_units(units).join(seen.unique(["unit", "stamp"], keep="last"), on=["unit", "stamp"])
    schemas = {text: schema_of_text(text) for text in known["schema"].unique()}
    return {unit: schemas[text] for unit, text in known.select("unit", "schema").iter_rows()}


def keep_news(
    store: OfflineStore, table: str, inventory: Inventory | None, run_id: str, compared_at: datetime | None = None
) -> None:
    """Append the events of a look to a ledger; do nothing when there are no units.

    Args:
        compared_at: when all units were compared, also those that are not watched; None when they were not.
    """
    if inventory is None:
        return
    rows = inventory.news
    if compared_at is not None:
        event = {"event": [COMPARED], "unit": [""], "seen_at": [compared_at]}
        compared = pl.DataFrame(event, schema_overrides={"seen_at": clock.UTC})
        rows = pl.concat([rows, compared], how="diagonal")
    if rows.height:
        store.append(table, rows.with_columns(run_id=pl.lit(run_id)), stamp=CommitStamp(run_id, table, ""))


def last_comparison(events: pl.DataFrame) -> datetime | None:
    """Return when all units were last compared, also those that are not watched; None when that is not known."""
    moment = events.filter(pl.col("event") == COMPARED)["seen_at"].max()
    return moment if isinstance(moment, datetime) else None


def take_inventory(
    events: pl.DataFrame,
    units: Sequence[DataUnit],
    schemas: Mapping[str, pl.Schema],
    reading: str,
    seen_at: datetime,
    read: Callable[[Sequence[str]], pl.DataFrame],
) -> Inventory:
    """Take the inventory of the present units: from the ledger or, where it does not know them, by reading them.

    Args:
        schemas: the columns of units, of those that have their own.
        reading: the code and grain by which rows are made of a unit; the ledger knows a unit for one reading.
        seen_at: when this look is.
        read: returns `FACTS` of some units, at least one row for each.
    """
    texts = {id(schema): schema_as_text(schema) for schema in {id(each): each for each in schemas.values()}.values()}
    columns = {"unit": list(schemas), "schema": [texts[id(schema)] for schema in schemas.values()]}
    with_columns = pl.DataFrame(columns, schema={"unit": pl.String(), "schema": pl.String()})
    there = _list_units(units).join(with_columns, on="unit", how="left", maintain_order="left")
    there = there.with_columns(event=pl.lit(SEEN), reading=pl.lit(reading))
    listed = _list_seen(events)
    gone = listed.join(there, on="unit", how="anti").with_columns(event=pl.lit(GONE)).drop("seen_at", "schema")
    other = there.join(listed, on=_SEEN_AS, how="anti", nulls_equal=True)
    known = _newest_facts(events.filter(pl.col("reading") == reading))
    copied = known.drop("schema").join(other.select("unit", "stamp", "schema"), on=["unit", "stamp"])
    unknown = other.join(known, on=["unit", "stamp"], how="anti")
    frames = [copied.drop("seen_at", "run_id")]
    if unknown.height:
        frames.append(
            read(unknown["unit"].to_list()).join(unknown, on="unit").with_columns(hashed_by=pl.lit(HASHED_BY))
        )
    news = pl.concat([*frames, gone], how="diagonal").with_columns(
        seen_at=pl.lit(seen_at, dtype=clock.UTC), run_id=pl.lit(None, pl.String)
    )
    news = news.select(list(EVENTS))
    facts = known.join(there, on=["unit", "stamp"], how="semi").join(other, on="unit", how="anti")
    rows_before = events.join(listed, on=["unit", "seen_at"], how="semi")["rows"].sum()
    return Inventory(
        pl.concat([facts, news.filter(pl.col("event") == SEEN)]),
        pl.concat([events, news]),
        news,
        (listed.height, int(rows_before)),
    )


def stamps_of(events: pl.DataFrame) -> dict[str, str]:
    """Return the units that were there at the last look, with their stamps."""
    return dict(_list_seen(events).select("unit", "stamp").iter_rows())


def digests_of(facts: pl.DataFrame) -> dict[datetime | None, str]:
    """Return a digest of the rows of each partition, however they are cut into units: 16 hexadecimal digits."""
    parts = facts.group_by("at", "hashed_by").agg(pl.col("rows", "hash").sum()).filter(pl.col("rows") > 0)
    texts: dict[datetime | None, list[str]] = {}
    for at, hashed_by, rows, total in parts.sort("hashed_by").iter_rows():
        texts.setdefault(at, []).append(f"{hashed_by} {rows} {total}")
    return {at: hashlib.blake2b("\n".join(text).encode(), digest_size=8).hexdigest() for at, text in texts.items()}


def row_hash(columns: Sequence[str]) -> pl.Expr:
    """Return a hash of each row as a signed number; its sum over rows does not depend on their order."""
    return pl.struct(*columns).hash(seed=0).reinterpret(signed=True)


def _list_seen(events: pl.DataFrame) -> pl.DataFrame:
    """List the units that were there at the last look."""
    last = events.group_by("unit", maintain_order=True).agg(pl.col("event", "seen_at", *_SEEN_AS[1:]).last())
    return last.filter(pl.col("event") == SEEN)


def _newest_facts(events: pl.DataFrame) -> pl.DataFrame:
    """Return what the events say that units held; when two looks read a unit, what the newer one says."""
    seen = events.filter(pl.col("event") == SEEN)
    newest = pl.struct("seen_at", "run_id")
    return seen.filter(newest == newest.last().over("unit", "stamp", "reading"))


def _list_units(units: Sequence[DataUnit]) -> pl.DataFrame:
    """Return units with their stamps, in the order in which they are read."""
    columns = {"unit": [unit.name for unit in units], "stamp": [unit.stamp for unit in units]}
    return pl.DataFrame(columns, schema={"unit": pl.String(), "stamp": pl.String()})
