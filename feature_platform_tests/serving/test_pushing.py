"""Pushing: taken whole or not at all, online at once, and the same in the offline store, whatever dies on the way."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.ground.errors import (
    NotServed,
    OnlineConflict,
    OnlineStoreFailed,
    PushRefused,
    TableNotFound,
    TransformFailed,
)
from feature_platform.online import Lmdb
from feature_platform.serving import online_features
from feature_platform.serving.applying import Target, recover
from feature_platform.serving.publication import publish
from feature_platform.serving.pushing import push, write_features
from feature_platform_tests.racing import await_ready, start_together
from feature_platform_tests.serving import pushing_writer
from feature_platform_tests.serving.pushing_shop import (
    EVE,
    NOW,
    Shop,
    again,
    exact_over,
    exact_windows,
    last_orders,
    shop_of,
)
from feature_platform_tests.shop import at, customer, daily, last_order, orders, same, source, spending

pytestmark = pytest.mark.usefixtures("unrecorded")


def test_every_kind_of_view_has_pushed_rows_when_it_should(tmp_path: Path) -> None:
    read = source(daily(5))
    row = last_order(read)
    windowed, exact = spending(read), exact_over(read)
    shop = Shop(tmp_path, row, again(row), exact)
    fp.materialize(windowed, shop.target.store)
    publish(windowed, shop.target.store, shop.target.online, now=NOW)
    shop = Shop(tmp_path, row, again(row), exact, windowed)
    before = shop.online(windowed, ["ann", "eve"])

    assert shop.push(EVE) == ["last_order", "again", "exact"]
    who = ["ann", "bob", "eve", None]
    assert shop.online(row, who) == [(99.0,), (5.0,), (1.0,), (None,)]
    assert shop.online(shop.target.views[1], who) == [(198.0,), (10.0,), (2.0,), (None,)]
    assert shop.online(exact, who) == [(119.0, 2), (9.0, 1), (1.0, 1), (None, None)]
    assert shop.online(windowed, ["ann", "eve"]) == before

    for step in (shop.publish, shop.flush, shop.publish, shop.run, shop.publish):
        step()
        assert shop.online(row, who) == [(99.0,), (5.0,), (1.0,), (None,)]
        assert shop.online(exact, who) == [(119.0, 2), (9.0, 1), (1.0, 1), (None, None)]
    later = at(6, 1)
    shop.publish(later)
    assert shop.online(windowed, ["ann", "eve"], later) == [(109.0, 2), (1.0, 1)]
    for views in ([row, windowed], [shop.target.views[1], exact]):
        shop.agree(who, later, views)


def test_a_view_that_was_never_published_has_the_pushes_when_it_is(tmp_path: Path) -> None:
    read = source(daily(5))
    shop = Shop(tmp_path, last_order(read), exact_over(read), published=False)
    assert shop.push(EVE) == []
    shop.flush()
    shop.publish()
    assert shop.online(shop.target.views[0], ["eve"]) == [(1.0,)]
    assert shop.online(shop.target.views[1], ["eve", "ann"]) == [(1.0, 1), (119.0, 2)]


def test_where_to_says_what_is_kept(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, last_orders)
    view = shop.target.views[0]
    assert shop.push(orders(("eve", at(5, 1), 1.0)), to="online") == ["last_order"]
    assert shop.target.spool.sources() == {}
    assert shop.push(orders(("bob", at(5, 1), 2.0)), to="offline") == ()
    assert shop.online(view, ["eve", "bob"]) == [(1.0,), (5.0,)]
    assert list(shop.target.spool.unapplied_pushes()) == []
    shop.flush()
    shop.run()
    shop.publish()
    assert shop.online(view, ["eve", "bob"]) == [(1.0,), (2.0,)]
    assert shop.target.store.read("sources/orders").filter(customer="eve").collect().is_empty()


def test_a_row_that_is_online_only_gives_way_when_the_table_has_one_as_new(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, last_orders)
    view = shop.target.views[0]
    for _ in range(2):  # at the same moment, as with a clock that stands still
        shop.push(orders(("bob", at(5, 1), 1.0)), to="online")
    newer = last_order(source(pl.concat([daily(5), orders(("bob", at(5, 1), 3.0))])))
    fp.materialize(newer, shop.target.store)
    publish(newer, shop.target.store, shop.target.online, now=NOW)
    assert shop.online(view, ["bob"]) == [(3.0,)]


def test_two_pushes_at_one_moment_both_count(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, exact_windows)
    for to in ("online", "online", "online_and_offline", "online_and_offline"):
        shop.push(orders(("eve", at(5, 1), 1.0)), to=to)
    assert shop.online(shop.target.views[0], ["eve"]) == [(4.0, 4)]


def test_an_event_that_the_table_has_already_counts_twice_only_until_the_next_run(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, exact_windows)
    shop.push(orders(("ann", at(4, 12), 10.0)))
    assert shop.online(shop.target.views[0], ["ann"]) == [(30.0, 2)]
    shop.flush()
    shop.run()
    shop.publish()
    assert shop.online(shop.target.views[0], ["ann"]) == [(20.0, 1)]


def test_keys_of_several_columns_are_found(tmp_path: Path) -> None:
    seat = fp.Entity("seat", join_keys=["customer", "city"])
    rows = daily(3).with_columns(city=pl.lit(1, pl.Int32))
    view = fp.feature_view(entity=seat, source=source(rows), name="seats")(same)
    shop = Shop(tmp_path, view)
    pushed = pl.DataFrame({"customer": ["ann", "ann"], "city": [2, None], "at": [at(5, 1)] * 2, "amount": [7.0, 8.0]})
    shop.push(pushed)
    asked = pl.DataFrame({"customer": ["ann"] * 3, "city": [1, 2, None]})
    assert online_features(view, asked, shop.target.online, NOW)["amount"].to_list() == [10.0, 7.0, None]


def test_a_row_is_known_when_it_arrived(tmp_path: Path) -> None:
    rows = daily(3).with_columns(known=pl.col("at"))
    view = fp.feature_view(entity=customer, source=source(rows, known_at="known"), name="row")(same)
    exact = exact_over(view.inputs[0])
    shop = Shop(tmp_path, view, exact)
    shop.push(orders(("eve", at(2, 1), 1.0)), now=at(2, 20))
    for now, seen in ((at(2, 19), None), (at(2, 20), 1.0)):
        assert shop.online(view, ["eve"], now) == [(seen,)]
    shop.flush()
    shop.run()
    for now, count in ((at(2, 19), 0), (at(2, 20), 1)):
        asked = pl.DataFrame({"customer": ["eve"], "event_timestamp": [now]})
        assert fp.historical_features(exact, asked, shop.target.store).collect()["count_1d"].to_list() == [count]
        assert shop.online(exact, ["eve"], now)[0][1] == count


def test_an_older_row_does_not_take_the_place_of_a_newer_one(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, last_orders)
    shop.push(orders(("ann", at(5, 1), 99.0)))
    shop.push(orders(("ann", at(4, 1), 1.0)))
    assert shop.online(shop.target.views[0], ["ann"]) == [(99.0,)]


def test_of_equal_times_the_row_that_arrived_last_stays_also_when_it_is_applied_first(tmp_path: Path) -> None:
    row = last_order(source(daily(5)))
    last = fp.feature_view(
        entity=customer,
        source=row.source,
        aggregations=[fp.Last("amount", windows=["1d"])],
        accuracy="exact",
        name="last",
    )(same)
    shop = Shop(tmp_path, row, last)
    slow = shop.target.spool.append("orders", orders(("eve", at(5, 1), 1.0)), NOW)
    shop.push(orders(("eve", at(5, 1), 2.0)))
    assert recover([shop.source], shop.target, now=NOW) == 1
    assert slow.sequence == 0
    assert [shop.online(view, ["eve"]) for view in shop.target.views] == [[(2.0,)], [(2.0,)]]
    shop.flush()
    shop.run()
    shop.publish()
    shop.agree(["eve"])


# ---------------------------------------------------------------- refused


def test_what_does_not_fit_is_refused_and_nothing_is_taken(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, last_orders)
    positive = fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0)
    read = source(daily(5), expectations=[positive])
    for rows, named in (
        (orders(("eve", None, 1.0)), "`at` is null"),
        (orders(("eve", at(5, 1), 1.0)).with_columns(amount=pl.lit("x")), "`amount`"),
        (orders(("eve", at(5, 1), 1.0)).drop("amount"), "`amount`"),
        (orders(("eve", at(5, 1), 1.0)).with_columns(more=1), "`more`"),
        (orders(("bob", at(5, 1), 1.0), ("eve", at(5, 1), -1.0)), "row 1"),
        (orders(), "no rows"),
    ):
        for to in ("online", "offline", "online_and_offline"):
            with pytest.raises(PushRefused, match=named):
                push(read, rows, shop.target, now=NOW, to=to)
    assert shop.target.spool.last() == -1
    assert shop.online(shop.target.views[0], ["eve", "bob"]) == [(None,), (5.0,)]


def test_rows_that_a_function_cannot_take_are_refused_before_any_view_has_them(tmp_path: Path) -> None:
    read = source(daily(5))
    picky = fp.feature_view(entity=customer, source=read, name="picky")(
        lambda rows: rows.with_columns(pl.col("amount").cast(pl.Int64, strict=True).alias("whole"))
    )
    shop = Shop(tmp_path, last_order(read), picky)
    for to in ("online", "online_and_offline"):
        with pytest.raises(TransformFailed, match="picky"):
            shop.push(orders(("eve", at(5, 1), float("nan"))), to=to)
    assert shop.target.spool.last() == -1
    assert shop.online(shop.target.views[0], ["eve"]) == [(None,)]


def test_a_source_without_a_table_takes_no_pushes(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, last_orders)
    other = fp.Source("others", fp.sources.Frame(daily(1)), event_time="at")
    with pytest.raises(TableNotFound):
        push(other, EVE, shop.target, now=NOW)


def test_feature_rows_are_for_served_row_views_only(tmp_path: Path) -> None:
    read = source(daily(5))
    shop = Shop(tmp_path, last_order(read), exact_over(read), published=False)
    row, exact = shop.target.views
    rows = orders(("eve", at(5, 1), 4.0)).rename({"amount": "last_amount"})
    with pytest.raises(NotServed):
        write_features(row, rows, shop.target, now=NOW)
    shop.publish()
    with pytest.raises(PushRefused, match="Push events to its source"):
        write_features(exact, rows, shop.target, now=NOW)
    write_features(row, rows, shop.target, now=NOW)
    assert shop.online(row, ["eve"]) == [(4.0,)]
    assert shop.target.spool.last() == -1


# ---------------------------------------------------------------- what is under way elsewhere


def test_a_view_that_is_declared_anew_waits_for_its_publication(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, last_orders)
    renamed = fp.feature_view(entity=customer, source=shop.source, name="last_order")(same)
    new = Target([renamed], shop.target.spool, shop.target.store, shop.target.online)
    assert push(shop.source, EVE, new, now=NOW) == []
    assert shop.online(shop.target.views[0], ["eve"]) == [(None,)]


class Overtaken(Lmdb):
    """A store where, while a push is under way, all of it is flushed, run and published by others."""

    def write(self, *args: Any, **words: Any) -> None:
        while meanwhile:
            meanwhile.pop()()
        super().write(*args, **words)


meanwhile: list[Callable[[], object]] = []


def test_a_push_that_was_published_by_others_while_it_was_applied_counts_once(tmp_path: Path) -> None:
    read = source(daily(5))
    shop = Shop(tmp_path, last_order(read), exact_over(read))
    spool, store = shop.target.spool, shop.target.store
    slow = Target(shop.target.views, spool, store, Overtaken(shop.target.online.location, map_size=2**24))
    meanwhile[:] = [shop.publish, shop.run, shop.flush, lambda: recover([read], shop.target, now=NOW)]
    assert push(read, EVE, slow, now=NOW) == ["last_order", "exact"]
    assert shop.online(shop.target.views[1], ["ann", "eve"]) == [(119.0, 2), (1.0, 1)]
    shop.agree(["ann", "eve"])


class Refusing(Lmdb):
    """A store that takes no writes."""

    def write(self, *args: Any, **words: Any) -> None:
        raise OnlineStoreFailed("write pushed rows", "/", "no space")


def test_rows_that_are_taken_are_not_asked_for_again_when_the_online_store_refuses(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, exact_windows)
    full = Target(shop.target.views, shop.target.spool, shop.target.store, Refusing(tmp_path / "online"))
    with pytest.raises(OnlineStoreFailed):
        push(shop.source, EVE, full, now=NOW, to="online")
    assert shop.target.spool.last() == -1
    assert push(shop.source, EVE, full, now=NOW) == []
    with pytest.raises(OnlineStoreFailed):
        recover([shop.source], full, now=NOW)
    assert shop.flush() == EVE.height
    assert len(list(shop.target.spool.unapplied_pushes())) == 1
    assert recover([shop.source], shop.target, now=NOW) == 1
    assert shop.online(shop.target.views[0], ["eve"]) == [(1.0, 1)]


def test_a_generation_that_came_meanwhile_is_told(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, last_orders)
    with pytest.raises(OnlineConflict):
        shop.target.online.write("last_order", {b"k": b"e"}, lambda _, new: new, b"t", generation=99)


# ---------------------------------------------------------------- killed, and at once


def run(task: str, root: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", pushing_writer.__name__, task, str(root)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def prepared(root: Path) -> Shop:
    return shop_of(root, pushing_writer.views)


@pytest.mark.parametrize("moment", pushing_writer.KILLS)
def test_a_push_that_is_killed_anywhere_is_there_once(tmp_path: Path, moment: str) -> None:
    shop = prepared(tmp_path)
    with run(moment, tmp_path) as process:
        out, _ = process.communicate(timeout=300)
    assert (process.returncode, out) == (-9, "")

    for step in (lambda: recover([shop.source], shop.target, now=NOW), shop.flush, shop.flush):
        step()
        assert shop.online(shop.target.views[0], ["ann", "eve"]) == [(99.0,), (1.0,)]
        assert shop.online(shop.target.views[1], ["ann", "eve"]) == [(119.0, 3), (2.0, 2)]
    assert shop.target.spool.sources() == {}
    shop.run()
    shop.publish()
    shop.agree(["ann", "eve", "bob"])
    rows = shop.target.store.read("sources/orders").filter(pl.col("at") == at(5, 1)).collect()
    assert_frame_equal(rows.sort("customer"), pushing_writer.PUSHED.sort("customer"))


def test_two_processes_push_at_once(tmp_path: Path) -> None:
    shop = prepared(tmp_path)
    with run("race", tmp_path) as one, run("race", tmp_path) as two:
        await_ready((one, two))
        start_together((one, two))
        for each in (one, two):
            each.communicate(timeout=300)
    assert (one.returncode, two.returncode) == (0, 0)
    shop.flush()
    pushes, total = 2 * pushing_writer.RACE, 2.0 * sum(range(pushing_writer.RACE))
    assert shop.online(shop.target.views[1], ["eve"]) == [(total, pushes)]
    shop.run()
    shop.publish()
    assert shop.online(shop.target.views[1], ["eve"]) == [(total, pushes)]
    shop.agree(["eve"])
