"""Keys of the online store: the join key of a row as bytes that are the same wherever they are made.

A key is the canonical text of its parts, so that `"1001"` and `1001` find the same row of a whole-number key. Keys sort
as their values do (floats aside), so that sorted rows load in order. Bulk loads make keys with Polars, requests with
plain Python; a property test holds them together.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from hashlib import blake2b
from math import isnan

import polars as pl

from feature_platform.compute.keys.join_keys import has_whole_key
from feature_platform.ground.clock import EPOCH, UTC, moment_of, rfc3339, rfc3339_text
from feature_platform.ground.errors import InvalidKey, WrongColumnType
from feature_platform.ground.working_columns import KEY

LONGEST = 400  # bytes of text; longer keys are stored by their hash, as LMDB keys have at most 511
_OPENS = "k"  # so that no key is empty, and none is that of the table's own records
_BETWEEN, _ESCAPE, _ESCAPED, _HASHED = "\x00\x01", "\x00", "\x00\x02", b"\x00\x03"
_DIGEST = 32
_KEPT = 360  # bytes of a long key that stay, so that it sorts about where it belongs
_LIFT = 2**63  # added to whole numbers of 64 bits, so that their texts sort as they do
_DIGITS = 20
_MOST = 10**38  # beyond every type of whole numbers
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")


def key_expr(types: Mapping[str, pl.DataType]) -> pl.Expr:
    """Return the key of each row as `Binary`; null where a part is null or NaN.

    Raises:
        WrongColumnType: a part has a type that cannot be a key, such as a list.
    """
    if not types:
        return pl.lit(_OPENS.encode()).alias(KEY)  # a plain literal, which is as long as the rows beside it
    parts = [_text_expr(name, dtype) for name, dtype in types.items()]
    if len(parts) > 1:
        parts = [part.str.replace_all(_ESCAPE, _ESCAPED, literal=True) for part in parts]
    between = [each for part in parts for each in (pl.lit(_BETWEEN), part)]
    joined = pl.concat_str(pl.lit(_OPENS), *between[1:])
    return pl.when(has_whole_key(types)).then(joined.cast(pl.Binary).map_batches(_short, pl.Binary)).alias(KEY)


def encode_keys(
    types: Mapping[str, pl.DataType], columns: Sequence[Sequence[object]], owner: str = "The request"
) -> list[bytes | None]:
    """Return the keys of some entities as `key_expr` makes them; None where a part is null or NaN.

    Args:
        columns: for each part of the key its values, coerced to the type of the part.

    Raises:
        InvalidKey: a value is none of the type; names the part and the row, not the value.
    """
    if not types:
        return []
    if len(types) == 1 and (quick := _quick_keys(next(iter(types.values())), columns[0])) is not None:
        return quick
    texts = [_texts(name, dtype, column, owner) for (name, dtype), column in zip(types.items(), columns, strict=True)]
    if len(texts) == 1:
        joined: Sequence[str | None] = texts[0]
    else:
        joined = [
            None if None in row else _BETWEEN.join(part.replace(_ESCAPE, _ESCAPED) for part in row if part is not None)
            for row in zip(*texts, strict=True)
        ]
    try:
        keys = [None if text is None else b"k" + text.encode() for text in joined]
    except UnicodeEncodeError as error:
        raise InvalidKey(owner, ", ".join(types), None, "text that is not Unicode", "text") from error
    return [_hash_key(key) if key is not None and len(key) > LONGEST else key for key in keys]


def _quick_keys(dtype: pl.DataType, values: Sequence[object]) -> list[bytes | None] | None:
    """Return the keys of one column in the usual case: whole numbers only, or short texts only; None in any other."""
    kinds = set(map(type, values))
    if kinds == {int} and dtype.is_integer():
        numbers = [value for value in values if isinstance(value, int)]
        in_range = min(numbers) > -_MOST and max(numbers) < _MOST
        return [b"k%0*d" % (_DIGITS, number + _LIFT) for number in numbers] if in_range else None
    if kinds == {str} and dtype == pl.String:
        texts = [value for value in values if isinstance(value, str)]
        if all(map(str.isascii, texts)) and max(map(len, texts)) < LONGEST:
            return [b"k" + text.encode() for text in texts]
    return None


def decode_keys(types: Mapping[str, pl.DataType], keys: Sequence[bytes]) -> pl.DataFrame:
    """Return the parts of keys in their own types, each key once; keys that are kept by their hash are left out.

    >>> types = {"name": pl.String(), "number": pl.Int32()}
    >>> decode_keys(types, [key for key in encode_keys(types, [["UA"], ["-7"]]) if key]).row(0)
    ('UA', -7)
    """
    texts = [key[1:].decode() for key in dict.fromkeys(keys) if not _is_hashed(key)]
    rows = [[text] for text in texts]
    if len(types) > 1:
        rows = [[part.replace(_ESCAPED, _ESCAPE) for part in text.split(_BETWEEN)] for text in texts]
    parts = pl.DataFrame(rows, schema=dict.fromkeys(types, pl.String()), orient="row")
    return parts.select(_value_expr(pl.col(name), dtype) for name, dtype in types.items())


def _is_hashed(key: bytes) -> bool:
    return key.startswith(_HASHED, _KEPT) and len(key) == _KEPT + len(_HASHED) + _DIGEST


def typed_parts(
    types: Mapping[str, pl.DataType], columns: Mapping[str, Sequence[object]], owner: str
) -> Sequence[pl.Series]:
    """Return the parts of join keys as columns of their types, coerced as requests are.

    Raises:
        InvalidKey: a value is none of the type of its part.

    >>> typed_parts({"number": pl.Int32()}, {"number": ["7", 7.0, None]}, "A request")[0].to_list()
    [7, 7, None]
    """
    texts = pl.DataFrame(
        [pl.Series(name, _texts(name, dtype, columns[name], owner), pl.String) for name, dtype in types.items()]
    )
    return texts.select(_value_expr(pl.col(name), dtype) for name, dtype in types.items()).get_columns()


def _value_expr(text: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_integer():
        return (text.cast(pl.Int128) - _LIFT).cast(dtype)
    if dtype == pl.Boolean:
        return text == "true"
    if isinstance(dtype, pl.Datetime):
        moment = text.str.to_datetime(time_unit="us", time_zone="UTC", format="%Y-%m-%dT%H:%M:%S%.6fZ")
        return moment.cast(dtype) if dtype.time_zone else moment.dt.replace_time_zone(None).cast(dtype)
    if dtype == pl.Date:
        return text.str.to_date("%Y-%m-%d")
    return text.cast(dtype)


def _short(keys: pl.Series) -> pl.Series:
    """Replace keys that are too long for a store by their hash."""
    long = keys.bin.size() > LONGEST
    if not long.any():
        return keys
    return pl.Series(keys.name, [_hash_key(key) if key and len(key) > LONGEST else key for key in keys], pl.Binary)


def _hash_key(key: bytes) -> bytes:
    return key[:_KEPT] + _HASHED + blake2b(key, digest_size=_DIGEST).digest()


# ---------------------------------------------------------------- one part, in bulk


def _text_expr(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype.is_nested() or dtype in (pl.Object, pl.Binary, pl.Unknown):
        raise WrongColumnType("A join key", name, dtype, "text, a number or a time", "Cast it in the view.")
    if dtype.is_integer():
        return (column.cast(pl.Int128) + _LIFT).cast(pl.String).str.zfill(_DIGITS)
    if dtype.is_float():
        return column.cast(pl.Float64).cast(pl.String).replace("-0.0", "0.0")  # joins take -0.0 for 0.0
    if isinstance(dtype, pl.Datetime):
        return rfc3339_text(column.dt.cast_time_unit("us") if dtype.time_zone is None else column.cast(UTC))
    return column.cast(pl.String)


# ---------------------------------------------------------------- one part, in a request


def _texts(name: str, dtype: pl.DataType, values: Sequence[object], owner: str) -> Sequence[str | None]:
    text = _coder(dtype)
    texts: list[str | None] = []
    try:
        for value in values:
            texts.append(None if value is None else text(value))  # noqa: PERF401 - errors name the row reached
    except (ValueError, TypeError, OverflowError) as error:
        row = len(texts)
        raise InvalidKey(owner, name, row, type(values[row]).__name__, str(dtype)) from error
    return texts


def _coder(dtype: pl.DataType) -> Callable[[object], str | None]:
    if dtype.is_integer():
        return _whole
    if dtype.is_float():
        return _float
    if dtype == pl.Boolean:
        return _flag
    if isinstance(dtype, pl.Datetime):
        return _moment
    if dtype == pl.Date:
        return _day
    if isinstance(dtype, pl.Decimal):
        return partial(_decimal, places=dtype.scale or 0)
    return _text


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    raise TypeError


def _whole(value: object) -> str:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and -_MOST < value < _MOST:
        return f"{value + _LIFT:0{_DIGITS}d}"
    raise TypeError


def _float(value: object) -> str | None:
    """Return the shortest text of a number; None for NaN, which is no key."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    number = float(value) + 0.0
    return None if isnan(number) else str(pl.Series([number]).cast(pl.String).item())


def _decimal(value: object, *, places: int) -> str:
    """Return a text with all places of the type: `1.5` finds `1.50`."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise TypeError
    try:
        exact = Decimal(str(value))
        text = exact.quantize(Decimal(1).scaleb(-places))
    except InvalidOperation as error:
        raise ValueError from error
    if text != exact:
        raise ValueError
    return f"{text:f}"


def _flag(value: object) -> str:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower()
    if isinstance(value, bool):
        return "true" if value else "false"
    raise TypeError


def _moment(value: object) -> str:
    """Read text in ISO form (UTC where it names no zone), whole seconds since 1970, or a moment."""
    if isinstance(value, int) and not isinstance(value, bool):
        return rfc3339(moment_of(value * 1_000_000))
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise TypeError
    return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=EPOCH.tzinfo))


def _day(value: object) -> str:
    day = date.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(day, datetime) or not isinstance(day, date):
        raise TypeError
    return day.isoformat()
