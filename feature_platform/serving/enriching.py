"""Enriched events at the moment of a request: events and histories meet by the function that joins them offline.

Then the view's own function works on them, as it does on the rows of tables.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from feature_platform.compute.serving.entries import HEADER, ORIGIN, PUSHED
from feature_platform.compute.serving.keys import encode_keys
from feature_platform.compute.serving.packed import stored_series_of
from feature_platform.compute.serving.parts import needed_columns, shows_numbers
from feature_platform.compute.serving.served_rows import find_rows
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.compute.serving.tile_bytes import event_count, untagged_events_of
from feature_platform.compute.serving.tiles import tile_key
from feature_platform.compute.serving.values import BETWEEN
from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.rows import feature_rows
from feature_platform.compute.windows.timeline import Whole
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.view import FeatureView
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.errors import MissingColumns, TooMuchWork
from feature_platform.ground.working_columns import ENTITY, MEMBER
from feature_platform.online.base import Reader

_ROOM, _ROW_BYTES = 2**20, 128  # bytes that are read at most, and for each row, before rows are counted
_Key = tuple[object, ...]
_Round = tuple[int, Sequence[Enrichment]]
"""How many enrichments come before some whose keys are known when those are done, and these."""


class EnrichedEvents:
    """The events of an exact view, which are enriched when they are read, prepared for the table of their tiles.

    Attributes:
        types: the columns that its windows aggregate, and the clocks.

    Raises:
        MissingColumns: the view needs what was not published, since it is declared otherwise by now.
    """

    def __init__(self, view: FeatureView, table: ServedTable) -> None:
        self._view, self._table = view.original, table
        given = pl.Schema(table.given)
        self._shows_numbers = shows_numbers(self._view, given)
        self._check(given)
        added = {name for each in self._view.enrichments for name in each.columns}
        clocks = {self._view.event_known_at, self._view.event_known_until} - {self._view.source.known_at}
        own = {name: dtype for name, dtype in given.items() if name not in added and name not in clocks}
        self._absent = [pl.lit(None, dtype).alias(name) for name, dtype in own.items() if name not in table.features]
        self._rounds = list(_rounds(self._view.enrichments, set(own)))
        no_rows = pl.LazyFrame(schema={ENTITY: pl.Int64(), **given})
        made = feature_rows(self._view, no_rows).collect_schema()
        aggregated = (name for each in self._view.aggregations for name in each.reads)
        self.types = {name: made[name] for name in dict.fromkeys([*self._view.event_clocks, *aggregated])}
        self._histories: dict[str, ServedTable] = {}

    def enrich(
        self, owned: Whole, events: pl.DataFrame, reader: Reader, now: datetime, most: int | None
    ) -> tuple[Whole, pl.DataFrame, frozenset[int]]:
        """Return what the view's function makes of events, with the entity of each row.

        Args:
            owned: the entity of each event.
            most: how many rows of other tables may be read; any number by default.

        Returns:
            The entity of each row, the rows, and the entities to which a row of another table was pushed.

        Raises:
            TooMuchWork: there are more rows.
        """
        columns = [column for column in events.get_columns() if column.name != MEMBER]
        raw = pl.DataFrame([*columns, pl.Series(ENTITY, owned, dtype=pl.Int64)])
        whole = raw.lazy().with_columns(self._absent)
        histories = _Histories(self._table, self._histories, reader, now, most)
        for before, found in self._rounds:
            asking = raw if not before else self._enrich_by(before, whole, histories.rows).collect()
            for each in found:
                histories.read(each, asking)
        rows = feature_rows(self._view, self._enrich_by(len(self._view.enrichments), whole, histories.rows))
        wanted = [*self.types, *([ENTITY] if self._shows_numbers else self._view.join_keys)]
        made = rows.select(list(dict.fromkeys(wanted))).collect()
        if not self._shows_numbers:
            keys = list(self._view.join_keys)
            owners = raw.select(*keys, ENTITY).unique()
            made = made.join(owners, on=keys, how="left", maintain_order="left")
        rows_of_windows = pl.DataFrame([made[name] for name in self.types])
        return made[ENTITY].to_numpy(), rows_of_windows, frozenset(histories.pushed)

    def _enrich_by(self, count: int, events: pl.LazyFrame, rows: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
        every = self._view.enrichments
        view = self._view if count == len(every) else replace(self._view, enrichments=every[:count])
        return enrich_events(view, events, rows)

    def _check(self, given: pl.Schema) -> None:
        owner = f"Feature view `{self._view.name}` as it is published"
        strange = [each.asset for each in self._view.enrichments if each.asset not in self._table.histories]
        if strange:
            raise MissingColumns(owner, strange, list(self._table.histories))
        made = {name for each in self._view.enrichments for name in each.columns} | {*self._view.event_clocks}
        missing = sorted(needed_columns(self._view, given) - {*self._table.features} - made)
        if missing:
            raise MissingColumns(owner, missing, self._table.features)


class _Histories:
    """The rows of other tables that some events find, read for one answer; plain Python for its few keys, no query.

    Attributes:
        pushed: the entities of events that find a row that was pushed.
    """

    def __init__(
        self, table: ServedTable, known: dict[str, ServedTable], reader: Reader, now: datetime, most: int | None
    ) -> None:
        self._table, self._known, self._reader, self._now, self._most = table, known, reader, now, most
        self._parts: dict[str, list[pl.DataFrame]] = {}
        self._read_keys: dict[str, dict[_Key, bool]] = {}
        self.pushed: set[int] = set()

    @property
    def rows(self) -> Mapping[str, pl.LazyFrame]:
        """Return what was read, by the name of the table."""
        return {asset: pl.concat(parts).lazy() for asset, parts in self._parts.items()}

    def read(self, by: Enrichment, asking: pl.DataFrame) -> None:
        """Read the rows that some events find and that were not read yet."""
        name = self._table.histories[by.asset]
        if name not in self._known:
            self._known[name] = self._reader.get(name, ())[0]
        known = self._read_keys.setdefault(by.asset, {})
        while True:
            table = self._known[name]
            columns = [_values(asking[of], table.keys[key]) for of, key in by.on.items()]
            keys = list(zip(*columns, strict=True))
            wanted = [key for key in dict.fromkeys(keys) if None not in key and key not in known]
            seen, rows, pushed = self._read(name, table, wanted)
            if seen is table:
                break
            self._known[name] = seen
        known |= dict.fromkeys(wanted, False) | {wanted[place]: True for place in pushed}
        self._parts.setdefault(by.asset, []).append(rows)
        if any(self._table.versions.get(asset) != version for asset, version in table.versions.items()):
            self.pushed.update(asking[ENTITY].to_list())  # one of the two is published, and the other is not yet
        elif any(known.values()):
            owners = zip(asking[ENTITY].to_list(), keys, strict=True)
            self.pushed.update(owner for owner, key in owners if known.get(key))

    def _read(
        self, name: str, table: ServedTable, wanted: Sequence[_Key]
    ) -> tuple[ServedTable, pl.DataFrame, Collection[int]]:
        """Return the table of a history, its rows of some keys, and the places of the keys with pushed rows."""
        columns = [[key[place] for key in wanted] for place in range(len(table.keys))]
        keys = encode_keys(table.keys, columns)
        is_row = table.kind is ViewKind.ROW
        asked = keys if is_row else [None if key is None else tile_key(key, 0) for key in keys]
        room = None if self._most is None else _ROOM + self._most * _ROW_BYTES
        seen, entries = self._reader.get(name, asked, most=room)
        if seen is not table:
            return seen, pl.DataFrame(), ()
        places = [place for place, entry in enumerate(entries) if entry is not None]
        tiles = [entry for entry in entries if entry is not None]
        pushed: Collection[int]
        if is_row:
            owners, rows, pushed = _last_rows(table, tiles, places, self._now)
        else:
            self._count(event_count(tiles))
            owners, rows, pushed = untagged_events_of(tiles, places, table.features)
        found = (
            pl.Series(key, values, dtype=dtype)[owners]
            for (key, dtype), values in zip(table.keys.items(), columns, strict=True)
        )
        return table, pl.DataFrame([*found, *rows.get_columns()]), pushed

    def _count(self, rows: int) -> None:
        if self._most is None:
            return
        if rows > self._most:
            raise TooMuchWork(f"`{self._table.view}` would be enriched from {rows} rows", self._most)
        self._most -= rows


def _values(column: pl.Series, dtype: pl.DataType) -> Sequence[object]:
    """Return the values of a column of events as they are in the key of another table; None where they cannot be."""
    return (column if column.dtype == dtype else column.cast(dtype, strict=False)).to_list()


def _last_rows(
    table: ServedTable, entries: Sequence[bytes], places: Sequence[int], now: datetime
) -> tuple[Whole, pl.DataFrame, Collection[int]]:
    """Return of facts without a date the place of the key of each row, the rows, and the places of pushed ones."""
    found = find_rows(table, entries, entries, now=now, ttl=None).rows
    rows = {place: row for place, row in zip(places, found, strict=True) if row is not None}
    texts = [row[HEADER:].split(BETWEEN) for row in rows.values()]
    values = [
        stored_series_of(name, dtype, [each[number] for each in texts])
        for number, (name, dtype) in enumerate(table.features.items())
    ]
    pushed = [place for place, row in rows.items() if row[ORIGIN] == PUSHED]
    return np.array(list(rows), dtype=np.int64), pl.DataFrame(values), pushed


def _rounds(enrichments: Sequence[Enrichment], known: set[str]) -> Iterator[_Round]:
    """Yield enrichments in rounds: a column that one adds may be the key of a later one."""
    before, found, columns = 0, list[Enrichment](), set(known)
    for number, each in enumerate(enrichments):
        if not set(each.on) <= columns:
            yield before, found
            before, found = number, []
            columns |= {name for earlier in enrichments[:number] for name in earlier.columns}
        found.append(each)
    yield before, found
