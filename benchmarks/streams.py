"""What messages of a topic cost, and how soon they are online.

    .venv/bin/python -m benchmarks.streams [messages]

The broker is librdkafka's mock cluster in a process of its own. Throughput: messages that wait in the topic, of 50,000
keys, by CPU seconds of the process that reads, with its commits to the log. Freshness: a producer sends at a steady
rate for 12 seconds; measured is from when the broker got a message until readers of the online store see it.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from confluent_kafka import Producer

import feature_platform as fp
from feature_platform.ground.working_columns import ARRIVED_AT
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.serving.applying import Target
from feature_platform.streaming.running import StreamRun
from feature_platform.streaming.taking import MessageTaker

SCHEMA: dict[str, Any] = {"card": pl.Int64, "at": pl.Datetime("us", "UTC"), "amount": pl.Float64}
RATES = (200, 1_000)
SECONDS = 12
KEYS = 50_000


def main() -> None:
    """Print both tables."""
    messages = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 200_000
    with broker() as address:
        send(address, "bulk", messages, rate=None)
        print("views | messages | CPU s | messages / CPU s | bar")
        for exact, bar in ((False, 25_000), (True, 10_000)):
            print_child("bulk", address, str(messages), "exact" if exact else "row", bar=bar)
        print("views | messages a second | p50 ms | p99 ms | CPU s of 12 | bar p99")
        for rate in RATES:
            for kind in ("row", "exact"):
                print_child("fresh", address, str(rate), kind, bar=500)


def print_child(what: str, *words: str, bar: int) -> None:
    """Run one measurement in a process of its own, and print what it prints."""
    command = [sys.executable, "-m", "benchmarks.streams", "--child", what, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(done.stdout.strip(), bar, sep=" | ", flush=True)


@contextmanager
def broker() -> Iterator[str]:
    """Start a cluster in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.streams", "--child", "broker"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(30)


def serve_broker() -> None:
    """Serve a cluster until standard input ends."""
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    brokers = producer.list_topics(timeout=20).brokers.values()
    print(",".join(f"{each.host}:{each.port}" for each in brokers), flush=True)
    sys.stdin.read()


def send(address: str, topic: str, messages: int, rate: int | None) -> None:
    """Send messages, all at once or so many a second."""
    producer = Producer({"bootstrap.servers": address, "linger.ms": 1, "queue.buffering.max.messages": 2_000_000})
    cards, begun, begin = np.random.default_rng(0).integers(0, KEYS, messages), datetime.now(UTC), time.monotonic()
    for number in range(messages):
        while rate is not None and (time.monotonic() - begin) * rate < number:
            producer.poll(0.001)
        at = begun + timedelta(microseconds=number) if rate is None else datetime.now(UTC)
        value = {"card": int(cards[number]), "at": at.isoformat(), "amount": float(number)}
        producer.produce(topic, json.dumps(value).encode(), key=str(number))
        if number % 5_000 == 0:
            producer.poll(0)
    producer.flush()


def project(address: str, topic: str, *, exact: bool) -> tuple[fp.Source, Target]:
    """Declare and publish the views, in fresh folders."""
    source = fp.Source("payments", fp.sources.Kafka(address, topic=topic, schema=SCHEMA), event_time="at")
    card = fp.Entity("card", join_keys=["card"])
    views = [
        fp.feature_view(entity=card, source=source, name="last")(lambda rows: rows.select("card", "at", last="amount"))
    ]
    if exact:
        sums = [fp.Sum("amount", windows=["7d"]), fp.Count(windows=["7d"])]
        windowed = fp.feature_view(entity=card, source=source, aggregations=sums, accuracy="exact", name="spend")
        views.append(windowed(lambda rows: rows))
    folder = Path(tempfile.mkdtemp(dir=sys.argv[-1]))
    store, online = fp.OfflineStore(folder / "store"), Lmdb(folder / "online")
    for view in views:
        fp.materialize(view, store)
        fp.publish(view, store, online, now=datetime.now(UTC))
    return source, Target(views, Spool(folder / "spool"), store, online, reader=online.reader())


def measure_bulk(address: str, messages: str, kind: str) -> None:
    """Read messages that wait."""
    source, target = project(address, "bulk", exact=kind == "exact")
    run, begin = StreamRun([source], [source], target, lambda: datetime.now(UTC), print), time.process_time()
    run.run(lambda: False, upto_end=True)
    cpu = time.process_time() - begin
    taken = run.takers[0].taken.rows
    assert taken == int(messages), f"{taken} rows"
    print(kind if kind == "row" else "row and exact", f"{taken:,}", f"{cpu:.1f}", f"{taken / cpu:,.0f}", sep=" | ")


@dataclass
class NotingTaker(MessageTaker):
    """Takes messages, and notes how old each was when it was online, in milliseconds."""

    ages: list[pl.Series] = field(kw_only=True)

    def take(self, messages: pl.DataFrame, now: datetime) -> None:
        super().take(messages, now)
        self.ages.append((datetime.now(UTC) - messages[ARRIVED_AT]).dt.total_microseconds() / 1000)


def measure_fresh(address: str, rate: str, kind: str) -> None:
    """Read messages as they come, and note how old each is when it is online."""
    topic, messages, ages = f"fresh-{rate}-{kind}", int(rate) * SECONDS, list[pl.Series]()
    send(address, topic, 1, rate=None)
    source, target = project(address, topic, exact=kind == "exact")
    run = StreamRun([source], [source], target, lambda: datetime.now(UTC), print)
    run.takers[0] = NotingTaker(source, run.takers[0].words, target, ages=ages)
    command = [sys.executable, "-m", "benchmarks.streams", "--child", "send", address, topic, str(messages), rate]
    sender, cpu = subprocess.Popen(command), time.process_time()
    run.run(lambda: run.takers[0].taken.messages > messages)
    cpu = time.process_time() - cpu
    sender.wait(30)
    found = pl.concat(ages[1:])
    figures = (f"{found.quantile(part):.0f}" for part in (0.5, 0.99))
    print(kind if kind == "row" else "row and exact", f"{int(rate):,}", *figures, f"{cpu:.1f}", sep=" | ")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--child", "broker"]:
            serve_broker()
        case ["--child", "send", address, topic, messages, rate]:
            send(address, topic, int(messages), int(rate))
        case ["--child", what, address, number, kind]:
            with tempfile.TemporaryDirectory() as place:
                sys.argv.append(place)
                (measure_bulk if what == "bulk" else measure_fresh)(address, number, kind)
        case _:
            main()
