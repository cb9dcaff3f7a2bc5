"""The page whose sources are a database, a bucket and a topic: its code runs, and prints what it says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from feature_platform_tests.buckets import Bucket
from feature_platform_tests.databases import PASSWORD, Server
from feature_platform_tests.kafka import Broker
from feature_platform_tests.test_docs import WITH_SERVERS, blocks, folder, run

__all__ = ["folder"]


def names_of_writers(postgres: Server, bucket: Bucket, broker: Broker) -> dict[str, Callable[..., object]]:
    """What the page calls to write into the three places."""

    def send(topic: str, message: object) -> None:
        broker.topic = topic
        broker.send(message)

    return {
        "sql": lambda statement: postgres.run(statement),
        "put": lambda key, text: bucket.put(key, text.encode()),
        "drop": bucket.drop,
        "send": send,
    }


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", WITH_SERVERS, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_against_servers(
    page: Path, postgres: Server, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker()
    monkeypatch.setenv("SHOP_DB", postgres.guarded_url)
    monkeypatch.setenv("SHOP_DB_PASSWORD", PASSWORD)
    monkeypatch.setenv("LAKE", bucket.store.url)
    monkeypatch.setenv("LAKE_OPTIONS", " ".join(f"{name}={value}" for name, value in bucket.options.items()))
    monkeypatch.setenv("LAKE_KEY", bucket.all_options["aws_secret_access_key"])
    monkeypatch.setenv("BROKERS", broker.address)
    namespace: dict[str, object] = {"__name__": "__main__", **names_of_writers(postgres, bucket, broker)}
    try:
        for block in blocks(page):
            said = run(block, namespace)
            if block.prints is not None:
                assert said == block.prints, block.text
    finally:
        postgres.run("DROP TABLE IF EXISTS orders, returns")
