"""Killed consumers, on one machine and on several: every message is in the log once, and counts once online."""

import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import PushSetAside, WriteFailed
from feature_platform.offline.commits import Commit
from feature_platform.serving.emptying import SpoolEmptying
from feature_platform_tests.effort import repetitions
from feature_platform_tests.kafka import PARTITIONS, Broker
from feature_platform_tests.streaming.payments import Payments, a_moment_ago, of, payment

ROOT = Path(fp.__file__).parents[1]
CARDS = list(range(20))
KILLS = 25


def kill_a_consumer(shop: Payments, machine: str, seconds: float) -> None:
    """Start a consumer, and kill it some time after it began to read."""
    words = [str(shop.folder), shop.address, shop.topic, machine]
    process = subprocess.Popen(
        [sys.executable, "-m", "feature_platform_tests.streaming.consuming", *words],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)  # the moment of the kill is what is drawn
    finally:
        process.kill()
        process.communicate()


def test_kills_on_two_machines_lose_nothing_and_double_nothing(tmp_path: Path, broker: Broker) -> None:
    """The machines share the offline and the online store; each has a spool of its own. Views are published between."""
    shop, at, chance = of(tmp_path, broker), a_moment_ago(), random.Random(20130104)
    shop.publish()
    sent, poison = list[tuple[int, float]](), list[int]()

    def send(count: int) -> None:
        new = [(chance.choice(CARDS), float(len(sent) + number)) for number in range(count)]
        good = [payment(card, at + timedelta(microseconds=int(amount)), amount) for card, amount in new]
        broker.send_all([*good[: count // 2], b"no json", *good[count // 2 :]])
        sent.extend(new)
        poison.append(len(sent))

    def is_read() -> bool:
        return shop.store.exists("pushes/payments")

    for kills in repetitions(KILLS, until=is_read):
        send(60)
        kill_a_consumer(shop, chance.choice("ab"), chance.uniform(0.0, 0.15))
        if kills % 5 == 0:
            shop.publish()
    shop.read("b")
    shop.read("a")

    log = shop.log()
    assert log.select("fp_spool", "fp_push", "fp_push_row").is_unique().all()
    assert sorted(zip(log["card"], log["amount"], strict=True)) == sorted(sent)
    assert shop.unreadable().height == shop.unreadable().select("fp_spool", "fp_push").n_unique() == len(poison)
    wanted = {
        card: (max(amounts), sum(amounts), len(amounts))
        for card in CARDS
        if (amounts := [amount for of_card, amount in sent if of_card == card])
    }
    assert {card: found for card, found in shop.features(CARDS).items() if card in wanted} == wanted
    shop.publish()
    assert {card: found for card, found in shop.features(CARDS).items() if card in wanted} == wanted
    assert shop.store.read("sources/payments").collect().height == len(sent)


def test_a_machine_whose_messages_another_one_has_logged_drops_them(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, at = of(tmp_path, broker), a_moment_ago()
    shop.publish()
    broker.send_all([payment(1, at) for _ in range(4 * PARTITIONS)])
    with monkeypatch.context() as dying:
        dying.setattr(SpoolEmptying, "empty", lambda *_: None)  # as if it died before the log
        shop.read("a")
    assert not shop.store.exists("pushes/payments")
    assert shop.features([1])[1][2] == 16

    shop.read("b")
    assert (shop.log().height, shop.features([1])[1][2]) == (16, 16)
    assert list(shop.spool("a").sources()) == ["payments"]

    shop.publish()
    shop.read("a")
    assert (shop.log().height, shop.features([1])[1][2]) == (16, 16)
    assert shop.spool("a").sources() == {}


def test_a_broker_whose_clock_is_ahead_gives_a_message_one_name(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, at = of(tmp_path, broker), a_moment_ago()
    shop.publish()
    broker.send(payment(1, at), at=at + timedelta(minutes=20))
    with monkeypatch.context() as dying:
        dying.setattr(SpoolEmptying, "empty", lambda *_: None)
        shop.read("a")
    shop.read("b")
    assert shop.features([1])[1][2] == 1
    broker.send(payment(1, at), at=at + timedelta(hours=2))
    shop.read("b")
    assert shop.unreadable()["reason"].to_list() == ["the broker got it in the future"]
    assert shop.features([1])[1][2] == 1


@pytest.mark.parametrize("log", ["pushes/payments", "unreadable/payments"])
def test_a_machine_that_is_lost_between_two_logs_loses_no_message(
    log: str, tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, at = of(tmp_path, broker), a_moment_ago()
    broker.send(payment(1, at), b"no json", payment(1, at), b"none either")
    append = fp.OfflineStore.append

    def refuse(store: fp.OfflineStore, name: str, frame: pl.DataFrame, **words: Any) -> Commit:
        if name == log:
            raise WriteFailed(name, "here", "the disk is full")
        return append(store, name, frame, **words)

    with monkeypatch.context() as full:
        full.setattr(fp.OfflineStore, "append", refuse)
        shop.read("a")
    assert shop.warned

    shop.read("b")

    assert shop.log()["fp_push"].to_list() == [0, 2]
    assert shop.unreadable()["fp_push"].to_list() == [1, 3]


def test_a_spool_that_was_lost_reads_again_what_the_log_lacks(tmp_path: Path, broker: Broker) -> None:
    shop, at = of(tmp_path, broker), a_moment_ago()
    shop.publish()
    broker.send(payment(1, at), payment(1, at))
    shop.read("a")
    broker.send(payment(1, at))
    assert shop.read("new").takers[0].taken.messages == 1
    assert (shop.log().height, shop.features([1])[1][2]) == (3, 3)


def test_messages_that_were_set_aside_are_taken_again_although_the_log_is_beyond_them(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = of(tmp_path, broker)
    broker.send(payment(1, a_moment_ago(), 5.0))
    with monkeypatch.context() as dying:
        dying.setattr(SpoolEmptying, "empty", lambda *_: None)
        shop.read()
    spool = shop.spool()
    with pytest.warns(PushSetAside):
        spool.set_aside(0, "for a while")
    broker.send(payment(2, a_moment_ago(), 6.0))
    shop.read()
    assert shop.log()["amount"].to_list() == [6.0]

    for aside in spool.aside():
        spool.take_again(aside)
    shop.read()

    assert sorted(shop.log()["amount"]) == [5.0, 6.0]
    shop.publish()
    assert shop.features([1, 2]) == {1: (5.0, 5.0, 1), 2: (6.0, 6.0, 1)}
