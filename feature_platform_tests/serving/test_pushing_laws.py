"""The law of pushing: online says at every moment what the published tables say, with the pushes that are not in them.

Drawn are orders, pushes, and what becomes of them: flushes, runs of one day or of all, publications, another shape of
the views, rollbacks, and pushes that are applied again. The definition below knows of no logs and no tags.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.view import FeatureView
from feature_platform.offline import CommitStamp
from feature_platform.offline.newest import NewestSchemas
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform.serving import online_features
from feature_platform.serving.applying import Target, apply_again, recover
from feature_platform.serving.publication import publish
from feature_platform.serving.pushing import push
from feature_platform_tests.effort import is_thorough, tries
from feature_platform_tests.shop import at, customer, same

pytestmark = pytest.mark.usefixtures("unrecorded")

UTC = pl.Datetime("us", "UTC")
DAYS = 3
SCHEMA: dict[str, Any] = {"customer": pl.String, "at": UTC, "known": UTC, "amount": pl.Float64}
ASKED = pl.DataFrame({"customer": ["ann", "bob", "nobody", None]})
FILLERS = [(f"f{number}", at(day, 1), at(day, 1), 1.0) for number in range(8) for day in range(DAYS)]
STEPS = [
    "push",
    "push",
    "push",
    "offline",
    "flush",
    "flush",
    "run",
    "run-a-day",
    "publish",
    "publish",
    "deliver",
    "again",
    "roll-back",
    "shape",
]
WAITS = [timedelta(0), timedelta(microseconds=1), timedelta(hours=6), timedelta(days=1)]
EXAMPLES = tries(2, fewest=1)  # each is a whole story, of a second or two
Row = tuple[str | None, datetime, datetime, float]
ROWS = st.lists(
    st.builds(
        lambda who, quarter, amount: (who, at(quarter / 4), at(quarter / 4), float(amount)),
        st.sampled_from(["ann", "ann", "ann", "bob", None]),
        st.integers(1, 4 * DAYS - 1),
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=3,
)


@dataclass
class Sent:
    """A push; `seen` when it is in the tables that are served now."""

    rows: Sequence[Row]
    seen: bool
    flushed: bool = False


Held = dict[int, tuple[list[Row], int]]
"""For each day what was delivered and how many pushes were in the log when it was last run."""


@dataclass
class Shop:
    """What was delivered, pushed, run and published, of views of one shape or the other."""

    folder: Path
    known_at: str | None
    shape: int = 0
    delivered: list[Row] = field(default_factory=lambda: list(FILLERS))
    sent: list[Sent] = field(default_factory=list)
    held: Held = field(default_factory=dict)
    served: Held = field(default_factory=dict)
    served_shape: int = -1
    runs: list[tuple[dict[str, int], Held, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = fp.OfflineStore(self.folder)
        self.online = Lmdb(self.folder / "online", map_size=2**22)
        self.spool = Spool(self.folder / "spool", map_size=2**22)
        self.schemas, self.reader = NewestSchemas(), self.online.reader()  # kept from push to push, as a server does

    def views(self) -> list[FeatureView]:
        frame = pl.DataFrame(self.delivered, schema=SCHEMA, orient="row")
        rows = frame if self.known_at else frame.drop("known")
        read = fp.Source("orders", fp.sources.Frame(rows), event_time="at", known_at=self.known_at)
        more = [pl.lit(1).alias("one")] if self.shape else []
        row = fp.feature_view(entity=customer, source=read, name="row")(lambda rows: rows.with_columns(*more))
        again = fp.feature_view(entity=customer, source=row, name="again")(lambda rows: rows.with_columns(*more))
        longest = "60h" if self.shape else "2d"
        exact = [
            fp.feature_view(
                entity=customer,
                source=each,
                aggregations=[
                    fp.Count(windows=["1d", longest]),
                    fp.Sum("amount", windows=["1d"]),
                    fp.Last("amount", windows=["1d"]),
                ],
                accuracy="exact",
                name=name,
            )(same)
            for each, name in ((read, "exact"), (row, "over"))
        ]
        return [row, again, *exact]

    def target(self) -> tuple[Target, fp.Source]:
        views = self.views()
        read = views[0].source
        assert isinstance(read, fp.Source)
        ahead = Partitions(end=at(40))  # rows of the future are pushed as well, which such a project may have
        target = Target(views, self.spool, self.store, self.online, ahead, self.schemas, self.reader, each=at_once)
        return target, read

    # ---------------------------------------------------------------- what happens

    def push(self, rows: Sequence[Row], now: datetime) -> None:
        target, read = self.target()
        frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").drop("known")
        done = push(read, frame, target, now=now)
        seen = self.served_shape == self.shape
        assert list(done) == (["row", "again", "exact", "over"] if seen else [])
        known = [(who, when, now if self.known_at else when, amount) for who, when, _, amount in rows]
        self.sent.append(Sent(known, seen))

    def flush(self, now: datetime) -> None:
        target, read = self.target()
        flush(self.spool, self.store, leaving=lambda _, upto: apply_again(read, upto, target, now=now))
        self._apply_pending()
        for each in self.sent:
            each.flushed = True

    def again(self, now: datetime) -> None:
        """A crash before the spool was told that its pushes are online, and the start after it."""
        target, read = self.target()
        pending = [each.sequence for each in self.spool.pending() if each.online]
        with self.spool._transaction(write=True) as (opened, transaction):
            for sequence in pending:
                transaction.put(sequence.to_bytes(8, "big"), b"", db=opened.unapplied)
        assert recover([read], target, now=now) == len(pending)
        self._apply_pending()

    def _apply_pending(self) -> None:
        for each in self.sent:
            each.seen |= not each.flushed and self.served_shape == self.shape

    def run(self, days: Sequence[int]) -> None:
        _, again, *_ = self.views()
        fp.materialize(again, self.store, at(days[0]), at(days[-1] + 1))
        for day in days:
            self.held[day] = (self.delivered[:], sum(each.flushed for each in self.sent))
        tables = ["sources/orders", "views/row", "views/again"]
        self.runs.append(({name: self.store.latest_version(name) for name in tables}, dict(self.held), self.shape))

    def roll_back(self, number: int) -> None:
        fitting = [each for each in self.runs if each[2] == self.shape]
        versions, held, _ = fitting[number % len(fitting)]
        for name, version in versions.items():
            self.store.rollback(name, version, stamp=CommitStamp("r", name, ""))
            self.store.release(name, stamp=CommitStamp("r", name, ""))
        self.held = dict(held)

    def publish(self, now: datetime) -> None:
        for view in self.views():
            publish(view, self.store, self.online, now=now)
        for each in self.sent:
            each.seen = each.flushed or (each.seen and self.served_shape == self.shape)
        self.served, self.served_shape = dict(self.held), self.shape

    # ---------------------------------------------------------------- the definition

    def rows(self) -> list[Row]:
        """What is served, in order: by day what is held, and the pushes that are not."""
        found: list[Row] = []
        for day, (delivered, count) in self.served.items():
            inside = of_day(delivered, day)
            left = Counter(inside)
            for each in self.sent[:count]:
                for row in of_day(each.rows, day):
                    if left[row]:
                        left[row] -= 1
                    else:
                        inside.append(row)
            found += inside + [row for each in self.sent[count:] if each.seen for row in of_day(each.rows, day)]
        return found

    def expected(self, who: str | None, now: datetime) -> dict[str, Any]:
        if who is None:
            return {"row": (None,), "again": (None,), "exact": (None,) * 4, "over": (None,) * 4}
        mine = [row for row in self.rows() if row[0] == who and max(row[1], row[2]) <= now]
        mine.sort(key=lambda row: row[1])
        newest = max(mine, key=lambda row: (row[1], row[2], mine.index(row)), default=None)
        last = [row for row in mine if newest and row[1:3] == newest[1:3]]
        amount = last[-1][3] if last else None
        once = list({row[1:3]: row for row in mine}.values())
        both = [windows(rows, now, self.shape) for rows in (mine, once)]
        return {"row": (amount,), "again": (amount,), "exact": both[0], "over": both[1]}

    def check(self, now: datetime) -> None:
        for view in self.views()[: 4 if self.shape == self.served_shape else 0]:
            answer = online_features(view, ASKED, self.online, now)
            names = [name for name in answer.columns if "__" not in name and name not in ("at", "known", "one")]
            for who, *found in answer.select(names).iter_rows():
                assert tuple(found) == self.expected(who, now)[view.name], (view.name, who, self)


def at_once(write: Callable[[FeatureView], bool], views: Iterable[FeatureView]) -> Iterable[bool]:
    with ThreadPoolExecutor(2) as pool:
        return pool.map(write, views)


def of_day(rows: Sequence[Row], day: int) -> list[Row]:
    return [row for row in rows if at(day) <= row[1] < at(day + 1)]


def windows(rows: Sequence[Row], now: datetime, shape: int) -> tuple[object, ...]:
    day = [row[3] for row in rows if now - timedelta(days=1) <= row[1] < now]
    more = [row for row in rows if now - timedelta(hours=60 if shape else 48) <= row[1] < now]
    return len(day), len(more), sum(day), day[-1] if day else None


def happen(shop: Shop, step: str, now: datetime, rows: Sequence[Row], number: int) -> None:
    match step:
        case "push":
            shop.push(rows, now)
        case "flush" | "publish" | "again":
            getattr(shop, step)(now)
        case "run":
            shop.run(range(DAYS))
        case "run-a-day":
            shop.run([number % DAYS])
        case "deliver":
            pushed = [row for each in shop.sent for row in each.rows]
            shop.delivered = [*shop.delivered, *rows, *pushed[number:][:2]]
        case "roll-back":
            shop.roll_back(number)
        case "shape" if not shop.shape:
            shop.shape = 1
            shop.run(range(DAYS))
    shop.check(now)


@pytest.mark.parametrize("known_at", [None, "known"])
@settings(derandomize=not is_thorough(), deadline=None, max_examples=EXAMPLES, database=None, phases=[Phase.generate])
@given(data=st.data())
def test_online_says_what_is_published_and_what_was_pushed_since(known_at: str | None, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        shop, now = Shop(Path(folder), known_at), at(1)
        shop.run(range(DAYS))
        if data.draw(st.booleans()):
            shop.publish(now)
        for step in data.draw(st.lists(st.sampled_from(STEPS), min_size=6, max_size=12)):
            happen(shop, step, now, data.draw(ROWS), data.draw(st.integers(0, 9)))
            now += data.draw(st.sampled_from(WAITS))
        for step in ("flush", "run", "publish"):
            happen(shop, step, now, [], 0)
        shop.reader.close()


@pytest.mark.parametrize(
    "story",
    [
        "push flush publish push publish flush run publish",
        "publish push again flush again run-a-day publish run publish",
        "publish push flush run publish roll-back publish run publish",
        "publish push shape publish flush publish run publish",
        "publish push deliver flush run publish push push flush publish",
    ],
)
def test_so_it_is_in_stories_that_chance_seldom_tells(tmp_path: Path, story: str) -> None:
    shop, now = Shop(tmp_path, None), at(2, 13)
    shop.run(range(DAYS))
    rows = [("ann", at(2, 12), at(2, 12), 2.0), ("ann", at(1, 12), at(1, 12), 3.0), ("bob", at(2, 6), at(2, 6), 4.0)]
    for number, step in enumerate(story.split()):
        happen(shop, step, now, rows[number % 2 :], 0)
    shop.reader.close()
