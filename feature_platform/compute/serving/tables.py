"""A served table: the facts of a view in the online store besides its rows, kept and changed together with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec
import polars as pl

from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.content import schema_as_text, schema_of_text

_SCHEMAS = ("keys", "features", "given")


@dataclass(frozen=True)
class Instant:
    """One published instant of a snapshot view.

    Attributes:
        as_of: the instant, as `sortable` writes it.
        default: the row (`entries`) of a key that has none at this instant; None where the view is global.
    """

    as_of: str
    known: str
    default: str | None


@dataclass(frozen=True)
class ServedTable:
    """One view in the online store.

    Attributes:
        keys, features: names and types, in order; for an exact view the features are what its windows aggregate.
        versions: the Delta version of each table it was made from.
        origin: Delta's own id of that table; versions of another table cannot be compared with these.
        commits: for each of these versions a mark that distinguishes its commit from another of the same number.
        histories: of an exact view whose tiles hold events before they are enriched, the names of the tables with the
            rows that enrich them, by the asset that these are of.
        given: of such a view the columns of enriched events, as its function gets them.
        instants: of a snapshot view, newest first: the newest that was out when it was published, and later ones.
        tile: of an exact view, the length of a tile in microseconds.
        published_at, newest: the moment of publishing, and of the newest event in it, as RFC 3339.
        generation: counts the times it was built anew, given by the store.
        change: counts the changes of a generation, given by the store.
    """

    view: str
    kind: ViewKind
    keys: Mapping[str, pl.DataType]
    features: Mapping[str, pl.DataType]
    versions: Mapping[str, int] = field(default_factory=dict)
    origin: str = ""
    commits: Mapping[str, str] = field(default_factory=dict)
    code_version: str = ""
    published_at: str = ""
    newest: str | None = None
    entries: int = 0
    instants: tuple[Instant, ...] = ()
    tile: int = 0
    generation: int = 0
    change: int = 0
    histories: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, pl.DataType] = field(default_factory=dict)

    @property
    def stamp(self) -> str:
        """Return which state of the table this is."""
        return f"generation {self.generation}, change {self.change}"

    def at(self, generation: int, change: int) -> "ServedTable":
        """Return the same table as another state of it."""
        return replace(self, generation=generation, change=change)

    def to_bytes(self) -> bytes:
        """Return the table as the store keeps it."""
        schemas = {name: schema_as_text(schema) if (schema := getattr(self, name)) else "" for name in _SCHEMAS}
        return msgspec.json.encode(_Record(**{**vars(self), **schemas}))

    @staticmethod
    def from_bytes(text: bytes) -> "ServedTable":
        """Read what `to_bytes` wrote."""
        record = msgspec.json.decode(text, type=_Record)
        facts = {name: getattr(record, name) for name in record.__struct_fields__}
        schemas = {name: dict(schema_of_text(facts[name])) if facts[name] else {} for name in _SCHEMAS}
        return ServedTable(**{**facts, **schemas})


class _Record(msgspec.Struct):
    view: str
    kind: ViewKind
    keys: str
    features: str
    versions: dict[str, int]
    code_version: str
    published_at: str
    newest: str | None
    entries: int
    instants: tuple[Instant, ...]
    tile: int
    generation: int
    change: int
    origin: str = ""
    commits: dict[str, str] = {}
    histories: dict[str, str] = {}
    given: str = ""
