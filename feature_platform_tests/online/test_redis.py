"""The store in Redis when the server is away, short of memory, or in a cluster, and when answers are lost."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import redis

from feature_platform.ground.errors import InvalidDeclaration, NotServed, OnlineStoreFailed
from feature_platform.online.redis import Redis
from feature_platform.online.redis_server import server_at
from feature_platform_tests.online.in_redis import client_of, names
from feature_platform_tests.online.servers import redis_server
from feature_platform_tests.online.test_faults import the_state, writer
from feature_platform_tests.online.writer import (
    KEYS,
    TABLE,
    VIEW,
    batch,
    build,
    change,
    push,
    pushed,
    same,
)

SECRET = "hunter2"


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("url", "location"),
    [
        (f"redis://me:{SECRET}@host:6380/1", "redis://host:6380/1"),
        (f"rediss://:{SECRET}@host", "rediss://host"),
        (f"valkey://host/?password={SECRET}", "valkey://host/"),
        (f"unix://me:{SECRET}@/run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_a_password_is_nowhere_to_be_seen(url: str, location: str) -> None:
    store = Redis(url)

    assert store.location == location
    assert repr(store) == str(store) == f"Redis('{location}')"
    assert SECRET not in repr([store])


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        f"http://{SECRET}@host",
        f"redis://:{SECRET}/x@host:6379/0",
        f"redis://:12/{SECRET}@host:6379/0",
        f"redis://:12?{SECRET}@host",
        f"redis://me:12#{SECRET}@host",
        f"unix://me:12/{SECRET}@/run/redis.sock",
        "redis://host:70000",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InvalidDeclaration, match="The online store in Redis has an address") as found:
        Redis(url)
    assert SECRET not in str(found.value)
    assert found.value.__cause__ is None


@pytest.mark.parametrize("prefix", ["", "a{b", "}"])
def test_a_prefix_may_not_move_views_to_other_slots(prefix: str) -> None:
    with pytest.raises(InvalidDeclaration, match="prefix"):
        Redis("redis://host", prefix=prefix)


# ---------------------------------------------------------------- layout


def test_nothing_is_left_of_what_was_put_together(redis_store: Redis) -> None:
    first = build(redis_store, same(b"1"))
    second = build(redis_store, same(b"2"))
    assert second.generation > first.generation
    expected = ["views", "{carriers}:count", "{carriers}:current", f"{{carriers}}:{second.generation}"]
    assert names(redis_store) == sorted(expected)
    push(redis_store, {KEYS[0]: b"p1"})
    change(redis_store, same(b"3", KEYS[:5]), KEYS[5:])
    expected += ["{carriers}:applied", f"{{carriers}}:{second.generation}:pushed"]
    assert names(redis_store) == sorted(expected)
    redis_store.remove(VIEW)
    assert names(redis_store) == ["views", "{carriers}:count"]


def test_what_a_killed_build_left_is_removed_by_the_next(redis_store: Redis) -> None:
    first = build(redis_store, same(b"1"))
    client, root = client_of(redis_store), redis_store.key_prefix(VIEW)
    with writer("halfway", redis_store, 2) as process:
        process.kill()
        process.wait()
    left = [name for name in names(redis_store) if name.startswith("{carriers}:") and name[11:].isdigit()]
    assert len(left) == 2
    assert client.scard(f"{root}:aside") == 1
    second = build(redis_store, same(b"3"), base=first)
    assert names(redis_store) == sorted(
        ["views", "{carriers}:count", "{carriers}:current", f"{{carriers}}:{second.generation}"]
    )


# ---------------------------------------------------------------- faults


def test_a_server_that_is_away_is_an_error_that_says_where_without_a_password(tmp_path: Path) -> None:
    store = Redis(f"unix://me:{SECRET}@{tmp_path}/none", timeout=0.2)
    with store.reader() as reader:
        for task in (
            lambda: reader.get(VIEW, [b"k"]),
            lambda: store.table(VIEW),
            lambda: store.build(None, TABLE, [], pushed),
            lambda: push(store, same(b"p1")),
            lambda: store.remove(VIEW),
        ):
            with pytest.raises(OnlineStoreFailed, match=f"at unix://{tmp_path}/none: ") as found:
                task()
            assert SECRET not in str(found.value)


def test_a_wrong_password_is_an_error(tmp_path: Path) -> None:
    with redis_server("--requirepass", "other") as address:
        store = Redis(address.replace("://", f"://:{SECRET}@"))
        with pytest.raises(OnlineStoreFailed, match="password") as found:
            store.table(VIEW)
        assert SECRET not in str(found.value)
        with pytest.raises(OnlineStoreFailed, match="authenticate"):
            Redis(address).table(VIEW)
        assert Redis(address.replace("://", "://:other@")).views() == []


def again(task: Callable[[Redis, dict[bytes, bytes]], object], store: Redis) -> None:
    """A server looks at its memory when a command begins: the one after is refused."""
    for _ in range(9):
        task(store, same(b"p" * 60_000))


def test_a_server_without_memory_changes_nothing() -> None:
    with redis_server("--maxmemory-policy", "noeviction") as address:
        store = Redis(address)
        build(store, same(b"1"))
        before, kept = store.table(VIEW), names(store)
        client = client_of(store)
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 2_000_000)
        short = client.info("memory")["used_memory"] + 2_000_000
        for task in (build, change, push):
            client.config_set("maxmemory", short)
            with pytest.raises(OnlineStoreFailed, match=r"maxmemory.*What it held before is still served"):
                again(task, store)
            client.config_set("maxmemory", 0)
            assert store.table(VIEW) == before
            if task is not push:
                assert names(store) == kept
                assert the_state(store) == 1
        build(store, same(b"2"))


def test_a_view_that_the_server_has_lost_is_not_served_and_can_be_built_anew(redis_store: Redis) -> None:
    first = build(redis_store, same(b"1"))
    push(redis_store, same(b"p1"))
    with redis_store.reader() as reader:
        reader.get(VIEW, KEYS)
        client_of(redis_store).delete(f"{redis_store.key_prefix(VIEW)}:{first.generation}")
        with pytest.raises(NotServed):
            reader.get(VIEW, KEYS)
        assert redis_store.table(VIEW) is None
        with pytest.raises(NotServed):
            push(redis_store, same(b"p1"))
        second = build(redis_store, same(b"2"))
        assert reader.get(VIEW, KEYS) == (second, [b"2"] * 100)


def test_a_generation_that_lost_a_part_while_it_was_made_is_not_served(redis_store: Redis) -> None:
    first = build(redis_store, same(b"1"))
    root = redis_store.key_prefix(VIEW)

    def frames() -> Iterator[pl.DataFrame]:
        for some in range(10):
            yield batch(same(b"2" * 200_000, KEYS[some * 10 : some * 10 + 10]))
        client_of(redis_store).delete(f"{root}:{first.generation + 1}")

    with pytest.raises(OnlineStoreFailed, match=r"\d+ of 100 are there"):
        redis_store.build(first, TABLE, frames(), pushed)
    with pytest.raises(OnlineStoreFailed, match="1 of 2 are there; a key came twice"):
        redis_store.build(first, TABLE, [batch({b"k1": b"a"}), batch({b"k1": b"b"})], pushed)
    assert redis_store.table(VIEW) == first
    assert the_state(redis_store) == 1


# ---------------------------------------------------------------- clusters, packages


def test_in_a_cluster_every_command_stays_in_the_slot_of_its_view() -> None:
    """A server in cluster mode refuses commands and scripts that touch two slots."""
    with redis_server("--cluster-enabled", "yes") as address:
        store = Redis(address)
        client = client_of(store)
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        end = time.monotonic() + 20
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            assert time.monotonic() < end
        first = build(store, same(b"1"))
        build(store, same(b"1"), base=first)
        push(store, {KEYS[0]: b"p1"})
        change(store, same(b"2", KEYS[:50]), KEYS[50:])
        third = build(store, same(b"3"))
        with store.reader() as reader:
            assert reader.get(VIEW, KEYS[:2]) == (third, [b"3 p1", b"3"])
        assert store.views() == [VIEW]
        assert len(list(store.keys(VIEW))) == 100
        store.remove(VIEW)
        assert names(store) == ["views", "{carriers}:count"]
        with pytest.raises(redis.exceptions.ResponseError, match="slot"):
            client.execute_command("UNLINK", "fp:{a}:1", "fp:{b}:1")


def test_without_its_package_the_store_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['redis'] = None; import feature_platform as fp; fp.online.Lmdb\n"
        "print(hasattr(fp.online, 'Redis'))\n"
        "try: fp.online.store_of('redis://a')\nexcept fp.FeaturePlatformError as error: print(error)\n"
        "try: fp.online.Redis\nexcept AttributeError as error: print('Run `pip install' in str(error))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "False\nThe online store in Redis needs redis[hiredis], which is not installed. "
        "Run `pip install 'redis[hiredis]'`; it is what the extra `redis` of the platform brings.\nTrue\n"
    )


def test_stores_are_loaded_when_they_are_used() -> None:
    code = "import feature_platform as fp, sys; fp.online.store_of; print({'lmdb', 'redis'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# ---------------------------------------------------------------- round trips


def test_a_reader_that_looks_for_a_new_generation_and_reads_it_takes_one_round_trip(
    redis_store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(redis_store, {KEYS[0]: b"row"})
    sent: list[str] = []
    with redis_store.reader() as reader:
        server, before = server_at(redis_store.url, redis_store.timeout), reader.get(VIEW, KEYS)
        ask, ask_all = server.ask, server.ask_all
        monkeypatch.setattr(server, "ask", lambda *words: (sent.append("alone"), ask(*words))[1])
        monkeypatch.setattr(server, "ask_all", lambda commands: (sent.append("together"), ask_all(commands))[1])

        assert reader.get(VIEW, KEYS) == before
        reader.refresh()
        assert reader.get(VIEW, KEYS) == before
        assert reader.get(VIEW, KEYS) == before
    assert sent == ["alone", "together", "alone"]
