"""What a benchmark is about: tables, the spine that asks about them, and the work between the two.

Only values, which every engine's environment can import: nothing here needs Polars or the platform.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

KEY, TIME, KNOWN, ROW = "user_id", "event_timestamp", "known_at", "row_id"
AMOUNT, ITEM = "amount", "item"
START = datetime(2025, 1, 1, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Table:
    """Rows of keys at instants of the days from `START`, no two of one key at one instant.

    Attributes:
        columns: features, standard normal.
        known: whether there is a column that says when each row became known, hours after it happened.
    """

    name: str
    rows: int
    keys: int
    columns: tuple[str, ...]
    seed: int
    days: int = 365
    known: bool = False


@dataclass(frozen=True)
class SharedTable(Table):
    """A table drawn at once, in the order in which the Feast baseline of the project draws it."""


@dataclass(frozen=True)
class Events(Table):
    """Events with an amount and an item, one file for each day."""


@dataclass(frozen=True)
class Spine:
    """Random keys at random instants, numbered by `ROW`; `keys` beyond those of a table are not found."""

    name: str
    rows: int
    keys: int
    seed: int
    first_day: int = 0
    days: int = 365


@dataclass(frozen=True)
class Ingest:
    """Parquet files into the platform's own Delta tables, by month."""

    table: Table
    known: bool = False

    @property
    def name(self) -> str:
        """What the stored table is called."""
        return f"{self.table.name}_known" if self.known else self.table.name


@dataclass(frozen=True)
class Join:
    """The point-in-time join of a spine with tables.

    Attributes:
        known: whether a row is visible only from its `KNOWN` on.
        stored: whether the answer is written to disk (Delta or Parquet) and not to memory.
    """

    spine: Spine
    tables: tuple[Table, ...]
    ttl_days: int = 30
    known: bool = False
    stored: bool = False


@dataclass(frozen=True)
class Windows:
    """Aggregations over the windows that end at each spine row's own instant."""

    spine: Spine
    events: Events
    aggregations: tuple[str, ...]
    days: tuple[int, ...] = (1, 7, 30)


@dataclass(frozen=True)
class Publish:
    """Windows of all keys at the end of each day of `[first_day, end_day)`, published.

    Attributes:
        fresh: whether nothing is stored before; else what was published of earlier days is.
    """

    events: Events
    first_day: int
    end_day: int
    fresh: bool
    aggregations: tuple[str, ...] = ("count", "mean")
    days: tuple[int, ...] = (1, 7, 30)


Work = Ingest | Join | Windows | Publish


def feature_name(aggregation: str, days: int) -> str:
    """What the platform calls an aggregation of the events over a window; the peers call it the same."""
    names = {"count": "count", "distinct": f"{ITEM}_count_distinct", "median": f"{AMOUNT}_p50"}
    return f"{names.get(aggregation, f'{AMOUNT}_{aggregation}')}_{days}d"


def tables_of(work: Work) -> tuple[Table, ...]:
    """The tables that a work reads."""
    match work:
        case Ingest():
            return (work.table,)
        case Join():
            return work.tables
        case Windows() | Publish():
            return (work.events,)


def ingested_by(work: Work) -> tuple[Ingest, ...]:
    """What must be in the platform's store before a work begins."""
    match work:
        case Join():
            return tuple(Ingest(table, work.known) for table in work.tables)
        case Windows():
            return (Ingest(work.events),)
        case Ingest() | Publish():
            return ()
