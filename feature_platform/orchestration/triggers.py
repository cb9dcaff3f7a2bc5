"""What a sensor launches, decided: pure, from what is due, what was launched before, and the time.

What is due is read from the state of the tables, so that no lost event can hide it; an event only says where to look
sooner. What was launched is remembered with what it was launched for: a failed or lost run is asked for again, a few
times, and nothing else is asked for twice. Times are microseconds since 1970-01-01 UTC.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from feature_platform.declarations.partitions import Partitions
from feature_platform.ground.clock import microseconds
from feature_platform.orchestration.batches import ATTEMPTS, Batch, Due, Item, batches_of

FIRST_WAIT = "2m"  # long enough for a restart of whatever was away; doubled with each attempt


@dataclass(frozen=True)
class Attempt:
    """Work that was launched in one tick and is not known to be done.

    Attributes:
        number: 1 for the first try of this content.
        over: when its runs were first seen to be over; None until then.
        items: asset -> partition -> digest of what it was due for.
    """

    number: int
    over: int | None
    items: Mapping[str, Mapping[str, str]]

    @property
    def final(self) -> bool:
        """Whether it has failed for the last time."""
        return self.number >= ATTEMPTS and self.over is not None

    def again(self, first_wait: str) -> int:
        """When it may be tried again."""
        return (self.over or 0) + (microseconds(first_wait, "The wait after a failed run") << (self.number - 1))


@dataclass(frozen=True)
class Cursor:
    """What a sensor keeps between two ticks.

    Attributes:
        seen: asset -> storage id of the newest materialization known of it.
        waiting: assets with work that had no place in the last tick.
        looked: when all assets were looked at last; None when never.
        launched: what is not known to be done.
    """

    version: Literal[1] = 1
    seen: Mapping[str, int] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    looked: int | None = None
    launched: tuple[Attempt, ...] = ()

    def written(self) -> str:
        """As JSON text."""
        return _CURSOR.dump_json(self).decode()

    def of(self, assets: Collection[str]) -> "Cursor":
        """Without what it says of other assets: those that the project has no more."""
        kept = (replace(each, items={k: v for k, v in each.items.items() if k in assets}) for each in self.launched)
        return replace(
            self,
            seen={asset: event for asset, event in self.seen.items() if asset in assets},
            waiting=tuple(asset for asset in self.waiting if asset in assets),
            launched=tuple(each for each in kept if each.items),
        )

    def after_looking(self, newest: Mapping[str, int], looked: int | None) -> "Cursor":
        """With the events that were known when the tables were looked at."""
        return replace(self, seen={**self.seen, **newest}, looked=looked)

    def to_look_at(self, assets: Collection[str], newest: Mapping[str, int], now: int, every: str | None) -> set[str]:
        """All assets when it is time for that; else those with news, and those that something is open of.

        Args:
            newest: asset -> storage id of its newest materialization.
            every: how often to look at all, which finds what no event tells; None for each time.
        """
        if every is None or self.looked is None or now >= self.looked + microseconds(every, "A look at all assets"):
            return set(assets)
        news = {asset for asset, event in newest.items() if self.seen.get(asset) != event}
        return (news | set(self.waiting) | {k for each in self.launched if not each.final for k in each.items}) & {
            *assets
        }


_CURSOR = TypeAdapter(Cursor)


def cursor_of(text: str | None) -> Cursor | None:
    """The cursor that was written as this text; a new one without text, None when it is something else.

    >>> cursor_of("42") is None, cursor_of(Cursor().written()) == Cursor()
    (True, True)
    """
    try:
        return Cursor() if text is None else _CURSOR.validate_json(text)
    except ValidationError:
        return None


@dataclass(frozen=True)
class Launch:
    """A batch, and a text that no batch of other items, contents or attempts has."""

    batch: Batch
    key: str


@dataclass(frozen=True)
class Decision:
    """What a tick does.

    Attributes:
        launches: the runs to ask for, in this order.
        later: when the next of what failed is tried again; None when nothing waits for that.
        given_up: asset -> partitions that failed in all attempts, left alone until they are due for something else.
        cursor: what to keep when the runs are asked for.
    """

    launches: tuple[Launch, ...]
    later: int | None
    given_up: Mapping[str, Sequence[str]]
    cursor: Cursor


def decided(
    cursor: Cursor,
    due: Due,
    looked_at: Collection[str],
    grid: Partitions,
    now: int,
    *,
    together: bool,
    first_wait: str = FIRST_WAIT,
) -> Decision:
    """What to launch, while no run of this sensor is going on.

    Args:
        due: of the assets that were looked at.
        together: whether assets read each other: see `batches_of`.
        first_wait: how long after a failed run its work is tried again; doubled with each further attempt.
    """
    digests = {asset: {key: _digest([content]) for key, content in of.items()} for asset, of in due.items()}
    held = [left for each in cursor.launched if (left := _left(each, digests, looked_at, now)).items]
    before = {(asset, key): each for each in held for asset, of in each.items.items() for key in of}
    waits = {item: each.again(first_wait) for item, each in before.items() if not each.final}
    wanted: dict[Item, int] = {}
    for item in ((asset, key) for asset, of in digests.items() for key in of):
        if item not in before:
            wanted[item] = 1
        elif waits.get(item, now + 1) <= now:
            wanted[item] = before[item].number + 1
    batches = batches_of(wanted, grid, together=together)
    taken = {item: wanted[item] for batch in batches for item in batch.items}
    open_waits = [moment for item, moment in waits.items() if item not in wanted]
    return Decision(
        tuple(Launch(batch, _key(batch, digests, wanted)) for batch in batches),
        min(open_waits, default=None),
        _given_up(held),
        replace(
            cursor,
            waiting=(*sorted({asset for asset, key in wanted if (asset, key) not in taken}),),
            launched=(*_without(held, taken), *_attempts(taken, digests)),
        ),
    )


def _left(attempt: Attempt, digests: Due, looked_at: Collection[str], now: int) -> Attempt:
    """What of an attempt is still due for the same, or was not looked at."""
    items = {
        asset: {key: why for key, why in of.items() if asset not in looked_at or digests.get(asset, {}).get(key) == why}
        for asset, of in attempt.items.items()
    }
    over = now if attempt.over is None else attempt.over
    return Attempt(attempt.number, over, {asset: of for asset, of in items.items() if of})


def _without(held: Iterable[Attempt], taken: Collection[Item]) -> Iterator[Attempt]:
    for each in held:
        items = {
            asset: {key: why for key, why in of.items() if (asset, key) not in taken}
            for asset, of in each.items.items()
        }
        if left := {asset: of for asset, of in items.items() if of}:
            yield replace(each, items=left)


def _attempts(taken: Mapping[Item, int], digests: Due) -> Iterator[Attempt]:
    for number in sorted({*taken.values()}):
        items: dict[str, dict[str, str]] = {}
        for asset, key in sorted(item for item, each in taken.items() if each == number):
            items.setdefault(asset, {})[key] = digests[asset][key]
        yield Attempt(number, None, items)


def _given_up(held: Iterable[Attempt]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in held:
        for asset, of in each.items.items() if each.final else ():
            found.setdefault(asset, []).extend(of)
    return {asset: sorted(keys) for asset, keys in sorted(found.items())}


def _key(batch: Batch, digests: Due, numbers: Mapping[Item, int]) -> str:
    facts = (f"{asset} {key} {digests[asset][key]} {numbers[asset, key]}" for asset, key in sorted(batch.items))
    return _digest(facts, size=16)


def _digest(facts: Iterable[str], size: int = 4) -> str:
    """Of few bytes where a cursor holds one for each partition: a mix-up once in 4 billion only makes a retry wait."""
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=size).hexdigest()
