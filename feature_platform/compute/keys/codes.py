"""Keys as numbers: the code of a key is its row in the sorted frame of all keys.

Whole-number keys of a modest span are looked up in a table, without hashing; all others are joined.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.ground.working_columns import KEY_CODE

Codes = npt.NDArray[np.int64]

NO_KEY = -1
_MODEST = 4  # slots of the table for each row that is looked up
_SMALL = 2**20  # slots that are always modest


def sorted_keys(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return each key of rows without null keys once, in order.

    >>> sorted_keys(pl.DataFrame({"key": [7, 3, 7]}), ["key"])["key"].to_list()
    [3, 7]
    """
    table = table_bounds(rows, rows.height, names)
    if table is None:
        return rows.select(names).unique().sort(names) if names else pl.DataFrame()
    first, slots = table
    is_key = np.zeros(slots, dtype=np.bool_)
    is_key[rows[names[0]].to_numpy() - first] = True
    return pl.DataFrame({names[0]: np.flatnonzero(is_key) + first})


def key_codes(rows: pl.DataFrame, keys: pl.DataFrame, names: Sequence[str]) -> Codes:
    """Return the code of the key of each row; `NO_KEY` where the key is null or not among the keys.

    >>> keys = pl.DataFrame({"key": [3, 7]})
    >>> key_codes(pl.DataFrame({"key": [7, 5, None, 3]}), keys, ["key"]).tolist()
    [1, -1, -1, 0]
    """
    if not names:
        return np.zeros(rows.height, dtype=np.int64)
    table = table_bounds(keys, rows.height, names)
    if table is None:
        rows_with_codes = rows.select(names).join(
            keys.with_row_index(KEY_CODE), on=names, how="left", maintain_order="left"
        )
        return rows_with_codes.get_column(KEY_CODE).cast(pl.Int64).fill_null(NO_KEY).to_numpy()
    first, slots = table
    codes = np.full(slots + 1, NO_KEY, dtype=np.int64)  # the last slot is that of every other key
    codes[keys[names[0]].to_numpy() - first] = np.arange(keys.height)
    wanted = rows[names[0]]
    low, high = wanted.min(), wanted.max()
    known = isinstance(low, int) and isinstance(high, int) and first <= low and high < first + slots
    if known and not wanted.null_count():
        inside: Codes = codes[wanted.to_numpy() - first]  # three passes less over what may be all events
        return inside
    numbers = wanted.fill_null(first + slots).to_numpy()
    outside = (numbers < first) | (numbers >= first + slots)
    return codes[np.where(outside, slots, numbers - first)]


def table_bounds(rows: pl.DataFrame, looked_up: int, names: Sequence[str]) -> tuple[int, int] | None:
    """Return the first key and the slots of a table of keys, where they are whole numbers close together."""
    if len(names) != 1 or rows.schema[names[0]] != pl.Int64 or rows.is_empty():
        return None
    first, last = rows[names[0]].min(), rows[names[0]].max()
    if not isinstance(first, int) or not isinstance(last, int):
        return None
    slots = last - first + 1
    return (first, slots) if slots <= max(_MODEST * looked_up, _SMALL) and last < 2**63 - 1 else None
