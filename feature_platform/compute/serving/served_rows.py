"""The rows that a served view has for some keys at a moment: one row for each, or why there is none.

The rules are those of the offline joins: the newest row known, or the newest published instant with its default row,
then the time to live. A key that is null has nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

import msgspec

from feature_platform.compute.serving.entries import EVENT, HAS_MORE, KNOWN, MORE, is_visible, row_at
from feature_platform.compute.serving.tables import Instant, ServedTable
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.sortable_moments import sortable

PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE = "PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"
STATUSES = (PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE)
_EVENT, _KNOWN, _MORE = itemgetter(EVENT), itemgetter(KNOWN), itemgetter(MORE)


class ServedRows(msgspec.Struct, frozen=True):  # made for every request, so that it has to be cheap to make
    """One row (`entries`) or None for each key.

    Attributes:
        expired: where the row is there, but older than the time to live, so that its values are null.
    """

    rows: Sequence[bytes | None]
    expired: frozenset[int] = frozenset()

    def at(self, places: Sequence[int]) -> "ServedRows":
        """Return the rows of some places, in another order or repeated."""
        expired = self.expired and frozenset(n for n, place in enumerate(places) if place in self.expired)
        return ServedRows([self.rows[place] for place in places], expired)


class NotQuick(Exception):
    """The rows of a request may take longer to find than other requests can wait."""


def find_rows(
    table: ServedTable,
    entries: Sequence[bytes | None],
    keys: Sequence[bytes | None],
    *,
    now: datetime,
    ttl: int | None,
    most: int | None = None,
) -> ServedRows:
    """Find the rows of a row or snapshot view at a moment.

    Args:
        ttl: the time to live in microseconds; exactly that old is still valid.
        most: bytes of entries to look through at most. Defaults to no limit.

    Raises:
        NotQuick: there are more, such as where many keys have many rows that are not known yet.
    """
    moment = sortable(now)
    oldest = None if ttl is None else b"%018d" % max(int(moment) - ttl, 0)
    if table.kind is ViewKind.SNAPSHOT:
        _check_size(entries, most)
        return _snapshot(table, entries, keys, moment, oldest)
    rows = entries
    if not _are_rows(entries, moment):
        _check_size(entries, most)
        rows = [None if each is None else row_at(each, moment) for each in entries]
    if oldest is None:
        return ServedRows(rows)
    return ServedRows(rows, frozenset(n for n, row in enumerate(rows) if row is not None and row[EVENT] < oldest))


def _check_size(entries: Sequence[bytes | None], most: int | None) -> None:
    """Refuse to look through more bytes than `most`; one entry, as in most requests, is never too much."""
    if most is not None and len(entries) > 1 and sum(map(len, filter(None, entries))) > most:
        raise NotQuick


def _are_rows(entries: Sequence[bytes | None], moment: bytes) -> bool:
    """Tell whether each entry is one row that is visible: the usual case, checked for all at once."""
    if len(entries) == 1:
        (entry,) = entries
        return entry is not None and entry[MORE] != HAS_MORE and is_visible(entry, moment)
    there = [entry for entry in entries if entry is not None]
    if not there or len(there) < len(entries) or HAS_MORE in map(_MORE, there):
        return False
    return bool(max(map(_EVENT, there)) <= moment and max(map(_KNOWN, there)) <= moment)


def _snapshot(
    table: ServedTable,
    entries: Sequence[bytes | None],
    keys: Sequence[bytes | None],
    moment: bytes,
    oldest: bytes | None,
) -> ServedRows:
    instant = newest_instant(table, moment)
    if instant is None:
        return ServedRows([None] * len(keys))
    as_of = instant.as_of.encode()
    default = None if instant.default is None else instant.default.encode()
    rows = [
        None if key is None else _at_instant(entry, moment, as_of, default)
        for key, entry in zip(keys, entries, strict=True)
    ]
    if oldest is None or as_of >= oldest:
        return ServedRows(rows)
    return ServedRows(rows, frozenset(n for n, row in enumerate(rows) if row is not None))


def newest_instant(table: ServedTable, moment: bytes) -> Instant | None:
    """Return the newest instant whose values are out at a moment, written as `sortable` does."""
    text = moment.decode()
    return next((each for each in table.instants if each.known <= text), None)


def _at_instant(entry: bytes | None, moment: bytes, as_of: bytes, default: bytes | None) -> bytes | None:
    row = None if entry is None else row_at(entry, moment)
    return row if row is not None and row[EVENT] == as_of else default
