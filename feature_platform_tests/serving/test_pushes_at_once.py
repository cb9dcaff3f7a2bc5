"""Pushes that wait are applied as one batch, and it is as if each had been applied by itself."""

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import OnlineStoreFailed, TransformFailed
from feature_platform.offline import OfflineStore
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform.serving.applying import Target, apply_again, recover
from feature_platform.serving.publication import publish
from feature_platform.serving.pushing import push
from feature_platform_tests.effort import is_thorough, tries
from feature_platform_tests.shop import at, customer, daily, last_order, orders, same, source

NOW = at(5, 2)
EXAMPLES = tries(2, fewest=1)


def views(known_at: str | None = None) -> list[FeatureView]:
    rows = daily(5) if known_at is None else daily(5).with_columns(known=pl.col("at"))
    read = source(rows, known_at=known_at)
    row = fp.feature_view(entity=customer, source=read, name="row")(same)
    once = fp.feature_view(entity=customer, source=read, name="once")(lambda rows: rows.unique(maintain_order=True))
    exact = [
        fp.feature_view(
            entity=customer,
            source=each,
            aggregations=[
                fp.Sum("amount", windows=["2d"]),
                fp.Last("amount", windows=["2d"]),
                fp.LastN("amount", 3, windows=["2d"]),
                fp.Histogram("amount", 2, windows=["2d"]),
            ],
            accuracy="exact",
            name=name,
        )(same)
        for each, name in ((read, "exact"), (row, "over"))
    ]
    return [row, once, *exact]


def shop(root: Path, made: list[FeatureView]) -> Target:
    target = Target(
        made, Spool(root / "spool", map_size=2**24), OfflineStore(root), Lmdb(root / "online", map_size=2**24)
    )
    for view in made:
        fp.materialize(view, target.store)
        publish(view, target.store, target.online, now=NOW)
    return target


def read_of(target: Target) -> fp.Source:
    read = target.views[0].source
    assert isinstance(read, fp.Source)
    return read


def held(online: Lmdb) -> dict[str, dict[bytes, bytes | None]]:
    """All that is served, byte for byte."""
    with online.reader() as reader:
        found = {}
        for view in online.views():
            keys = sorted(online.keys(view))
            found[view] = dict(zip(keys, reader.get(view, keys)[1], strict=True))
    return found


PUSHES = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["ann", "eve", "new", None]), st.integers(0, 30), st.integers(1, 3)),
        min_size=1,
        max_size=4,
    ),
    min_size=2,
    max_size=6,
)


@pytest.mark.parametrize("known_at", [None, "known"])
@settings(derandomize=not is_thorough(), deadline=None, max_examples=EXAMPLES, database=None, phases=[Phase.generate])
@given(pushes=PUSHES, alone=st.integers(0, 5))
def test_pushes_that_are_applied_at_once_leave_what_they_leave_one_by_one(
    known_at: str | None, pushes: list[list[tuple[str | None, int, int]]], alone: int
) -> None:
    with TemporaryDirectory() as folder:
        target = shop(Path(folder), views(known_at))
        for number, rows in enumerate(pushes):
            frame = orders(*((who, at(4) + timedelta(hours=hour), float(amount)) for who, hour, amount in rows))
            if known_at:
                frame = frame.with_columns(known=pl.lit(NOW + timedelta(minutes=number), pl.Datetime("us", "UTC")))
            target.spool.append("orders", frame.select(daily(1).columns + (["known"] if known_at else [])), NOW)
        other = Lmdb(Path(folder) / "other", map_size=2**24)
        for view in target.views:
            publish(view, target.store, other, now=NOW)
        one_by_one = Target(target.views, target.spool, target.store, other)
        waiting = list(target.spool.unapplied_pushes())
        for each in waiting:
            assert apply_again(read_of(target), each.sequence, one_by_one, now=NOW)
        if alone < len(waiting):  # one was applied before the crash
            assert apply_again(read_of(target), waiting[alone].sequence, target, now=NOW)
        assert recover([read_of(target)], target, now=NOW) == len(pushes)
        assert isinstance(target.online, Lmdb)
        assert held(target.online) == held(other)
        assert list(target.spool.unapplied_pushes()) == []


class Counting(OfflineStore):
    """Counts how often logs are opened."""

    def read(self, name: str, **words: Any) -> pl.LazyFrame:
        opened.append(name)
        return super().read(name, **words)


opened: list[str] = []


def test_waiting_pushes_read_each_log_once_and_not_once_each(tmp_path: Path) -> None:
    target = shop(tmp_path, views()[::2])
    push(read_of(target), orders(("ann", at(5, 1), 1.0)), target, now=NOW)
    flush(target.spool, target.store)
    for number in range(30):
        target.spool.append("orders", orders(("eve", at(5, 1), float(number))), NOW)
    counting = Target(target.views, target.spool, Counting(tmp_path), target.online)
    opened.clear()
    assert recover([read_of(target)], counting, now=NOW) == 30
    assert len(opened) <= 12


class Refusing(Lmdb):
    """A store that refuses, and counts how often it was asked."""

    def write(self, *args: Any, **words: Any) -> None:
        asked.append(1)
        raise OnlineStoreFailed("write pushed rows", "/", "no space")


asked: list[int] = []


def test_a_store_that_refuses_is_asked_once_and_not_for_every_push(tmp_path: Path) -> None:
    target = shop(tmp_path, views()[::2])
    for number in range(20):
        target.spool.append("orders", orders(("eve", at(5, 1), float(number))), NOW)
    full = Target(target.views, target.spool, target.store, Refusing(tmp_path / "online", map_size=2**24))
    with pytest.raises(OnlineStoreFailed):
        recover([read_of(target)], full, now=NOW)
    assert len(asked) == 1
    assert recover([read_of(target)], target, now=NOW) == 20


def test_a_push_that_a_view_cannot_take_holds_up_none_of_the_others(tmp_path: Path) -> None:
    read = source(daily(5))
    picky = fp.feature_view(entity=customer, source=read, name="picky")(
        lambda rows: rows.with_columns(pl.col("amount").cast(pl.Int64, strict=True).alias("whole"))
    )
    target = shop(tmp_path, [last_order(read), picky])
    for amount in (1.0, 2.0, float("nan"), 3.0):
        target.spool.append("orders", orders((f"c{amount}", at(5, 1), amount)), NOW)
    with pytest.raises(TransformFailed, match="picky"):
        recover([read], target, now=NOW)
    assert [each.sequence for each in target.spool.unapplied_pushes()] == [2]


def test_applying_stops_when_it_is_told_to_and_what_is_left_stays(tmp_path: Path) -> None:
    target = shop(tmp_path, views()[::2])
    for number in range(3):
        target.spool.append("orders", orders(("eve", at(5, 1), float(number))), NOW)
    assert recover([read_of(target)], target, now=NOW, stopping=lambda: True) == 0
    assert not apply_again(read_of(target), 9, target, now=NOW, stopping=lambda: True)
    assert flush(target.spool, target.store, stopping=lambda: True) == 0
    assert len(list(target.spool.unapplied_pushes())) == 3
    moment: datetime = NOW
    assert flush(target.spool, target.store, leaving=lambda _, __: False) == 3
    assert recover([read_of(target)], target, now=moment) == 3
    assert target.spool.sources() == {"orders": 3}
    assert flush(target.spool, target.store) == 0
    assert target.spool.sources() == {}
