"""Exact windows at the moment of a request, by the same kernel that computes them offline."""

from collections.abc import Container, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from feature_platform.compute.serving.served_rows import NotQuick, ServedRows
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.compute.serving.tile_bytes import event_count, is_fixed, untagged_events_of
from feature_platform.compute.serving.tiles import tile_names
from feature_platform.compute.serving.values import BETWEEN, NULL, texts_of
from feature_platform.compute.windows import AtMoment, window_features
from feature_platform.compute.windows.timeline import Whole
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import EPOCH, UTC, microsecond_of, rfc3339
from feature_platform.ground.errors import SumTooLarge, TooMuchWork
from feature_platform.ground.sortable_moments import sortable
from feature_platform.ground.working_columns import ENTITY, NOW
from feature_platform.online.base import Reader
from feature_platform.parts.aggregations import Aggregation, Count, First, Last, Max, Mean, Min, Std, Sum, Var
from feature_platform.serving.enriching import EnrichedEvents

_ROOM, _EVENT_BYTES = 2**20, 128  # bytes that are read at most, and for each event, before events are counted
_LIGHT = (Count, First, Last, Max, Mean, Min, Std, Sum, Var)  # lists of 100 entities take 2 to 7 ms to make


class ExactWindows:
    """The windows of an exact view that end at the moment of a request, prepared for the table of its tiles.

    Attributes:
        types: the types of its features.
    """

    def __init__(self, view: FeatureView, table: ServedTable) -> None:
        windows = view.windows
        self._view, self._table, self._longest = view, table, view.reach_us
        self._event_time = str(view.source.event_time)
        self._known_at, self._known_until = view.event_known_at, view.event_known_until
        self._aggregations, self._owner = windows.aggregations, f"Feature view `{view.name}`"
        self._enriched = EnrichedEvents(view, table) if table.histories else None
        columns = self._enriched.types if self._enriched else table.features
        no_keys, no_events = _spine(0, EPOCH), pl.DataFrame(schema={ENTITY: pl.Int64(), **columns})
        schema = self._windows(no_keys, no_events).collect_schema()
        self.types = {name: schema[name] for name in windows.features}
        self._is_light = self._enriched is None and all(map(is_fixed, table.features.values()))
        self._quick = AtMoment.of(
            columns,
            on=ENTITY,
            event_time=self._event_time,
            known_at=self._known_at,
            known_until=self._known_until,
            aggregations=self._aggregations,
            derived=windows.derived,
            owner=self._owner,
        )

    def find_windows(
        self,
        keys: Sequence[bytes | None],
        reader: Reader,
        now: datetime,
        *,
        most: int | None = None,
        at_once: int | None = None,
        rows: Sequence[int] | None = None,
    ) -> tuple[ServedTable, ServedRows]:
        """Compute the windows of each key; a key that is null has none.

        Args:
            most: how many events may be read for it; any number by default.
            at_once: how many there may be where a slow answer is not to be begun; any number by default.
            rows: the row of the request that each key is of, for errors; the place of the key by default.

        Returns:
            The table that the tiles are of, and the rows. Where it is another table, there are no rows: ask again.

        Raises:
            TooMuchWork: there are more events, with the rows that enrich them; nothing was computed.
            NotQuick: there are more than may be computed at once, or of other types; nothing was computed.
            SumTooLarge: a sum of whole numbers does not fit 64 bits.
        """
        if at_once is not None and not (self._is_light and self._quick):
            raise NotQuick
        names = tile_names(now, self._longest, self._table.tile)
        wanted = [key + name for key in keys if key is not None for name in names]
        room = None if most is None else _ROOM + most * _EVENT_BYTES
        seen, stored = reader.get(self._view.original.name, wanted, most=room)
        if seen is not self._table:
            return seen, ServedRows([])
        tiles = [tile for tile in stored if tile is not None]
        whole = np.array([number for number, key in enumerate(keys) if key is not None], dtype=np.int64)
        entities = np.repeat(whole, len(names))[[tile is not None for tile in stored]]
        count = event_count(tiles)
        if most is not None and count > most:
            raise TooMuchWork(f"`{self._view.name}` would be computed from {count} events", most)
        if at_once is not None and count > at_once:
            raise NotQuick
        owned, events, pushed = untagged_events_of(tiles, entities, self._table.features)
        if self._enriched is not None:
            left = None if most is None else most - count
            owned, events, also_pushed = self._enriched.enrich(owned, events, reader, now, left)
            pushed |= also_pushed
        try:
            values = self._values(owned, events, len(keys), now)
        except SumTooLarge as error:
            place = int(str(error.key[ENTITY]))
            row = {"row of the request": (place if rows is None else rows[place]) + 1}
            raise SumTooLarge(error.owner, error.feature, error.column, row, error.instant) from None
        return self._table, ServedRows(_entries(values, keys, pushed, now))

    def _values(self, owned: Whole, events: pl.DataFrame, height: int, now: datetime) -> Sequence[Sequence[bytes]]:
        """Compute the features of each key as JSON texts."""
        if self._quick is not None and self._quick.fits(height):
            values = self._quick.values(owned, events, height, microsecond_of(now))
        else:
            values = self._windows(_spine(height, now), events.with_columns(pl.Series(ENTITY, owned))).collect()
        return list(zip(*(texts_of(values[name]) for name in self.types), strict=True))

    def _windows(self, spine: pl.DataFrame, events: pl.DataFrame) -> pl.LazyFrame:
        return window_features(
            spine,
            events,
            on=[ENTITY],
            spine_time=NOW,
            event_time=self._event_time,
            known_at=self._known_at,
            known_until=self._known_until,
            aggregations=self._aggregations,
            derived=self._view.windows.derived,
            owner=self._owner,
        )


def is_light_view(view: FeatureView) -> bool:
    """Tell whether the windows of an exact view over few events are computed at once, if their types allow it."""
    is_plain = view.event_known_at is None and not view.windows.derived and not view.enrichments
    return is_plain and all(map(_is_light, view.aggregations))


def _is_light(aggregation: Aggregation) -> bool:
    return type(aggregation) in _LIGHT and aggregation.where is None and aggregation.by is None


def _entries(
    values: Sequence[Sequence[bytes]], keys: Sequence[bytes | None], pushed: Container[int], now: datetime
) -> Sequence[bytes | None]:
    """Return the rows of keys as `entries` has them: header, then values."""
    header = rfc3339(now).encode() + sortable(now) * 2
    return [
        None
        if key is None
        else b"%b%b%b.%b"
        % (header, b"1" if NULL in texts else b"0", b"p" if number in pushed else b"d", BETWEEN.join(texts))
        for number, (key, texts) in enumerate(zip(keys, values, strict=True))
    ]


def _spine(height: int, now: datetime) -> pl.DataFrame:
    rows = pl.DataFrame({ENTITY: range(height)}, schema={ENTITY: pl.Int64})
    return rows.with_columns(pl.lit(now, UTC).alias(NOW))
