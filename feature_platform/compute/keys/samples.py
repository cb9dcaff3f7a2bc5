"""Keys to ask about: drawn from real keys by a seed, combined into rows, with made-up keys among them."""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.declarations.field import Field
from feature_platform.ground.clock import moment_of
from feature_platform.ground.content import as_dtype
from feature_platform.ground.working_columns import HASH

UNKNOWN = 3


def sample_by_hash(keys: pl.LazyFrame, count: int, seed: int) -> pl.DataFrame:
    """Choose some keys by hash: the same ones for a seed, in whatever order all keys come.

    >>> sample_by_hash(pl.LazyFrame({"id": [1, 2, 3]}), 2, 0).height
    2
    """
    drawn = pl.struct(pl.all()).hash(seed).alias(HASH)
    return keys.with_columns(drawn).bottom_k(count, by=HASH).drop(HASH).collect()


def combine_keys(
    blocks: Mapping[tuple[str, ...], pl.DataFrame], types: Mapping[str, pl.DataType], seed: int
) -> pl.DataFrame:
    """Combine keys into rows with all join keys: of every entity its own, beside them by chance keys of the others.

    Args:
        blocks: for each set of join keys the sampled ones.
        types: of all join keys, which are the columns of the result.
    """
    rows = [pl.DataFrame(schema=dict(types))]
    for number, own in enumerate(blocks.values()):
        combined = own
        for others, keys in sorted(blocks.items(), key=lambda each: -len(each[0])):
            missing = [name for name in others if name not in combined.columns]
            if missing and keys.height:
                drawn = keys.select(missing).sample(combined.height, with_replacement=True, seed=seed + number)
                combined = combined.hstack(drawn)
        absent = [pl.lit(None, dtype).alias(name) for name, dtype in types.items() if name not in combined.columns]
        rows.append(combined.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in types.items()))
    return pl.concat(rows)


def make_up_keys(types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Make up keys that no real row is likely to have, and keys that are null."""
    if not types:
        return pl.DataFrame({"row": [0]})
    made_up = [pl.Series(name, _unknown_values(dtype), dtype=dtype) for name, dtype in types.items()]
    return pl.DataFrame(made_up)


def make_up_request(
    fields: Mapping[str, pl.DataType], bounded: Mapping[str, Field], height: int
) -> Sequence[pl.Series]:
    """Make up values for the request fields of on-demand features: some of each type, and null at times.

    >>> make_up_request({"amount": pl.Float64()}, {}, 3)[0].to_list()
    [None, 1.5, 3.0]
    """
    return [
        _within(pl.Series(name, [None if n % 7 == 0 else _nth(dtype, n) for n in range(height)], dtype=dtype), bounded)
        for name, dtype in fields.items()
    ]


def _within(values: pl.Series, bounded: Mapping[str, Field]) -> pl.Series:
    between = bounded[values.name].between if values.name in bounded else None
    return values if between is None else values.clip(*between)


def _unknown_values(dtype: pl.DataType) -> list[object]:
    if dtype == pl.String:
        return ["nobody has this key", "\x00\n", None]
    if dtype.is_integer():
        number = pl.lit(0, dtype)
        low, high = pl.select(low=number.lower_bound(), high=number.upper_bound()).row(0)
        return [low, high, None]
    return [None] * UNKNOWN


def _nth(dtype: pl.DataType, n: int) -> object:
    if dtype.is_integer():
        return n % 100
    if dtype.is_float():
        return n * 1.5
    if dtype == pl.String:
        return f"text {n}"
    if dtype == pl.Boolean:
        return n % 2 == 0
    if isinstance(dtype, pl.Datetime):
        moment = moment_of(1_356_998_400_000_000 + n * 61_000_000_000)
        return moment if dtype.time_zone else moment.replace(tzinfo=None)
    if isinstance(dtype, (pl.List, pl.Array)):
        size = dtype.size if isinstance(dtype, pl.Array) else n % 3
        return [_nth(as_dtype(dtype.inner), n + place) for place in range(size)]
    if isinstance(dtype, pl.Struct):
        return {field.name: _nth(as_dtype(field.dtype), n) for field in dtype.fields}
    return moment_of(n * 86_400_000_000).date() if dtype == pl.Date else None
