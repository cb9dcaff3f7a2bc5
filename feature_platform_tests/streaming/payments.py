"""A project fed by a topic: cards that pay, with a row view and an exact view, on stores of one folder."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

import feature_platform as fp
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.serving.applying import Target
from feature_platform.streaming.running import StreamRun
from feature_platform_tests.kafka import Broker

SCHEMA: dict[str, Any] = {"card": pl.Int64, "at": pl.Datetime("us", "UTC"), "amount": pl.Float64}


def payment(card: int, at: datetime, amount: float | None = 1.0) -> dict[str, object]:
    return {"card": card, "at": at.isoformat(), "amount": amount}


def a_moment_ago() -> datetime:
    """A moment that the broker's messages can be of: not in the future, and within the lateness."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


@dataclass
class Payments:
    """The project over one topic; several `machines` share stores and have spools of their own."""

    folder: Path
    address: str
    topic: str
    words: dict[str, Any] = field(default_factory=dict)
    source_words: dict[str, Any] = field(default_factory=dict)
    warned: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        topic = fp.sources.Kafka(self.address, topic=self.topic, **{"schema": SCHEMA, "lag": "1s", **self.words})
        self.source = fp.Source("payments", topic, **{"event_time": "at", **self.source_words})
        card = fp.Entity("card", join_keys=["card"])
        self.last = fp.feature_view(entity=card, source=self.source, name="last")(_last)
        windows = [fp.Sum("amount", windows=["7d"]), fp.Count(windows=["7d"])]
        self.spend = fp.feature_view(
            entity=card, source=self.source, aggregations=windows, accuracy="exact", name="spend"
        )(_as_it_is)
        self.views = [self.last, self.spend]
        self.store = fp.OfflineStore(self.folder / "store")
        self.online = Lmdb(self.folder / "online")

    def publish(self, now: datetime | None = None) -> None:
        """Make the tables of the views, and publish them."""
        for view in self.views:
            fp.materialize(view, self.store)
            fp.publish(view, self.store, self.online, now=now or datetime.now(UTC))

    def spool(self, machine: str = "a") -> Spool:
        return Spool(self.folder / f"spool-{machine}")

    def target(self, machine: str = "a") -> Target:
        return Target(self.views, self.spool(machine), self.store, self.online)

    def run(self, machine: str = "a", *, skip_lost: bool = False) -> StreamRun:
        return StreamRun(
            [self.source],
            [self.source],
            self.target(machine),
            lambda: datetime.now(UTC),
            self.warned.append,
            skip_lost=skip_lost,
        )

    def read(self, machine: str = "a", *, skip_lost: bool = False) -> StreamRun:
        """Read all messages that are there."""
        run = self.run(machine, skip_lost=skip_lost)
        run.run(lambda: False, upto_end=True)
        return run

    def log(self) -> pl.DataFrame:
        return self.store.read("pushes/payments").sort("fp_spool", "fp_push", "fp_push_row").collect()

    def unreadable(self) -> pl.DataFrame:
        if not self.store.exists("unreadable/payments"):
            return pl.DataFrame()
        return self.store.read("unreadable/payments").sort("fp_spool", "fp_push").collect()

    def features(self, cards: list[int], now: datetime | None = None) -> dict[int, tuple[Any, Any, Any]]:
        """What is served of cards: the last amount, the sum and the count of a week."""
        found = fp.online_features(self.views, {"card": cards}, self.online, now or datetime.now(UTC))
        return {row[0]: row[1:] for row in found.select("card", "last_amount", "amount_sum_7d", "count_7d").iter_rows()}


def of(folder: Path, broker: Broker, *, source_words: dict[str, Any] | None = None, **words: Any) -> Payments:
    """The project over the topic of a broker."""
    return Payments(folder, broker.address, broker.topic, words, source_words or {})


def _last(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("card", "at", last_amount="amount")


def _as_it_is(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows
