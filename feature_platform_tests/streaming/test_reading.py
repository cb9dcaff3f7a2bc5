"""Messages of a topic: served at once, in the offline store with the next run, each exactly once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform_tests.kafka import Broker
from feature_platform_tests.streaming.payments import SCHEMA, a_moment_ago, of, payment


def test_messages_are_served_at_once_and_in_the_source_after_its_next_run(tmp_path: Path, broker: Broker) -> None:
    shop, at = of(tmp_path, broker), a_moment_ago()
    shop.publish()
    broker.send_all([payment(number % 3, at + timedelta(seconds=number), float(number)) for number in range(10)])

    taken = shop.read().takers[0].taken

    assert (taken.messages, taken.rows, taken.refused) == (10, 10, 0)
    wanted = {0: (9.0, 18.0, 4), 1: (7.0, 12.0, 3), 2: (8.0, 15.0, 3)}
    assert shop.features([0, 1, 2]) == wanted
    assert shop.log().height == 10
    shop.publish()
    assert shop.features([0, 1, 2]) == wanted
    assert shop.store.read("sources/payments").collect().sort("at")["amount"].to_list() == [float(n) for n in range(10)]


def test_the_next_run_goes_on_where_the_last_one_ended_on_any_machine(tmp_path: Path, broker: Broker) -> None:
    shop, at = of(tmp_path, broker), a_moment_ago()
    shop.publish()
    broker.send(payment(1, at), payment(1, at))
    assert shop.read("a").takers[0].taken.messages == 2
    assert shop.read("a").takers[0].taken.messages == 0
    broker.send(payment(1, at))
    assert shop.read("b").takers[0].taken.messages == 1
    assert shop.read("a").takers[0].taken.messages == 0
    assert shop.features([1])[1][2] == 3
    assert shop.log()["fp_push"].to_list() == [0, 1, 2]


def test_marks_of_transactions_are_no_messages(tmp_path: Path, broker: Broker) -> None:
    shop, at = of(tmp_path, broker), a_moment_ago()
    broker.send_in_a_transaction(payment(1, at), payment(1, at))
    assert broker.bounds() == (0, 3)
    assert shop.read().takers[0].taken.messages == 2
    assert shop.spool().positions()[f"{broker.topic}/0"] == 3
    broker.send_in_a_transaction(payment(1, at))
    assert shop.read().takers[0].taken.messages == 1
    assert shop.log()["fp_push"].to_list() == [0, 1, 3]


def test_a_topic_that_was_not_materialized_yet_is_read_all_the_same(tmp_path: Path, broker: Broker) -> None:
    shop = of(tmp_path, broker)
    broker.send(payment(1, a_moment_ago(), 2.0))
    shop.read()
    shop.publish()
    assert shop.features([1])[1] == (2.0, 2.0, 1)


def test_what_cannot_be_taken_is_kept_with_its_place_and_reason_and_the_rest_goes_on(
    tmp_path: Path, broker: Broker
) -> None:
    shop, at = of(tmp_path, broker), a_moment_ago()
    shop.publish()
    far = datetime.now(UTC) + timedelta(days=2)
    broker.send(
        payment(1, at, 1.0),
        b"no json",
        None,
        {"card": "one", "at": at.isoformat()},
        {"card": 1},
        payment(1, far),
        {**payment(1, at), "at": "2024-05-01T10:00:00"},
        b"\xff\xfe",
        payment(1, at, 2.0),
    )

    taken = shop.read().takers[0].taken

    assert (taken.messages, taken.rows, taken.refused, taken.tombstones) == (9, 2, 6, 1)
    refused = shop.unreadable()
    assert refused["fp_push"].to_list() == [1, 3, 4, 5, 6, 7]
    assert refused["value"][0] == b"no json"
    assert refused["key"].to_list() == [b"k"] * 6
    reasons = refused["reason"].to_list()
    assert reasons[0].startswith("JSON is malformed")
    assert reasons[1] == "Expected `int | null`, got `str` - at `$.card`"
    assert reasons[2] == "its event time `at` is missing"
    assert reasons[3] == "its event time `at` lies in the future"
    assert reasons[4] == "Expected `datetime` with a timezone component - at `$.at`"
    assert shop.features([1])[1] == (2.0, 3.0, 2)
    assert shop.read().takers[0].taken.messages == 0


def test_prepare_and_expectations_of_the_source_hold_for_messages(tmp_path: Path, broker: Broker) -> None:
    def prepare(rows: pl.LazyFrame) -> pl.LazyFrame:
        amount = pl.col("cents").cast(pl.Int64) / 100
        return rows.filter(pl.col("kind") == "sale").select("card", "at", amount=amount)

    schema = {"card": pl.Int64, "at": SCHEMA["at"], "cents": pl.String, "kind": pl.String}
    shop = of(
        tmp_path,
        broker,
        schema=schema,
        source_words={
            "prepare": prepare,
            "expectations": [fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0)],
        },
    )
    shop.publish()
    at = a_moment_ago().isoformat()
    sales = [("250", "sale"), ("1", "gift"), ("x", "sale"), ("-100", "sale"), ("50", "sale")]
    broker.send(*({"card": 1, "at": at, "cents": cents, "kind": kind} for cents, kind in sales))

    taken = shop.read().takers[0].taken

    assert (taken.messages, taken.rows, taken.refused) == (5, 2, 2)
    assert shop.unreadable()["fp_push"].to_list() == [2, 3]
    assert shop.unreadable()["reason"].to_list()[1].startswith("it breaks the expectation `expect_column_values_to_be")
    assert "'x'" not in str(shop.unreadable()["reason"].to_list())
    assert shop.log()["fp_push"].to_list() == [0, 4]
    assert shop.features([1])[1] == (0.5, 3.0, 2)


def test_a_message_that_a_view_cannot_take_is_kept_and_the_others_go_on(tmp_path: Path, broker: Broker) -> None:
    shop = of(tmp_path, broker, schema={**SCHEMA, "note": pl.String})
    card = fp.Entity("card", join_keys=["card"])
    noted = fp.feature_view(entity=card, source=shop.source, name="noted")(
        lambda rows: rows.select("card", "at", number=pl.col("note").str.to_integer(strict=True))
    )
    shop.views = [*shop.views, noted]
    shop.publish()
    at = a_moment_ago()
    broker.send(*({**payment(1, at), "note": note} for note in ("1", "2", "three", "4")))

    taken = shop.read().takers[0].taken

    assert (taken.rows, taken.refused) == (3, 1)
    [reason] = shop.unreadable()["reason"]
    assert reason.startswith("Feature view `noted`: its function failed with ComputeError on pushed rows.")
    assert shop.features([1])[1][2] == 3


@pytest.mark.parametrize(("begin", "first"), [("oldest", 0), ("newest", 3)])
def test_the_first_run_begins_where_it_is_told(begin: object, first: int, tmp_path: Path, broker: Broker) -> None:
    shop, at = of(tmp_path, broker, begin=begin), a_moment_ago()
    broker.send(*[payment(1, at)] * 3)
    shop.read()
    broker.send(payment(1, at))
    shop.read()
    assert shop.log()["fp_push"].to_list() == list(range(first, 4))


def test_messages_are_known_from_when_the_broker_got_them(tmp_path: Path, broker: Broker) -> None:
    at = datetime(2024, 5, 1, 12, tzinfo=UTC)
    shop = of(
        tmp_path,
        broker,
        schema={**SCHEMA, "seen": SCHEMA["at"]},
        source_words={"known_at": "seen"},
    )
    late = {**payment(2, at), "seen": (at + timedelta(hours=9)).isoformat()}
    broker.send(payment(1, at), late, at=at + timedelta(hours=2))
    shop.read()
    assert shop.log()["seen"].to_list() == [at + timedelta(hours=2), at + timedelta(hours=9)]
    assert shop.log()["fp_arrived_at"].to_list() == [at + timedelta(hours=2)] * 2


def test_rows_of_the_history_and_of_the_topic_count_once(tmp_path: Path, broker: Broker) -> None:
    at = a_moment_ago()
    rows = pl.DataFrame({"card": [1, 1], "at": [at - timedelta(hours=1), at], "amount": [1.0, 2.0]})
    (tmp_path / "in").mkdir()
    rows.write_parquet(tmp_path / "in" / "old.parquet")
    shop = of(tmp_path, broker, history=fp.sources.Parquet(tmp_path / "in"))
    shop.publish()
    assert shop.features([1])[1] == (2.0, 3.0, 2)
    broker.send(payment(1, at, 2.0), payment(1, at + timedelta(seconds=1), 4.0))
    shop.read()
    shop.publish()
    assert shop.store.read("sources/payments").collect().height == 3
    assert shop.features([1])[1] == (4.0, 7.0, 3)
