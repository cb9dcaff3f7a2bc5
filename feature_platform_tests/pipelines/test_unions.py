"""The law of unions: what is made of one is what is made of one source that holds the same rows by hand."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.label import Label
from feature_platform.declarations.view import FeatureView
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.clock import moment_of
from feature_platform.pipelines.materialization import lateness_of, materialize_asset
from feature_platform.pipelines.plan import stale_assets
from feature_platform.training.coverage import coverage_of
from feature_platform_tests.effort import stories
from feature_platform_tests.shop import at, customer, hashes
from feature_platform_tests.union_shop import (
    GRID,
    NAMES,
    Held,
    Row,
    by_hand,
    labels_of,
    spines_of,
    union_of,
    view_of,
    views_of,
)

pytestmark = pytest.mark.usefixtures("unrecorded")

UTC = pl.Datetime("us", "UTC")
AMOUNTS: list[float | None] = [1.0, 2.0, 3.0, None, float("nan"), float("inf")]
ROW = st.builds(
    lambda who, quarter, late, amount: (who, at(quarter / 4), at(quarter / 4 + late), amount),
    st.sampled_from(["ann", "ann", "bob", None]),
    st.integers(0, 23),
    st.sampled_from([0, 0, 0.25, 2]),
    st.sampled_from(AMOUNTS),
)
ENDS: list[Row] = [("eve", at(), at(), 1.0), ("eve", at(5, 18), at(5, 18), 1.0)]  # no partition comes or goes
SPINE = pl.DataFrame(
    [(who, at(quarter / 4, minutes)) for who in ("ann", "bob", "ivy") for quarter in range(24) for minutes in (0, 1)],
    schema={"customer": pl.String, "event_timestamp": UTC},
    orient="row",
)


def values(read: fp.Source | fp.Union, store: fp.OfflineStore) -> dict[str, Any]:
    """What views of each kind say, and the content of their tables."""
    views = views_of(read)
    made = [views[name] for name in ("row", "again", "snapshot")]
    for each in made[1:]:
        fp.materialize(each, store, at(), at(6), partitions=GRID, gone="taken", changed="taken")
    service = fp.FeatureService("all", list(views.values()), full_names=True)
    found: dict[str, Any] = {each.name: hashes(store, each.asset) for each in made}
    return found | {"values": fp.historical_features(service, SPINE, store, stale="refuse").collect()}


def assert_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name, value in one.items():
        if isinstance(value, pl.DataFrame):
            assert_frame_equal(value, other[name], check_exact=True)
        else:
            assert value == other[name], name


@pytest.mark.parametrize("known", [False, True])
@stories(6)
@given(
    data=st.data(),
    names=st.sampled_from([("web", "shop"), ("shop", "web"), NAMES]),
)
def test_a_union_is_one_source_of_the_same_rows_also_after_a_change(known, data, names) -> None:
    held: Held = {name: [*ENDS, *data.draw(st.lists(ROW, min_size=2, max_size=7))] for name in names}
    with TemporaryDirectory() as folder:
        stores = [fp.OfflineStore(Path(folder, name)) for name in ("union", "hand", "fresh")]
        assert_alike(values(union_of(held, known=known), stores[0]), values(by_hand(held, known=known), stores[1]))
        changed = data.draw(st.sampled_from(names))
        rows = list(held[changed])
        if data.draw(st.booleans()):
            rows.pop(data.draw(st.integers(2, len(rows) - 1)))
        later: Held = {**held, changed: [*rows, *data.draw(st.lists(ROW, min_size=1, max_size=2))]}
        union = union_of(later, known=known)
        after = values(union, stores[0])
        assert_alike(after, values(union, stores[2]))
        assert_alike(after, values(by_hand(later, known=known), stores[1]))
        tables = [view for view in views_of(union).values() if view.kind is not ViewKind.EXACT]
        project = fp.Project("shop", GRID, (*union.members, *tables))
        assert stale_assets(project, stores[0]) == []
    event(f"ties: {_has_ties(later)}")


def _has_ties(held: Held) -> bool:
    """Tell whether members have rows of one key and one time: what the order of members decides."""
    times = [(name, *row[:2]) for name, rows in held.items() for row in rows if row[0] is not None]
    return max(Counter(each[1:] for each in set(times)).values()) > 1


def draw_rows(seed: int, count: int = 20) -> list[Row]:
    chance = Random(seed)
    rows = [
        (chance.choice(["ann", "bob", None]), at(chance.randrange(0, 24, 3) / 4), chance.choice([0, 0.25, 2]))
        for _ in range(count)
    ]
    return [*ENDS, *((who, when, when + timedelta(days=late), chance.choice(AMOUNTS)) for who, when, late in rows)]


HELD: Held = {name: draw_rows(number) for number, name in enumerate(NAMES)}


def others(read: fp.Source | fp.Union, store: fp.OfflineStore) -> dict[str, Any]:
    """Spines and labels, a training set of them, and what is served."""
    views, labels, spines = views_of(read), labels_of(read), spines_of(read)
    tables: list[FeatureView | Label | fp.Spine] = [views["row"], views["snapshot"], labels["rows"], *spines.values()]
    for each in tables:
        fp.materialize(each, store, at(), at(6), partitions=GRID)
    found: dict[str, Any] = {name: store.read(each.asset).collect().sort(pl.all()) for name, each in spines.items()}
    found["rows"] = hashes(store, labels["rows"].asset)
    chosen = fp.FeatureService("all", [*served_views(views), enriched(read, store)], full_names=True)
    training = fp.TrainingSet("training", service=chosen, spine=spines["every"], labels=[labels["ahead"]])
    built = fp.build_training_set(training, store, stale="refuse")
    found["training"] = built.rows.collect()
    assert fp.reproduce_training_set(training, store).is_identical
    online = fp.online.Lmdb(Path(store.root, "online"), map_size=2**24)
    fp.publish(chosen, store, online, now=at(6))
    asked = SPINE.select("customer").unique(maintain_order=True)
    served = fp.online_features(chosen, asked, online, now=at(6))
    stored = fp.historical_features(chosen, asked.with_columns(event_timestamp=pl.lit(at(6), UTC)), store).collect()
    names = [name for name in stored.columns if "__" in name]
    assert_frame_equal(served.select(names), stored.select(names))
    return found | {"served": served.select(names)}


def served_views(views: dict[str, FeatureView]) -> list[FeatureView]:
    return [views["row"], views["snapshot"], views["exact"].alias("same", keys={"customer": "customer"})]


def enriched(read: fp.Source | fp.Union, store: fp.OfflineStore) -> FeatureView:
    """A view whose events get a column of another table."""
    rows = {"customer": ["ann", "bob", "ann"], "since": [at(), at(1), at(2)], "segment": ["old", "new", "new"]}
    profile = fp.Source("profile", fp.sources.Frame(pl.DataFrame(rows)), entity=customer, event_time="since")
    aggregations = [fp.Sum("amount", windows=["2d"], by="segment", categories=["old", "new"])]
    view = view_of(read, "by_segment", enrich=[profile["segment"]], aggregations=aggregations)
    fp.materialize(view, store, at(), at(6), partitions=GRID)
    return view


@pytest.mark.parametrize("words", [{"event_time": None}, {"partitioned": False, "known": True}])
def test_tables_without_partitions_are_united_too(words: dict[str, Any], tmp_path: Path) -> None:
    found = []
    for name, make in (("union", union_of), ("hand", by_hand)):
        store = fp.OfflineStore(tmp_path / name)
        row = view_of(make(HELD, **words), "row")
        again = view_of(row, "again")
        fp.materialize(again, store)
        online = fp.online.Lmdb(tmp_path / f"{name} online", map_size=2**22)
        fp.publish(again, store, online, now=at(6))
        served = fp.online_features(again, SPINE.select("customer").unique(maintain_order=True), online, now=at(6))
        content = {"row": hashes(store, row.asset), "again": hashes(store, again.asset)}
        found.append({**content, "served": served.select("amount", "channel")})
    assert_alike(*found)


def test_rows_of_every_member_may_be_as_late_as_what_reads_the_union_says() -> None:
    union = union_of(HELD)
    view = view_of(union, "late", aggregations=[fp.Count(windows=["1d"])], cadence=fp.Cadence(lateness="2d"))
    for member in union.members:
        assert lateness_of(member, [view]) == 2 * 86_400_000_000
        assert lateness_of(member, [labels_of(union)["ahead"]]) == 6 * 3_600_000_000


def test_a_run_of_one_day_takes_in_the_days_that_windows_reach_of_every_member(tmp_path: Path) -> None:
    held = {name: draw_rows(1) for name in ("web", "shop")}
    found = []
    for folder, read in (("union", union_of(held)), ("hand", by_hand(held))):
        store, view = fp.OfflineStore(tmp_path / folder), views_of(read)["snapshot"]
        fp.materialize(view, store, at(3), at(4), partitions=GRID)
        found.append(hashes(store, view.asset))
    assert found[0] == found[1]
    assert len(found[0]) == 1


@pytest.mark.parametrize("ends", [(6, 4), (4, 6)])
def test_labels_are_final_and_spines_have_instants_as_far_as_all_members_go(ends: tuple[int, int], tmp_path) -> None:
    store, union = fp.OfflineStore(tmp_path), union_of({name: draw_rows(1) for name in ("web", "shop")})
    for member, end, start in zip(union.members, ends, (0, 1), strict=True):
        fp.materialize(member, store, at(start), at(end), partitions=GRID)
    spine = spines_of(union)["every"]
    materialize_asset(spine, store, None, GRID)
    assert store.read(spine.asset).select(pl.col("event_timestamp").max()).collect().item() == at(4)
    label = labels_of(union)["ahead"]
    versions = {name: store.latest_version(name) for name in label.tables_read}
    found = coverage_of(label, store, versions, None)
    assert [tuple(map(moment_of, stretch)) for stretch in found.stretches] == [(at(1), at(4))]
    assert found.table == "sources/web_orders@0 and sources/shop_orders@0"


@pytest.mark.parametrize("known", [True])
def test_spines_labels_and_what_is_served_are_those_of_one_source(known: bool, tmp_path: Path) -> None:
    stores = [fp.OfflineStore(tmp_path / name) for name in ("union", "hand")]
    one, other = others(union_of(HELD, known=known), stores[0]), others(by_hand(HELD, known=known), stores[1])
    assert [one[name].height > 3 for name in ("training", "pairs", "some")] == [True] * 3
    assert_alike(one, other)
