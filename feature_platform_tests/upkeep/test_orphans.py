"""What is kept of removed declarations is found, and dropped on command with all that belongs to it."""

from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.project import Project, project_of
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import InvalidDeclaration, NotServed, StillNeeded, UnknownName
from feature_platform.offline import CommitStamp
from feature_platform.offline.names import Location
from feature_platform.online import Lmdb
from feature_platform.pipelines.tables import known_tables
from feature_platform.upkeep.orphans import drop_orphans, find_orphans
from feature_platform_tests.assets import table_asset, training_set
from feature_platform_tests.shop import at, daily, last_order, source, spending, spine


def shop(*views: str, training: bool = False) -> Project:
    """A shop with some of its two views, and perhaps a training set of the last order."""
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(5))
    module.orders = source(daily())
    made = {"spending": spending, "last_order": last_order}
    for name in views:
        setattr(module, name, made[name](module.orders))
    if training:
        service = fp.FeatureService("v1", [module.last_order])
        module.training = fp.TrainingSet("buying", service=service, spine=spine(("ann", at(3))))
    return project_of(module)


@pytest.fixture
def online(tmp_path: Path) -> Lmdb:
    return Lmdb(tmp_path / "online")


@pytest.fixture
def store(store: fp.OfflineStore, online: Lmdb) -> fp.OfflineStore:
    """A store in which both views are materialized and served, and have tables beside their own."""
    project = shop("spending", "last_order", training=True)
    for name in ("views/spending", "views/last_order"):
        view = table_asset(project, name)
        assert isinstance(view, FeatureView)
        fp.materialize(view, store)
        fp.publish(view, store, online)
    fp.build_training_set(training_set(project), store)
    store.append(
        "quarantine/views/spending", pl.DataFrame({"row": ["x"]}), stamp=CommitStamp("r", "views/spending", "")
    )
    return store


def test_removed_views_are_found_with_all_that_is_kept_of_them(store: fp.OfflineStore, online: Lmdb) -> None:
    assert find_orphans(shop("spending", "last_order", training=True), store, online) == []
    [found] = find_orphans(shop("last_order", training=True), store, online)
    assert (found.name, found.rows, found.online, found.needed_by) == ("views/spending", 15, "spending", ())
    assert found.tables[-1] == "views/spending"
    assert {"quarantine/views/spending", "profiles/views/spending"} <= set(found.tables)


def test_an_object_store_that_cannot_be_listed_is_maintained_and_searched_by_the_register(
    store: fp.OfflineStore, online: Lmdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = store.tables()
    orphans = find_orphans(shop("last_order", training=True), store, online)
    monkeypatch.setattr(Location, "folder", None)  # as of an object store

    assert known_tables(store, ["v1"]) == listed
    assert find_orphans(shop("last_order", training=True), store, online) == orphans
    assert [each.table for each in fp.maintain_all(store)] == listed


def test_the_ledger_of_a_removed_source_goes_with_it(store: fp.OfflineStore, online: Lmdb) -> None:
    store.append("units/orders", pl.DataFrame({"unit": ["a"]}), stamp=CommitStamp("r", "sources/orders", ""))
    module: Any = ModuleType("shop")
    module.other = fp.Source("other", fp.sources.Frame(daily()), event_time="at")

    found = {each.name: each.tables for each in find_orphans(module, store, online)}

    assert "units/orders" in found["sources/orders"]


def test_a_dropped_view_leaves_nothing_behind_offline_or_online(store: fp.OfflineStore, online: Lmdb) -> None:
    project = shop("last_order", training=True)
    drop_orphans(["views/spending"], project, store, online)
    assert [table for table in store.tables() if "spending" in table] == []
    assert list(Path(store.root).rglob("*spending*")) == []
    assert list(online.views()) == ["last_order"]
    with online.reader() as reader, pytest.raises(NotServed):
        reader.get("spending", [])
    assert find_orphans(project, store, online) == []
    assert store.read("views/last_order").collect().height == 10


def test_what_a_training_set_was_built_from_is_dropped_with_it_only(store: fp.OfflineStore, online: Lmdb) -> None:
    project = shop("spending")
    reason = r"training_sets/buying \(built from version 0\) could not be built again. Nothing was dropped"
    with pytest.raises(StillNeeded, match=reason):
        drop_orphans(["views/last_order"], project, store, online)
    assert store.exists("views/last_order")
    done = drop_orphans(["views/last_order", "training_sets/buying"], project, store, online)
    assert {each.name for each in done} == {"views/last_order", "training_sets/buying"}
    assert not store.exists("views/last_order")


def test_what_is_declared_or_unknown_is_not_dropped(store: fp.OfflineStore, online: Lmdb) -> None:
    with pytest.raises(InvalidDeclaration, match="Remove its declaration first"):
        drop_orphans(["views/spending"], shop("spending"), store, online)
    with pytest.raises(UnknownName, match="no table of a removed declaration `views/none`"):
        drop_orphans(["views/none"], shop("spending"), store, online)
