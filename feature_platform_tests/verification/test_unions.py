"""What is asked about values over a union: why they are, what they are made of, what is due, what is served."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform.pipelines.completeness import incomplete_tables
from feature_platform.pipelines.plan import stale_assets
from feature_platform.serving.catalogue import catalogue_of, online_state_of
from feature_platform_tests.shop import at
from feature_platform_tests.union_shop import GRID, Row, labels_of, spines_of, union_of, views_of

pytestmark = pytest.mark.usefixtures("unrecorded")

WEB: list[Row] = [("ann", at(1), at(1), 1.0), ("ann", at(2), at(2), 2.0), ("bob", at(3), at(3), 4.0)]
SHOP: list[Row] = [("ann", at(2), at(2), 8.0), ("bob", at(1), at(1), 16.0)]
NOW = at(3, 12)


@dataclass
class Shop:
    """Views over a union of two members, in both stores."""

    store: fp.OfflineStore
    online: fp.online.Lmdb
    union: fp.Union
    views: dict[str, FeatureView]

    @property
    def project(self) -> fp.Project:
        module = ModuleType("shop")
        vars(module).update(self.views, orders=self.union, grid=GRID, **spines_of(self.union), **labels_of(self.union))
        return fp.project_of(module)


def shop_in(folder: Path, *, web: list[Row]) -> Shop:
    union = union_of({"web": web, "shop": SHOP})
    store, online = fp.OfflineStore(folder), fp.online.Lmdb(folder / "online", map_size=2**22)
    shop = Shop(store, online, union, views_of(union))
    fp.materialize(union, store, at(), at(4), partitions=GRID, gone="taken")
    return shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = shop_in(tmp_path_factory.mktemp("shop"), web=WEB)
    for name in ("again", "snapshot"):
        fp.materialize(shop.views[name], shop.store, at(), at(4), partitions=GRID)
    for view in shop.views.values():
        fp.publish(view, shop.store, shop.online, now=NOW)
    return shop


@pytest.mark.parametrize(
    ("name", "feature", "value", "rows"),
    [
        ("row", "amount", 8.0, 1),
        ("again", "amount", 8.0, 1),
        ("snapshot", "amount_sum_2d", 11.0, 3),
        ("exact", "amount_sum_2d", 10.0, 2),
        ("exact", "channel_last_3_2d", ["web", "shop"], 2),
    ],
)
def test_why_names_the_rows_of_both_members_and_makes_the_value_again(
    shop: Shop, name: str, feature: str, value: object, rows: int
) -> None:
    found = fp.why(shop.views[name], feature, {"customer": "ann"}, NOW if name == "exact" else at(3), shop.store)
    assert (found.value, found.agrees is not False, found.rows.height) == (value, True, rows)
    if name != "again":
        assert "sources/web_orders@0 and sources/shop_orders@0" in str(found)
        assert found.rows["channel"].unique().sort().to_list() == (["shop"] if name == "row" else ["shop", "web"])


def test_a_column_comes_of_every_member_that_has_it(shop: Shop) -> None:
    def below(reference: str) -> str:
        return str(fp.lineage_tree(shop.project, reference, shop.store))

    amount = below("views/exact.amount_sum_2d")
    assert "sources/web_orders.amount" in amount
    assert "sources/shop_orders.amount" in amount
    till = below("views/snapshot.till_count_2d")
    assert "sources/shop_orders.till" in till
    assert "sources/web_orders.till" not in till
    for reference in ("labels/ahead.amount_sum_next_1d", "spines/every.customer"):
        assert "sources/web_orders" in below(reference)


@pytest.mark.parametrize("name", ["web", "shop"])
def test_a_change_of_one_member_makes_due_what_it_reaches(name: str, tmp_path: Path) -> None:
    changed = shop_in(tmp_path, web=WEB)
    row = changed.views["row"]
    fp.materialize(row, changed.store, at(), at(4), partitions=GRID)
    fp.publish(changed.views["exact"], changed.store, changed.online, now=NOW)
    before = changed.store.partition_states(row.asset)
    assert dict(before["2024-01-03"].inputs) == {"sources/web_orders": 0, "sources/shop_orders": 0}
    held = {"web": WEB, "shop": SHOP}
    later = union_of({**held, name: [*held[name], ("eve", at(2, 1), at(2, 1), 1.0)]})
    again = views_of(later)["row"]
    fp.materialize(later.sources[name], changed.store, at(), at(4), partitions=GRID)
    exact = views_of(later)["exact"]
    assert online_state_of(exact, changed.store, changed.online).behind == f"sources/{name}_orders changed"
    fp.publish(exact, changed.store, changed.online, now=NOW)
    assert online_state_of(exact, changed.store, changed.online).behind is None
    assert incomplete_tables(again, changed.store)[0].stale == {f"sources/{name}_orders changed": ("2024-01-03",)}
    project = fp.Project("shop", fp.Partitions(start=at(), end=at(4)), (*later.members, again))
    assert [dict(each.due_partitions) for each in stale_assets(project, changed.store)] == [
        {"2024-01-03": f"sources/{name}_orders changed"}
    ]
    fp.materialize(again, changed.store, at(3), at(4), partitions=GRID)
    versions = {key: state.version for key, state in changed.store.partition_states(again.asset).items()}
    assert versions["2024-01-03"] == max(filter(None, versions.values()))
    diff = fp.diff_versions(again, changed.store, 0)
    assert diff.added == 1


def test_what_is_published_is_listed_and_a_union_has_no_entry(shop: Shop) -> None:
    shown = {each.asset: each for each in catalogue_of(shop.project, shop.store, shop.online)}
    assert "union orders" not in shown
    assert {"sources/web_orders", "sources/shop_orders", "views/exact"} <= set(shown)
    online = shown["views/exact"].online
    assert online is not None
    assert online.behind is None


def test_made_up_rows_and_values_of_a_test_come_of_all_members(shop: Shop) -> None:
    frame = fp.testing.example_frame(shop.views["row"], 5)
    assert sorted(frame["channel"].unique()) == ["shop", "web"]
    sources = {each.name: shop.store.read(each.asset).collect() for each in shop.union.members}
    spine = pl.DataFrame({"customer": ["ann"], "event_timestamp": [at(3)]}, schema_overrides={"event_timestamp": UTC})
    told = fp.testing.values_at(shop.views["exact"], sources, spine).collect()
    wanted = fp.historical_features(shop.views["exact"], spine, shop.store).collect()
    assert told.rows() == wanted.rows()
