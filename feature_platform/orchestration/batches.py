"""Runs for what is due: which assets go into one run, and for which partitions; pure, without Dagster.

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
"""Asset -> partition (`""` for a whole table) -> what it is due for; another text means other work."""

Item = tuple[str, str]
"""An asset and a partition of it."""


@dataclass(frozen=True)
class Batch:
    """One run: `assets` for the partitions from `first` to `last`, both included; None where none has partitions.

    `items` is what of it is due.
    """

    assets: tuple[str, ...]
    first: str | None
    last: str | None
    items: frozenset[Item]


def batches_of(items: Mapping[Item, int], grid: Partitions, *, together: bool) -> list[Batch]:
    """Runs for items with the number of their attempt, earliest partitions first; no more than one tick may have.

    Together, a run has everything that is due of a stretch of neighbouring partitions, so that what reads an asset
    comes after it in the same run. Else a run has nothing that is not due, and a last attempt has one partition, so
    that a bad one does not hold up its neighbours. Unpartitioned assets go along with the last run.
    """
    parted = {item: number for item, number in items.items() if item[1] != WHOLE}
    whole = frozenset(item for item in items if item[1] == WHOLE)
    made = [*(_covering(parted, grid) if together else _exact(parted, grid))]
    if len(made) > MOST_BATCHES:
        return made[:MOST_BATCHES]
    if not whole:
        return made
    last = made.pop() if made else Batch((), None, None, frozenset())
    return [*made, _batch(last.items | whole, last.first, last.last)]


def ended(due: Due, grid: Partitions, now: int) -> dict[str, dict[str, str]]:
    """Only what can be run: whole tables and the project's partitions that have ended; Dagster knows no others."""
    kept = {asset: {key: why for key, why in of.items() if has_ended(key, grid, now)} for asset, of in due.items()}
    return {asset: of for asset, of in kept.items() if of}


def has_ended(key: str, grid: Partitions, now: int) -> bool:
    """Whether a partition is one of the project's, and over."""
    if key == WHOLE:
        return True
    try:
        return microsecond_of(grid.bounds(key)[1]) <= now
    except (InvalidDeclaration, PartitionOutOfRange):
        return False


def _covering(items: Iterable[Item], grid: Partitions) -> Iterator[Batch]:
    of: dict[str, set[Item]] = {}
    for item in items:
        of.setdefault(item[1], set()).add(item)
    for keys in _stretches(sorted(of), grid, ()):
        yield _batch(frozenset().union(*(of[key] for key in keys)), keys[0], keys[-1])


def _exact(items: Mapping[Item, int], grid: Partitions) -> Iterator[Batch]:
    of: dict[str, list[str]] = {}
    for asset, key in sorted(items):
        of.setdefault(asset, []).append(key)
    found: dict[tuple[str, str], set[Item]] = {}
    for asset, keys in of.items():
        alone = {key for key in keys if items[asset, key] >= ATTEMPTS}
        for stretch in _stretches(keys, grid, alone):
            found.setdefault((stretch[0], stretch[-1]), set()).update((asset, key) for key in stretch)
    for (first, last), together in sorted(found.items()):
        yield _batch(frozenset(together), first, last)


def _stretches(keys: Sequence[str], grid: Partitions, alone: Collection[str]) -> Iterator[list[str]]:
    """The keys as runs of neighbours, in order; those that are to be alone in runs of their own."""
    stretch: list[str] = []
    for key in keys:
        if stretch and _apart(stretch[-1], key, grid, alone):
            yield stretch
            stretch = []
        stretch.append(key)
    if stretch:
        yield stretch


def _apart(last: str, key: str, grid: Partitions, alone: Collection[str]) -> bool:
    return last in alone or key in alone or grid.bounds(last)[1] != grid.bounds(key)[0]


def _batch(items: frozenset[Item], first: str | None, last: str | None) -> Batch:
    return Batch(tuple(sorted({asset for asset, _ in items})), first, last, items)
