"""Batches: which assets and which partitions of what is due go into one run; pure, without Dagster.

A run has one range of partitions, from a first to a last. Times are microseconds since 1970-01-01 UTC.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from feature_platform.declarations.partitions import Partitions
from feature_platform.ground.clock import microsecond_of
from feature_platform.ground.errors import InvalidDeclaration, PartitionOutOfRange
from feature_platform.offline.names import WHOLE

ATTEMPTS = 3  # what fails three times in a row fails for a reason that another try does not mend
MOST_BATCHES = 20  # of one tick: Dagster creates its runs one after the other, some tenths of a second each

Due = Mapping[str, Mapping[str, str]]
"""Asset -> partition (`""` for a whole table) -> why it is due; another text means other work."""

Item = tuple[str, str]
"""An asset and a partition of it."""


@dataclass(frozen=True)
class Batch:
    """One run: `assets` for the partitions from `first` to `last`, both included; None where none has partitions.

    `items` are those of its assets and partitions that are due.
    """

    assets: tuple[str, ...]
    first: str | None
    last: str | None
    items: frozenset[Item]


def plan_batches(items: Mapping[Item, int], grid: Partitions, *, together: bool) -> list[Batch]:
    """Plan the runs for items, earliest partitions first; at most as many as one tick may launch.

    Args:
        items: what is due, with the number of its attempt.
        together: a run has all that is due of a stretch of neighbouring partitions, so that what reads an asset comes
            after it in the same run. Otherwise a run has only what is due, and a last attempt has one partition, so
            that a bad partition does not stop its neighbours. Unpartitioned assets are in the last run.
    """
    parted = {item: number for item, number in items.items() if item[1] != WHOLE}
    whole = frozenset(item for item in items if item[1] == WHOLE)
    batches = [*(_covering_batches(parted, grid) if together else _exact_batches(parted, grid))]
    if len(batches) > MOST_BATCHES:
        return batches[:MOST_BATCHES]
    if not whole:
        return batches
    last = batches.pop() if batches else Batch((), None, None, frozenset())
    return [*batches, _batch(last.items | whole, last.first, last.last)]


def select_ended(due: Due, grid: Partitions, now: int) -> dict[str, dict[str, str]]:
    """Select what can be run: whole tables and partitions of the project that have ended; Dagster has no others."""
    ended = {asset: {key: why for key, why in of.items() if has_ended(key, grid, now)} for asset, of in due.items()}
    return {asset: of for asset, of in ended.items() if of}


def has_ended(key: str, grid: Partitions, now: int) -> bool:
    """Tell whether a partition is one of the project's, and has ended."""
    if key == WHOLE:
        return True
    try:
        return microsecond_of(grid.bounds(key)[1]) <= now
    except (InvalidDeclaration, PartitionOutOfRange):
        return False


def _covering_batches(items: Iterable[Item], grid: Partitions) -> Iterator[Batch]:
    of: dict[str, set[Item]] = {}
    for item in items:
        of.setdefault(item[1], set()).add(item)
    for keys in _stretches_of(sorted(of), grid, ()):
        yield _batch(frozenset().union(*(of[key] for key in keys)), keys[0], keys[-1])


def _exact_batches(items: Mapping[Item, int], grid: Partitions) -> Iterator[Batch]:
    of: dict[str, list[str]] = {}
    for asset, key in sorted(items):
        of.setdefault(asset, []).append(key)
    items_by_span: dict[tuple[str, str], set[Item]] = {}
    for asset, keys in of.items():
        alone = {key for key in keys if items[asset, key] >= ATTEMPTS}
        for stretch in _stretches_of(keys, grid, alone):
            items_by_span.setdefault((stretch[0], stretch[-1]), set()).update((asset, key) for key in stretch)
    for (first, last), together in sorted(items_by_span.items()):
        yield _batch(frozenset(together), first, last)


def _stretches_of(keys: Sequence[str], grid: Partitions, alone: Collection[str]) -> Iterator[list[str]]:
    """Yield the keys as stretches of neighbours, in order; each key in `alone` is a stretch of its own."""
    stretch: list[str] = []
    for key in keys:
        if stretch and _are_apart(stretch[-1], key, grid, alone):
            yield stretch
            stretch = []
        stretch.append(key)
    if stretch:
        yield stretch


def _are_apart(last: str, key: str, grid: Partitions, alone: Collection[str]) -> bool:
    return last in alone or key in alone or grid.bounds(last)[1] != grid.bounds(key)[0]


def _batch(items: frozenset[Item], first: str | None, last: str | None) -> Batch:
    return Batch(tuple(sorted({asset for asset, _ in items})), first, last, items)
