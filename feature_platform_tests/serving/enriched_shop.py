"""A shop whose orders are enriched: by prices, by the price of a gift, by kinds, and by grades that a view makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

import feature_platform as fp
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform.offline import CommitStamp
from feature_platform.offline.newest import NewestSchemas
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform.serving import online_features
from feature_platform.serving.applying import Target, apply_again, recover
from feature_platform.serving.publication import publish
from feature_platform.serving.pushing import push
from feature_platform_tests.shop import at, customer

product = fp.Entity("product", join_keys=["id"])
DAYS = 4
GRID = Partitions("daily", start=at(), end=at(40))
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "orders": {"customer": pl.String, "product": pl.Int64, "gift": pl.Int32, "at": UTC, "note": pl.String},
    "prices": {"id": pl.Int32, "since": UTC, "loaded": UTC, "price": pl.Float64},
    "graded": {"id": pl.Int64, "day": UTC, "mark": pl.Int64},
    "kinds": {"id": pl.Int64, "kind": pl.String},
}
Rows = list[tuple[Any, ...]]
FIRST: Mapping[str, Rows] = {
    "orders": [("eve", 9, None, at(day), "x") for day in range(DAYS)],
    "prices": [(9, at(day), at(day), 1.0) for day in range(DAYS)],
    "graded": [(9, at(day), 5) for day in range(DAYS)],
    "kinds": [(9, "tool")],
}
ASKED = pl.DataFrame({"customer": ["ann", "bob", "nobody", None]})


@dataclass
class EnrichedShop:
    """What was delivered, pushed, run and published.

    Attributes:
        pushed: the rows of each source that were pushed, in order.
        served: what was delivered of each source when the tables that are served were made.
    """

    folder: Path
    known_at: str | None = None
    delivered: dict[str, Rows] = field(default_factory=lambda: {name: list(rows) for name, rows in FIRST.items()})
    pushed: dict[str, Rows] = field(default_factory=lambda: {name: [] for name in SCHEMAS})
    held: dict[str, Rows] = field(default_factory=dict)
    served: dict[str, Rows] = field(default_factory=dict)
    runs: list[tuple[dict[str, int], dict[str, Rows]]] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        self.store = fp.OfflineStore(self.folder)
        self.online = Lmdb(self.folder / "online", map_size=2**22)
        self.spool = Spool(self.folder / "spool", map_size=2**22)
        self.schemas, self.reader = NewestSchemas(), self.online.reader()

    def stamp(self, name: str, rows: Rows) -> Rows:
        """Give rows values of their own: a pushed row that is delivered as well would count once, as in any table."""
        stamped = []
        for *others, last in rows:
            self.number += 1
            match name:
                case "prices":
                    own = None if last is None else last + self.number / 1024
                case "graded":
                    own = self.number if last else -self.number
                case _:
                    own = f"{last}{self.number}"
            stamped.append((*others, own))
        return stamped

    def deliver(self, name: str, rows: Rows) -> None:
        self.delivered[name] += self.stamp(name, rows)

    def sources(self) -> dict[str, fp.Source]:
        frames = {
            name: pl.DataFrame(rows, schema=dict(SCHEMAS[name]), orient="row") for name, rows in self.delivered.items()
        }
        if self.known_at is None:
            frames["prices"] = frames["prices"].drop("loaded")
        words: Mapping[str, Any] = {
            "orders": {"event_time": "at"},
            "prices": {"entity": product, "event_time": "since", "known_at": self.known_at},
            "graded": {"event_time": "day"},
            "kinds": {"entity": product},
        }
        return {name: fp.Source(name, fp.sources.Frame(frames[name]), **words[name]) for name in SCHEMAS}

    def view(self, sources: Mapping[str, fp.Source] | None = None) -> FeatureView:
        read = sources or self.sources()
        grades = fp.feature_view(entity=product, source=read["graded"], ttl="36h", name="grades")(
            lambda rows: rows.filter(pl.col("mark") > 0).select("id", "day", grade=pl.col("mark") * 10)
        )
        return fp.feature_view(
            entity=customer,
            source=read["orders"],
            enrich=[
                read["prices"]["price"].alias("of", keys={"id": "product"}),
                read["prices"]["price"].alias("free", keys={"id": "gift"}),
                read["kinds"]["kind"].alias("of", keys={"id": "product"}),
                grades_by(grades)["grade"],
            ],
            aggregations=[
                fp.Count(windows=["1d"]),
                fp.Sum("paid", windows=["2d"]),
                fp.Last("free__price", windows=["2d"]),
                fp.Max("graded__grade", windows=["2d"]),
                fp.LastN("of__kind", 2, windows=["2d"]),
            ],
            accuracy="exact",
            name="spent",
        )(paid)

    def target(self, sources: Mapping[str, fp.Source]) -> Target:
        return Target([self.view(sources)], self.spool, self.store, self.online, GRID, self.schemas, self.reader)

    # ---------------------------------------------------------------- what happens

    def push(self, name: str, rows: Rows, now: datetime) -> Sequence[str]:
        sources, rows = self.sources(), self.stamp(name, rows)
        frame = pl.DataFrame(rows, schema=dict(SCHEMAS[name]), orient="row")
        done = push(sources[name], frame.drop("loaded", strict=False), self.target(sources), now=now)
        if name == "prices":
            rows = [(row[0], row[1], now, row[3]) for row in rows]
        self.pushed[name] += rows
        return done

    def flush(self, now: datetime) -> None:
        sources = self.sources()
        target = self.target(sources)
        flush(self.spool, self.store, leaving=lambda name, upto: apply_again(sources[name], upto, target, now=now))

    def again(self, now: datetime) -> None:
        """A crash before the spool was told that its pushes are online, and the start after it."""
        sources = self.sources()
        pending = [each.sequence for each in self.spool.pending() if each.online]
        with self.spool._transaction(write=True) as (opened, transaction):
            for sequence in pending:
                transaction.put(sequence.to_bytes(8, "big"), b"", db=opened.unapplied)
        assert recover(sources.values(), self.target(sources), now=now) == len(pending)

    def run(self) -> None:
        view = self.view()
        fp.materialize(view, self.store, at(), at(DAYS), partitions=GRID)
        self.held = {name: list(rows) for name, rows in self.delivered.items()}
        tables = ["sources/orders", "sources/prices", "sources/graded", "sources/kinds", "views/grades"]
        self.runs.append(({name: self.store.latest_version(name) for name in tables}, self.held))

    def roll_back(self, number: int) -> None:
        versions, held = self.runs[number % len(self.runs)]
        for name, version in versions.items():
            self.store.rollback(name, version, stamp=CommitStamp("r", name, ""))
            self.store.release(name, stamp=CommitStamp("r", name, ""))
        self.held = held

    def publish(self, now: datetime) -> None:
        publish(self.view(), self.store, self.online, now=now)
        self.served = self.held

    # ---------------------------------------------------------------- the definition

    def rows(self, name: str) -> Rows:
        """What is served of a source: what was delivered, then what was pushed."""
        return [*self.served[name], *self.pushed[name]]

    def expected(self, who: str | None, now: datetime) -> tuple[Any, ...]:
        if who is None:
            return (None,) * 5
        seen = []
        for number, (name, what, gift, when, note) in enumerate(self.rows("orders")):
            price, grade = self.price(what, when, now), self.grade(what, when)
            if (
                name == who
                and now - timedelta(days=2) <= when < now
                and (price is None or price < 30)
                and not note.startswith("test")
            ):
                kind = [kind for key, kind in self.rows("kinds") if key == what and what is not None]
                paid = None if price is None else price * 2
                seen.append((when, number, paid, self.price(gift, when, now), grade, kind[-1] if kind else None))
        seen.sort(key=lambda row: row[:2])
        day = [row for row in seen if row[0] >= now - timedelta(days=1)]
        gifts = [row[3] for row in seen if row[3] is not None]
        grades = [row[4] for row in seen if row[4] is not None]
        kinds = [row[5] for row in seen if row[5] is not None]
        total = sum(row[2] for row in seen if row[2] is not None)
        return len(day), total, gifts[-1] if gifts else None, max(grades, default=None), kinds[-2:] or None

    def price(self, what: int | None, when: datetime, now: datetime) -> float | None:
        rows = [
            (since, loaded if self.known_at else since, number, price)
            for number, (key, since, loaded, price) in enumerate(self.rows("prices"))
            if key == what and what is not None and since <= when and (self.known_at is None or loaded <= now)
        ]
        return max(rows, key=lambda row: row[:3])[3] if rows else None

    def grade(self, what: int | None, when: datetime) -> int | None:
        rows = [
            (day, number, mark)
            for number, (key, day, mark) in enumerate(self.rows("graded"))
            if key == what and what is not None and day <= when and mark > 0
        ]
        newest = max(rows, key=lambda row: row[:2], default=None)
        return None if newest is None or when - newest[0] > timedelta(hours=36) else newest[2] * 10

    def answers(self, now: datetime, online: Lmdb | None = None) -> list[tuple[Any, ...]]:
        answer = online_features(self.view(), ASKED, online or self.online, now)
        return answer.select(name for name in answer.columns if not name.endswith(("__status", "__event_time"))).rows()

    def check(self, now: datetime) -> None:
        for who, *found in self.answers(now):
            assert tuple(found) == self.expected(who, now), (who, now, self)


def grades_by(grades: FeatureView) -> FeatureView:
    """The grades, found by the product of an order."""
    return grades.alias("graded", keys={"id": "product"})


def paid(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What was paid, but for what costs 30 and for tests."""
    kept = (pl.col("of__price") < 30).fill_null(value=True) & ~pl.col("note").str.starts_with("test")
    return rows.filter(kept).with_columns(paid=pl.col("of__price") * 2)
