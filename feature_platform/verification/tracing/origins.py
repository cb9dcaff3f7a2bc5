"""Few rows that suffice: of the rows that a function was given, those without which it would not make the same."""

from collections.abc import Callable, Sequence

import polars as pl

_MOST_TRIES = 200  # calls of the function; what depends on very many rows is named by all of them


class _TooManyTries(Exception):
    """Ends a search that would take too long."""


def rows_that_suffice(rows: pl.DataFrame, suffices: Callable[[pl.DataFrame], bool]) -> pl.DataFrame:
    """Return a part of some rows, in their order, that suffices and of which no row can be left out; else all.

    It asks about as often as the logarithm of all rows, times the rows that it returns.

    >>> numbers = pl.DataFrame({"n": range(100)})
    >>> rows_that_suffice(numbers, lambda part: {7, 60} <= set(part["n"]))["n"].to_list()
    [7, 60]
    """
    tries = 0

    def holds(places: Sequence[int]) -> bool:
        nonlocal tries
        tries += 1
        if tries > _MOST_TRIES:
            raise _TooManyTries
        return suffices(rows[sorted(places)])

    def find_needed(held: Sequence[int], places: Sequence[int], *, is_new: bool) -> list[int]:
        """Return which places are needed besides those that are held; the last ones are held first."""
        if is_new and holds(held):
            return []
        if len(places) <= 1:
            return list(places)
        middle = len(places) // 2
        early, late = places[:middle], places[middle:]
        first = find_needed([*held, *late], early, is_new=True)
        return [*first, *find_needed([*held, *first], late, is_new=bool(first))]

    try:
        found = sorted(find_needed([], range(rows.height), is_new=False))
        return rows[found] if holds(found) else rows
    except _TooManyTries:
        return rows
