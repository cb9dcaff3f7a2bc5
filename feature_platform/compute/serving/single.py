"""One pushed row as its entry or tile: what `entries_of` and `tiles_of` make of it, without a query.

To begin a query costs more than the row. What is not plain (a key that is neither a whole number nor text, a time
beyond the years of four digits) is left to the queries; a property test holds both together.
"""

import struct
from collections.abc import Mapping

import msgspec
import polars as pl

from feature_platform.compute.serving.keys import encode_keys
from feature_platform.compute.serving.packed import stored_texts_of, tile_texts_of
from feature_platform.compute.serving.tile_bytes import is_fixed
from feature_platform.compute.serving.tiles import tile_key
from feature_platform.compute.serving.values import BETWEEN
from feature_platform.ground.clock import UTC, moment_of, rfc3339
from feature_platform.ground.sortable_moments import YEAR_ONE, sortable

_FIRST, _LAST = -30_610_224_000_000_000, 253_402_300_800_000_000  # the years 1000 to 9999: all write them alike
_WHOLE, _FLOAT, _COUNT, _LENGTH = struct.Struct("=q"), struct.Struct("=d"), struct.Struct("<I"), struct.Struct("<i")
_LARGE = (pl.Int128, pl.UInt128)


def single_entry(
    row: pl.DataFrame,
    keys: Mapping[str, pl.DataType],
    features: Mapping[str, pl.DataType],
    event: str,
    known: str | None,
) -> Mapping[bytes, bytes] | None:
    """Return the entry of a pushed row under its key, as `entries_of` makes it; None where a query has to.

    Args:
        row: a frame of one row.
        event, known: the names of its clocks; without a known-at clock it was known when it happened.
    """
    known = known or event
    if not _are_plain(row, keys, event, known):
        return None
    key, happened, heard = _key(row, keys), _microsecond(row, event), _microsecond(row, known)
    if key is None or happened is None or heard is None:
        return {}
    if not (_FIRST <= happened < _LAST and YEAR_ONE <= heard < _LAST):
        return None
    moment = moment_of(happened)
    nulls = any(row[name].null_count() for name in features)
    header = b"%b%b%018d%bp." % (rfc3339(moment).encode(), sortable(moment), heard - YEAR_ONE, b"01"[nulls : nulls + 1])
    return {key: header + BETWEEN.join(stored_texts_of(row[name])[0] for name in features)}


def single_tile(
    row: pl.DataFrame,
    keys: Mapping[str, pl.DataType],
    columns: Mapping[str, pl.DataType],
    event: str,
    length: int,
    tag: str,
) -> Mapping[bytes, bytes] | None:
    """Return the tile of a pushed event under its key, as `tiles_of` makes it; None where a query has to.

    Args:
        row: a frame of one row.
        length: of a tile, in microseconds.
        tag: of the event.
    """
    if not _are_plain(row, keys, event):
        return None
    key, happened = _key(row, keys), _microsecond(row, event)
    if key is None or happened is None:
        return {}
    parts = [_COUNT.pack(1), *(_stretch(row[name]) for name in columns), _text(msgspec.json.encode(tag))]
    return {tile_key(key, (happened - YEAR_ONE) // length): b"".join(parts)}


def _are_plain(row: pl.DataFrame, keys: Mapping[str, pl.DataType], *clocks: str) -> bool:
    """Tell whether keys and clocks are of the types that are written here."""
    if not keys or any(row.schema[clock] != UTC for clock in clocks):
        return False
    return all(dtype == pl.String or (dtype.is_integer() and dtype not in _LARGE) for dtype in keys.values())


def _key(row: pl.DataFrame, keys: Mapping[str, pl.DataType]) -> bytes | None:
    return encode_keys(keys, [row[name].to_list() for name in keys])[0]


def _microsecond(row: pl.DataFrame, clock: str) -> int | None:
    """Return a clock in microseconds since 1970."""
    ticks: int | None = row[clock].cast(pl.Int64).item()
    return ticks


def _stretch(value: pl.Series) -> bytes:
    """Write one value as the column of a tile: a mark whether it is there, or how long it is, and the value."""
    if not is_fixed(value.dtype):
        return _LENGTH.pack(-1) if value.null_count() else _text(tile_texts_of(value)[0])
    pack, kind = (_FLOAT.pack, pl.Float64) if value.dtype.is_float() else (_WHOLE.pack, pl.Int64)
    return b"\x00" + pack(0) if value.null_count() else b"\x01" + pack(value.cast(kind).item())


def _text(text: bytes) -> bytes:
    return _LENGTH.pack(len(text)) + text
