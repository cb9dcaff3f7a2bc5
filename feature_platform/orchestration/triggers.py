"""The decision what a sensor launches: pure, from what is due, what was launched before, and the time.

What is due is read from the state of the tables, so that no lost event can hide it; an event only says which table to
check first. The cursor remembers what was launched and why: a failed or lost run is launched again a few times, and
nothing else is launched twice. Times are microseconds since 1970-01-01 UTC.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from feature_platform.declarations.partitions import Partitions
from feature_platform.ground.clock import microseconds
from feature_platform.orchestration.batches import ATTEMPTS, Batch, Due, Item, plan_batches

FIRST_WAIT = "2m"  # long enough for a restart of whatever was away; doubled with each attempt


@dataclass(frozen=True)
class Attempt:
    """Work that was launched in one tick and is not known to be done.

    Attributes:
        number: 1 for the first try of this content.
        over: when its runs were first seen to be over; None until then.
        items: asset -> partition -> digest of why it was due.
    """

    number: int
    over: int | None
    items: Mapping[str, Mapping[str, str]]

    @property
    def is_final(self) -> bool:
        """Tell whether it has failed for the last time."""
        return self.number >= ATTEMPTS and self.over is not None

    def retry_at(self, first_wait: str) -> int:
        """Return when it may be tried again."""
        return (self.over or 0) + (microseconds(first_wait, "The wait after a failed run") << (self.number - 1))


@dataclass(frozen=True)
class Cursor:
    """What a sensor remembers between two ticks.

    Attributes:
        seen: asset -> storage id of the newest materialization known of it.
        waiting: assets with work for which the last tick had no room.
        looked: when all assets were last checked; None when never.
        launched: attempts that are not known to be done.
    """

    version: Literal[1] = 1
    seen: Mapping[str, int] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    looked: int | None = None
    launched: tuple[Attempt, ...] = ()

    def as_json(self) -> str:
        """Return the cursor as JSON text."""
        return _CURSOR.dump_json(self).decode()

    def keep_assets(self, assets: Collection[str]) -> "Cursor":
        """Keep what the cursor says of these assets; return a cursor without those that the project does not have."""
        attempts = (replace(each, items={k: v for k, v in each.items.items() if k in assets}) for each in self.launched)
        return replace(
            self,
            seen={asset: event for asset, event in self.seen.items() if asset in assets},
            waiting=tuple(asset for asset in self.waiting if asset in assets),
            launched=tuple(each for each in attempts if each.items),
        )

    def with_events(self, newest: Mapping[str, int], looked: int | None) -> "Cursor":
        """Return the cursor with the events that were known when the tables were checked."""
        return replace(self, seen={**self.seen, **newest}, looked=looked)

    def assets_to_check(
        self, assets: Collection[str], newest: Mapping[str, int], now: int, every: str | None
    ) -> set[str]:
        """Return all assets when it is time for that; otherwise those with new events or with unfinished work.

        Args:
            newest: asset -> storage id of its newest materialization.
            every: how often to check all assets, which finds writes without an event; None for each time.
        """
        if every is None or self.looked is None or now >= self.looked + microseconds(every, "A look at all assets"):
            return set(assets)
        news = {asset for asset, event in newest.items() if self.seen.get(asset) != event}
        return (news | set(self.waiting) | {k for each in self.launched if not each.is_final for k in each.items}) & {
            *assets
        }


_CURSOR = TypeAdapter(Cursor)


def parse_cursor(text: str | None) -> Cursor | None:
    """Parse the text of a cursor; return a new one without text, and None when the text is not a cursor.

    >>> parse_cursor("42") is None, parse_cursor(Cursor().as_json()) == Cursor()
    (True, True)
    """
    try:
        return Cursor() if text is None else _CURSOR.validate_json(text)
    except ValidationError:
        return None


@dataclass(frozen=True)
class Launch:
    """A batch, and a key that no batch of other items, contents or attempts has."""

    batch: Batch
    key: str


@dataclass(frozen=True)
class Decision:
    """What a tick launches and remembers.

    Attributes:
        launches: the runs to request, in this order.
        later: when the next failed work is tried again; None when nothing waits for that.
        given_up: asset -> partitions that failed in all attempts; they are not tried again for the same reason.
        cursor: what to store when the runs are requested.
    """

    launches: tuple[Launch, ...]
    later: int | None
    given_up: Mapping[str, Sequence[str]]
    cursor: Cursor


def decide_launches(
    cursor: Cursor,
    due: Due,
    looked_at: Collection[str],
    grid: Partitions,
    now: int,
    *,
    together: bool,
    first_wait: str = FIRST_WAIT,
) -> Decision:
    """Decide what to launch while no run of this sensor is going on.

    Args:
        due: what is due of the assets that were checked.
        together: whether assets read each other: see `plan_batches`.
        first_wait: how long after a failed run its work is tried again; doubled with each further attempt.
    """
    digests = {asset: {key: _digest([content]) for key, content in of.items()} for asset, of in due.items()}
    open_attempts = [left for each in cursor.launched if (left := _still_due(each, digests, looked_at, now)).items]
    before = {(asset, key): each for each in open_attempts for asset, of in each.items.items() for key in of}
    waits = {item: each.retry_at(first_wait) for item, each in before.items() if not each.is_final}
    wanted: dict[Item, int] = {}
    for item in ((asset, key) for asset, of in digests.items() for key in of):
        if item not in before:
            wanted[item] = 1
        elif waits.get(item, now + 1) <= now:
            wanted[item] = before[item].number + 1
    batches = plan_batches(wanted, grid, together=together)
    taken = {item: wanted[item] for batch in batches for item in batch.items}
    open_waits = [moment for item, moment in waits.items() if item not in wanted]
    return Decision(
        tuple(Launch(batch, _key(batch, digests, wanted)) for batch in batches),
        min(open_waits, default=None),
        _given_up(open_attempts),
        replace(
            cursor,
            waiting=(*sorted({asset for asset, key in wanted if (asset, key) not in taken}),),
            launched=(*_without_items(open_attempts, taken), *_attempts(taken, digests)),
        ),
    )


def _still_due(attempt: Attempt, digests: Due, looked_at: Collection[str], now: int) -> Attempt:
    """Return the part of an attempt that is still due for the same reason, or was not checked."""
    items = {
        asset: {key: why for key, why in of.items() if asset not in looked_at or digests.get(asset, {}).get(key) == why}
        for asset, of in attempt.items.items()
    }
    over = now if attempt.over is None else attempt.over
    return Attempt(attempt.number, over, {asset: of for asset, of in items.items() if of})


def _without_items(attempts: Iterable[Attempt], taken: Collection[Item]) -> Iterator[Attempt]:
    for each in attempts:
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


def _given_up(attempts: Iterable[Attempt]) -> dict[str, list[str]]:
    keys_by_asset: dict[str, list[str]] = {}
    for each in attempts:
        for asset, of in each.items.items() if each.is_final else ():
            keys_by_asset.setdefault(asset, []).extend(of)
    return {asset: sorted(keys) for asset, keys in sorted(keys_by_asset.items())}


def _key(batch: Batch, digests: Due, numbers: Mapping[Item, int]) -> str:
    facts = (f"{asset} {key} {digests[asset][key]} {numbers[asset, key]}" for asset, key in sorted(batch.items))
    return _digest(facts, size=16)


def _digest(facts: Iterable[str], size: int = 4) -> str:
    """Return a digest; a cursor has many, so 4 bytes: a mix-up, once in 4 billion, only delays a retry."""
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=size).hexdigest()
