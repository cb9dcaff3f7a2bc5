"""What stops a stream: one sentence that names the source and the place; nothing is taken, and nothing lost."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, SecretMissing, SourceUnreadable
from feature_platform.streaming import taking, topic
from feature_platform_tests.kafka import Broker
from feature_platform_tests.streaming.payments import SCHEMA, a_moment_ago, of, payment

HUNTER = "hunter2-s3cr%t"


def test_a_topic_takes_the_decisions_of_its_history() -> None:
    history = fp.sources.Parquet("in", gone="refuse", changed="refuse", settles="1m")
    topic = fp.sources.Kafka("broker:9092", topic="payments", schema=SCHEMA, history=history)
    assert (topic.gone, topic.changed, topic.settles, topic.watch) == ("refuse", "refuse", "1m", None)
    table = fp.sources.Database("sqlite:///x.db", table="t", watch="9d")
    assert fp.sources.Kafka("broker:9092", topic="payments", schema=SCHEMA, history=table).watch == "9d"


def test_a_topic_that_is_not_there_is_named(tmp_path: Path, broker: Broker) -> None:
    shop = of(tmp_path, broker, options={"allow.auto.create.topics": False})
    with pytest.raises(SourceUnreadable) as refused:
        shop.read()
    assert str(refused.value) == (
        f"Source `payments` cannot be read from kafka://{broker.address}/{broker.topic}: "
        "the broker has no such topic. Check its name, or make it."
    )


def test_a_broker_that_cannot_be_reached_is_one_sentence_soon(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic, "_PATIENCE", 1.0)
    shop = of(tmp_path, broker)
    shop.address = "127.0.0.1:1"
    shop.__post_init__()
    with pytest.raises(SourceUnreadable, match=r"kafka://127\.0\.0\.1:1/topic-\w+: .*Connection refused") as refused:
        shop.read()
    assert "\n" not in str(refused.value)


def test_messages_that_are_gone_stop_the_stream_until_a_person_says_otherwise(tmp_path: Path, broker: Broker) -> None:
    shop, at = of(tmp_path, broker), a_moment_ago()
    broker.send(payment(1, at))
    shop.read()
    large = {**payment(1, at), "note": "x" * 900_000}
    for _ in range(8):
        broker.send(large)  # the mock keeps 5 MB of a partition
    oldest = broker.bounds()[0]
    assert oldest > 1

    with pytest.raises(SourceUnreadable, match=rf": {oldest - 1:,} messages of {broker.topic}/0 are gone that"):
        shop.read()

    assert shop.log()["fp_push"].to_list() == [0]
    shop.read(skip_lost=True)
    assert shop.log()["fp_push"].to_list() == [0, *range(oldest, 9)]


def test_a_topic_that_was_made_anew_is_noticed_and_read_after_a_declaration(tmp_path: Path, broker: Broker) -> None:
    shop, at = of(tmp_path, broker), a_moment_ago()
    shop.publish()
    broker.send(payment(1, at), payment(1, at))
    shop.read()
    other = Broker()
    other.topic = broker.topic
    other.send(payment(1, at))
    again = of(tmp_path, other)

    with pytest.raises(SourceUnreadable, match=r"ends before message 1, but 2 were read: .* Count up `incarnation`"):
        again.read()

    counted = of(tmp_path, other, incarnation=2)
    counted.read()
    assert counted.features([1])[1][2] == 3
    assert counted.log()["fp_spool"].unique().sort().to_list() == [f"{broker.topic}/0", f"{broker.topic}~2/0"]


def test_a_declaration_that_no_message_fits_stops_the_stream(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "REFUSED_AT_MOST", 5)
    shop = of(tmp_path, broker)
    broker.send(*[b"avro"] * 8)
    with pytest.raises(
        SourceUnreadable, match=r"\d messages one after the other could not be taken, the last one: JSON"
    ):
        shop.read()
    taken = shop.spool().positions()[f"{broker.topic}/0"]  # what came in earlier, smaller portions
    assert taken < 5
    assert shop.unreadable().height == taken


def test_a_second_process_is_refused(tmp_path: Path, broker: Broker) -> None:
    shop = of(tmp_path, broker)
    broker.send(payment(1, a_moment_ago()))
    first = shop.run()

    def start_another() -> bool:
        with pytest.raises(SourceUnreadable, match="another process of this machine reads it"):
            shop.read()
        return True

    first.run(start_another)


def test_a_store_that_refuses_for_a_while_loses_nothing(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_platform.streaming.running._PAUSE", 0.0)
    shop, at = of(tmp_path, broker), a_moment_ago()
    shop.publish()
    broker.send(payment(1, at), payment(1, at))
    run, failures = shop.run(), [fp.errors.OnlineStoreFailed("be read", "lmdb", "it is away")] * 2
    table = shop.online.table

    def refusing(view: str) -> Any:
        if failures:
            raise failures.pop()
        return table(view)

    monkeypatch.setattr(type(shop.online), "table", lambda _, view: refusing(view))
    run.run(lambda: False, upto_end=True)
    assert [warning.partition(":")[0] for warning in shop.warned] == [
        "the spool cannot be emptied",
        "messages of source `payments` wait",
    ]
    assert (shop.log().height, shop.features([1])[1][2]) == (2, 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"brokers": "user:pw@host:9092"}, "has brokers that are none"),
        ({"brokers": "host"}, "has brokers that are none"),
        ({"topic": "a/b"}, "has topic='a/b'"),
        ({"schema": {}}, "has a schema without columns"),
        ({"schema": {"at": pl.Datetime("us")}}, "has column `at` of type Datetime"),
        ({"format": "avro"}, "has format='avro'"),
        ({"begin": "now"}, "has begin='now'"),
        ({"incarnation": 0}, "has incarnation=0"),
        ({"lag": "soon"}, "has the duration 'soon'"),
        ({"options": {"sasl.password": HUNTER}}, "has the secret `sasl.password` among its options"),
        ({"options": {"ssl.key.pem": HUNTER}}, "has the secret `ssl.key.pem` among its options"),
        ({"options": {"auto.offset.reset": "latest"}}, "has the option `auto.offset.reset`, which the platform sets"),
        ({"secrets": {"sasl.password": HUNTER}}, "has a secret that is no fp.Secret"),
        ({"history": "in/*.parquet"}, "has a history that is no connector"),
    ],
)
def test_a_wrong_word_is_named_and_no_secret_shown(words: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        fp.sources.Kafka(**{"brokers": "host:9092", "topic": "t", "schema": SCHEMA, **words})
    assert message in str(refused.value)
    assert HUNTER not in str(refused.value)
    assert "pw@" not in str(refused.value)


def test_a_secret_is_looked_up_when_it_is_used_and_shown_nowhere(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic, "_PATIENCE", 1.0)
    words = {"options": {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": HUNTER}}
    shop = of(tmp_path, broker, **words, secrets={"sasl.password": fp.Secret("KAFKA_PASSWORD")})
    with pytest.raises(SecretMissing, match="KAFKA_PASSWORD"):
        shop.read()
    monkeypatch.setenv("KAFKA_PASSWORD", HUNTER)
    with pytest.raises(SourceUnreadable) as refused:
        shop.read()
    for text in (str(refused.value), repr(shop.source.connector), shop.source.connector.location):
        assert HUNTER not in text
