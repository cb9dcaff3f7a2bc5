"""Entity buckets: the rows of a key always in the same one of `n` parts, on any machine and in any version.

The hash is defined here, over values, not by Polars, numpy or Python; literal buckets are pinned by a test, and
data that is stored in buckets relies on them. A bucket of `n` is two buckets of `2 * n`.
"""

import functools
import operator
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.keys.join_keys import key_names, key_parts, shared_types
from feature_platform.ground.errors import InvalidDeclaration

MOST_BUCKETS = 2**16
OF_NULLS = 0

_Bits = npt.NDArray[np.uint64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NULL = np.uint64(0xA0761D6478BD642F)
_HALF = np.uint64(32)
_AT_ONCE = 2**15  # keys mixed at once: they stay in the cache
_BYTES_AT_ONCE = 2**24  # of text


def bucket_of(
    frame: pl.DataFrame, on: Sequence[str], buckets: int, types: Mapping[str, pl.DataType] | None = None
) -> pl.Series:
    """Return the bucket, from 0 to `buckets - 1`, of the key of each row: `bucket` (UInt16).

    Equal keys have one bucket whatever the width of their numbers and whether text is a category, and -0.0 is 0.0.
    A key with a null or NaN in any part, which matches nothing, is in bucket 0.

    Args:
        on: the columns of the key.
        types: the type in which the keys of two frames meet (`shared_types`). Defaults to the frame's own.

    Raises:
        MissingColumns, WrongColumnType: a column is absent or is no key.
        InvalidDeclaration: less than 1 bucket or more than 65,536, or no key.

    >>> bucket_of(pl.DataFrame({"carrier": ["UA", "AA", None, "UA"]}), ["carrier"], 16).to_list()
    [13, 9, 0, 13]
    """
    if not 1 <= buckets <= MOST_BUCKETS or not on:
        raise InvalidDeclaration(
            "Entity buckets",
            f"cannot be {buckets} by the key {list(on)}",
            f"Ask for 1 to {MOST_BUCKETS} buckets, by one column or more.",
        )
    shared = {name: (types or shared_types(frame.schema, frame.schema, on, "Entity buckets"))[name] for name in on}
    parts = frame.select(key_parts(shared))
    bits = [_bits(parts[name]) for name in key_names(on)]
    buckets_found = np.empty(frame.height, dtype=np.uint16)
    for start in range(0, frame.height, _AT_ONCE):
        mixed = _mix_parts(bits, start)
        buckets_found[start : start + _AT_ONCE] = (mixed >> _HALF) * np.uint64(buckets) >> _HALF
    result = pl.Series("bucket", buckets_found)
    without = [parts[name].is_null() for name in key_names(on) if parts[name].null_count()]
    return result.set(functools.reduce(operator.or_, without), OF_NULLS) if without else result


def stable_hash(frame: pl.DataFrame, on: Sequence[str], salt: str = "") -> pl.Series:
    """Return 64 bits for the values of each row, the same on any machine and in any version: `hash` (UInt64).

    Equal values have one hash, as in `bucket_of`. Here a null is a value like any other, and NaN is null.

    Args:
        on: the columns whose values count.
        salt: another salt gives other bits, so that two choices by the same columns do not depend on one another.

    Raises:
        MissingColumns, WrongColumnType: a column is absent or is no key.

    >>> stable_hash(pl.DataFrame({"carrier": ["UA", None]}), ["carrier"], "weekly").to_list()
    [6263285900526266843, 9665727085794501536]
    """
    shared = shared_types(frame.schema, frame.schema, on, "A stable hash")
    parts = frame.select(key_parts(shared))
    seed = _of_texts(pl.Series([salt]))
    bits = [_with_null_bits(parts[name]) for name in key_names(on)]
    found = np.empty(frame.height, dtype=np.uint64)
    for start in range(0, frame.height, _AT_ONCE):
        found[start : start + _AT_ONCE] = _mix_parts(bits, start, seed)
    return pl.Series("hash", found)


def buckets_for(rows: int, bytes_per_row: int, budget: int) -> int:
    """Return how many buckets it takes for one to fit a budget of bytes: a power of two, at most 65,536.

    Keys of many rows make buckets uneven, and one key is never divided.

    >>> buckets_for(rows=1_000_000, bytes_per_row=100, budget=2**25)
    4
    """
    least = -(-rows * bytes_per_row // max(budget, 1))
    return min(1 << max(least - 1, 0).bit_length(), MOST_BUCKETS)


def _mix_parts(bits: Sequence[_Bits], start: int, seed: _Bits | None = None) -> _Bits:
    """Return the parts of some keys from one row on, mixed into 64 bits each."""
    mixed = np.zeros(1, dtype=np.uint64) if seed is None else seed
    for part in bits:
        mixed = _mix((mixed + _GOLDEN) ^ part[start : start + _AT_ONCE])
    return mixed


def _with_null_bits(values: pl.Series) -> _Bits:
    """Return 64 bits for each value, those of nulls like no value that is likely."""
    bits = _bits(values)
    return np.where(values.is_null().to_numpy(), _NULL, bits) if values.null_count() else bits


def _bits(values: pl.Series) -> _Bits:
    """Return 64 bits for each value, the same for equal ones; nulls have any."""
    match values.dtype:
        case pl.String():
            return _of_distinct(values)
        case pl.Binary():
            return _of_distinct(values.bin.encode("hex"))
        case pl.Float64():
            floats = values.fill_null(0.0).to_numpy() + 0.0  # -0.0 + 0.0 is 0.0
            return np.where(np.isnan(floats), np.nan, floats).view(np.uint64)
        case pl.Int128() | pl.UInt128() | pl.Decimal():
            return _of_wide(values.to_physical())
        case _:
            return values.to_physical().cast(pl.Int64, wrap_numerical=True).fill_null(0).to_numpy().view(np.uint64)


def _of_wide(values: pl.Series) -> _Bits:
    """Return the low half of 128 bits, the high one mixed in unless it is but the sign: UInt64 meets Int128."""
    base = pl.lit(2**64, dtype=pl.UInt128 if values.dtype == pl.UInt128 else pl.Int128)
    halves = (
        values.fill_null(0).alias("whole").to_frame().select(high=pl.col("whole") // base, low=pl.col("whole") % base)
    )
    low, high = (halves[name].cast(pl.UInt64, wrap_numerical=True).to_numpy() for name in ("low", "high"))
    sign = (high == 0) | (high == np.uint64(2**64 - 1))
    return np.where(sign, low, low ^ _mix(high))


def _of_distinct(texts: pl.Series) -> _Bits:
    """Return the bits of text, computed once for each distinct one."""
    rows = pl.DataFrame({"text": texts.fill_null("")}).with_row_index("row").group_by("text").agg("row")
    bits = np.empty(len(texts), dtype=np.uint64)
    bits[rows["row"].explode(empty_as_null=False).to_numpy()] = np.repeat(
        _of_texts(rows["text"]), rows["row"].list.len().to_numpy()
    )
    return bits


def _of_texts(texts: pl.Series) -> _Bits:
    lengths = texts.str.len_bytes().cast(pl.Int64).to_numpy()
    ends = np.append(0, np.cumsum(lengths))
    parts, start = [np.zeros(0, dtype=np.uint64)], 0
    while start < len(texts):
        stop = max(int(np.searchsorted(ends, ends[start] + _BYTES_AT_ONCE)), start + 1)
        parts.append(_of_bytes(texts[start:stop].str.join("").cast(pl.Binary).item(), lengths[start:stop]))
        start = stop
    return np.concatenate(parts)


def _of_bytes(joined: bytes, lengths: npt.NDArray[np.int64]) -> _Bits:
    """Return for each text its UTF-8 bytes as little-endian words, mixed with their places, summed, and its length."""
    words = -(-lengths // 8) + 1  # one more, so that no text is without
    first = np.cumsum(words) - words
    padded = np.zeros(8 * int(words.sum()), dtype=np.uint8)
    shift = 8 * first - (np.cumsum(lengths) - lengths)
    padded[np.arange(len(joined)) + np.repeat(shift, lengths)] = np.frombuffer(joined, dtype=np.uint8)
    place = (np.arange(words.sum()) - np.repeat(first, words)).astype(np.uint64)
    mixed = _mix(padded.view("<u8").astype(np.uint64) + (place + np.uint64(1)) * _GOLDEN)
    sums: _Bits = np.add.reduceat(mixed, first) + lengths.astype(np.uint64)
    return sums


def _mix(bits: _Bits) -> _Bits:
    """Mix bits as splitmix64 ends (Steele, Lea and Flood, 2014): each bit of the input turns half of the output."""
    mixed = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
