"""The law of pushing to members of a union: online says what the tables will say once the pushes are in them.

Drawn are pushes to either member, many of them for one key and one time, and flushes, runs and publications. The
definition below is a list of rows in the order of the members.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.compute.serving.pushed import tag_messages
from feature_platform.compute.transforms.pushed import ORIGIN
from feature_platform.declarations.view import FeatureView
from feature_platform.offline.newest import NewestSchemas
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform.serving import online_features
from feature_platform.serving.applying import Target, apply_again, recover, write_view
from feature_platform.serving.publication import publish
from feature_platform.serving.pushing import push
from feature_platform_tests.effort import stories
from feature_platform_tests.shop import at, customer, same
from feature_platform_tests.union_shop import Row, frame, union_of

pytestmark = pytest.mark.usefixtures("unrecorded")

DAYS = 3
MEMBERS = ("web", "shop")
ASKED = pl.DataFrame({"customer": ["ann", "bob", "nobody"]})
FILLERS: list[Row] = [("eve", at(day, 1), at(day, 1), 1.0) for day in range(DAYS)]
FIRST: dict[str, list[Row]] = {
    "web": [*FILLERS, ("ann", at(1, 6), at(1, 6), 7.0), ("bob", at(1), at(1), 8.0)],
    "shop": [*FILLERS, ("ann", at(1, 6), at(1, 6), 10.0), ("ann", at(2), at(2), 20.0)],
}
AGGREGATIONS = [fp.Count(windows=["2d"]), fp.Sum("amount", windows=["1d"]), fp.LastN("amount", 9, windows=["2d"])]
STEPS = [*MEMBERS * 3, "flush", "flush", "run", "run-a-day", "run-web", "run-shop", "publish", "publish", "again"]
WAITS = [timedelta(0), timedelta(microseconds=1), timedelta(hours=6)]
ROWS = st.lists(
    st.builds(
        lambda who, quarter, amount: (who, at(quarter / 4), at(quarter / 4), float(amount)),
        st.sampled_from(["ann", "ann", "bob"]),
        st.sampled_from([4, 5, 5, 8, 9]),
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=2,
)


@dataclass
class Sent:
    """A push to a member; `seen` when it is in the tables that are served now."""

    member: str
    rows: Sequence[Row]
    flushed: bool = False


@dataclass
class Shops:
    """What two members have, and which pushes were in a log when each day was last run, and what is published of that.

    Attributes:
        held: by table and day: `web`, `shop`, and of both for the row view.
    """

    folder: Path
    known: bool
    sent: list[Sent] = field(default_factory=list)
    held: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    served: dict[tuple[str, int], set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = fp.OfflineStore(self.folder)
        self.online = Lmdb(self.folder / "online", map_size=2**22)
        self.spool = Spool(self.folder / "spool", map_size=2**22)
        self.union = union_of(FIRST, known=self.known)
        self.views = self._views()
        ahead = fp.Partitions(end=at(40))
        self.target = Target(self.views, self.spool, self.store, self.online, ahead, NewestSchemas())
        self.run(range(DAYS))
        self.publish(at(1))

    def _views(self) -> list[FeatureView]:
        row = fp.feature_view(entity=customer, source=self.union, name="row")(same)
        exact = [
            fp.feature_view(entity=customer, source=each, aggregations=AGGREGATIONS, accuracy="exact", name=name)(same)
            for each, name in ((self.union, "exact"), (row, "over"))
        ]
        return [row, *exact]

    def push(self, member: str, rows: Sequence[Row], now: datetime) -> None:
        own = frame(member, rows, known=False)
        assert list(push(self.union.sources[member], own, self.target, now=now)) == ["row", "exact", "over"]
        known = [(who, when, now if self.known else when, amount) for who, when, _, amount in rows]
        self.sent.append(Sent(member, known))

    def flush(self, now: datetime) -> None:
        members = {each.name: each for each in self.union.members}
        again = partial(apply_again, target=self.target, now=now)
        flush(self.spool, self.store, leaving=lambda name, upto: again(members[name], upto))
        for each in self.sent:
            each.flushed = True

    def again(self, now: datetime) -> None:
        """A crash before the spool was told that its pushes are online, and the start after it."""
        pending = [each.sequence for each in self.spool.pending() if each.online]
        with self.spool._transaction(write=True) as (opened, transaction):
            for sequence in pending:
                transaction.put(sequence.to_bytes(8, "big"), b"", db=opened.unapplied)
        assert recover(self.union.members, self.target, now=now) == len(pending)

    def run(self, days: Sequence[int]) -> None:
        fp.materialize(self.views[0], self.store, at(days[0]), at(days[-1] + 1))
        self._note(MEMBERS, days)
        known = [day for name, day in self.held if name == "row"]
        due = [day for day in known if (self.held["web", day] | self.held["shop", day]) - self.held["row", day]]
        for day in {*days, *due}:  # a run takes up what its members have that it was made without
            self.held["row", day] = self.held["web", day] | self.held["shop", day]

    def run_member(self, name: str) -> None:
        """A run of one member alone: exact views are published from it, the row view waits for its own run."""
        fp.materialize(self.union.sources[name], self.store, at(0), at(DAYS))
        self._note([name], range(DAYS))

    def _note(self, names: Sequence[str], days: Sequence[int]) -> None:
        flushed = [(number, each.member) for number, each in enumerate(self.sent) if each.flushed]
        for name in names:
            for day in days:
                self.held[name, day] = {number for number, member in flushed if member == name}

    def publish(self, now: datetime) -> None:
        for view in self.views:
            publish(view, self.store, self.online, now=now)
        self.served = dict(self.held)

    def rows(self, table: str | None) -> list[Row]:
        """The definition: by member, what it has of each day, the pushes in the table that is read, then the others."""
        found: list[Row] = []
        for member in MEMBERS:
            own = [(number, each.rows) for number, each in enumerate(self.sent) if each.member == member]
            for day in range(DAYS):
                is_in = self.served[table or member, day]
                merged = [row for number, rows in own if number in is_in for row in rows]
                waiting = [row for number, rows in own if number not in is_in for row in rows]
                found += [row for row in (*FIRST[member], *merged, *waiting) if at(day) <= row[1] < at(day + 1)]
        return sorted(found, key=lambda row: (row[1], row[2]))

    def expected(self, who: str, now: datetime) -> dict[str, Any]:
        events, rows = (
            [row for row in self.rows(table) if row[0] == who and max(row[1], row[2]) <= now] for table in (None, "row")
        )
        once = list({row[1:3]: row for row in rows}.values())
        return {
            "row": (rows[-1][3] if rows else None,),
            "exact": windows(events, now),
            "over": windows(once, now),
        }

    def check(self, now: datetime) -> None:
        for view in self.views:
            answer = online_features(view, ASKED, self.online, now)
            kept = ["amount"] if view.name == "row" else view.windows.features
            for who, *found in answer.select("customer", *kept).iter_rows():
                assert (view.name, who, *found) == (view.name, who, *self.expected(who, now)[view.name]), self.sent


def windows(rows: Sequence[Row], now: datetime) -> tuple[object, ...]:
    inside = [row[3] for row in rows if now - timedelta(days=2) <= row[1] < now]
    day = [row[3] or 0.0 for row in rows if now - timedelta(days=1) <= row[1] < now]
    return len(inside), sum(day), inside[-9:] or None


def happen(shops: Shops, step: str, now: datetime, rows: Sequence[Row], number: int) -> None:
    match step:
        case "web" | "shop":
            shops.push(step, rows, now)
        case "run":
            shops.run(range(DAYS))
        case "run-web" | "run-shop":
            shops.run_member(step.removeprefix("run-"))
        case "run-a-day":
            shops.run([number % DAYS])
        case _:
            getattr(shops, step)(now)
    shops.check(now)


STORIES = [
    "publish web shop web flush shop run-a-day publish again web publish flush run publish",
    "shop web flush run-web web publish shop again web run-a-day publish flush run-shop publish run publish",
]
TIED = [[("ann", at(5 / 4), at(5 / 4), 1.0)], [("ann", at(5 / 4), at(5 / 4), 2.0), ("ann", at(2), at(2), 3.0)]]


@pytest.mark.parametrize(("story", "known"), [(STORIES[0], False), (STORIES[1], True)])
def test_of_one_time_the_later_member_counts_however_pushes_come(story: str, known: bool, tmp_path: Path) -> None:
    shops, now = Shops(tmp_path, known), at(2, 13)
    for number, step in enumerate(story.split()):
        happen(shops, step, now, TIED[number % 2], 1)
        now += WAITS[number % 2]


def test_messages_of_streams_come_in_the_order_of_members_too(tmp_path: Path) -> None:
    shops, now = Shops(tmp_path, known=False), at(2, 13)
    for member, amount in (("shop", 3.0), ("web", 2.0), ("shop", 4.0)):
        source, rows = shops.union.sources[member], [("ann", at(5 / 4), at(5 / 4), amount)]
        origin = pl.DataFrame([(f"{member}/0", len(shops.sent), 0, now)], schema=ORIGIN, orient="row")
        pushes = [tag_messages(frame(member, rows, known=False).hstack(origin))]
        for view, table in shops.target.fed_by(source).items():
            assert write_view(view, table, source, pushes, shops.target, now)
        shops.sent.append(Sent(member, rows))
        shops.check(now)


def test_a_first_publication_has_the_logged_pushes_of_every_member(tmp_path: Path) -> None:
    shops, now = Shops(tmp_path, known=False), at(2, 13)
    for member in ("shop", "web"):
        shops.push(member, TIED[1], now)
    shops.flush(now)
    shops.online = Lmdb(tmp_path / "another", map_size=2**22)
    shops.publish(now)
    shops.check(now)


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True])
@stories(6)
@given(data=st.data())
def test_a_push_to_a_member_shows_online_as_its_table_will_say(known: bool, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        shops, now = Shops(Path(folder), known), at(2, 13)
        for step in data.draw(st.lists(st.sampled_from(STEPS), min_size=6, max_size=12)):
            happen(shops, step, now, data.draw(ROWS), data.draw(st.integers(0, 9)))
            now += data.draw(st.sampled_from(WAITS))
        for step in ("flush", "run", "publish"):
            happen(shops, step, now, [], 0)
