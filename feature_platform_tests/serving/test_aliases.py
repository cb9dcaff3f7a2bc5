"""One view found by other columns: offline and online it says what the view says of a spine with renamed columns."""

from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.keys.join_keys import shared_types
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.project import Project, asset_upstream, order_declarations
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import DuplicateName, InvalidDeclaration, MissingColumns, UnknownName
from feature_platform.verification.consistency import check_consistency
from feature_platform_tests.shop import at, same

UTC = pl.Datetime("us", "UTC")
AIRPORTS = ["EWR", "JFK", "LGA"]
TURNED = {"origin": "dest", "dest": "origin"}
ROWS = pl.DataFrame(
    [
        (origin, dest, at(0, hour), hour * 1.5 + number)
        for hour, (number, (origin, dest)) in enumerate(enumerate(list(product(AIRPORTS, AIRPORTS)) * 3))
    ],
    schema={"origin": pl.String, "dest": pl.String, "at": UTC, "wind": pl.Float64},
    orient="row",
)
SPINE = pl.DataFrame(
    [(o, d, at(0, h)) for o, d in product([*AIRPORTS, "XXX", None], AIRPORTS) for h in (0, 3, 7, 13, 30)],
    schema={"origin": pl.String, "dest": pl.String, "event_timestamp": UTC},
    orient="row",
)


def view(kind: str) -> FeatureView:
    airport, pair = (fp.Entity(name, keys) for name, keys in (("airport", ["origin"]), ("pair", ["origin", "dest"])))
    declared: dict[str, Any] = {"source": fp.Source("weather", fp.sources.Frame(ROWS), event_time="at"), "name": "now"}
    if kind in ("row", "pair"):
        keys = ["origin"] if kind == "row" else ["origin", "dest"]
        declare = fp.feature_view(entity=airport if kind == "row" else pair, ttl="9h", **declared)
        return declare(lambda rows: rows.select(*keys, "at", "wind", to=pl.col("dest")))
    words = {"cadence": fp.Cadence(every="6h")} if kind == "snapshot" else {"accuracy": "exact"}
    sums = [fp.Sum("wind", windows=["6h"]), fp.Last("dest", windows=["9h"]), fp.CountDistinct("dest", windows=["9h"])]
    return fp.feature_view(entity=airport, aggregations=sums, **declared, **words)(same)


KINDS = ["row", "snapshot", "exact", "pair"]


def alias_of(read: FeatureView, kind: str) -> FeatureView:
    return read.alias("there", keys=TURNED if kind == "pair" else {"origin": "dest"})


@pytest.mark.parametrize("kind", KINDS)
def test_an_alias_is_the_view_on_a_spine_with_renamed_columns(tmp_path: Path, kind: str) -> None:
    read = view(kind)
    there, now = alias_of(read, kind), at(0, 30)
    store, online = fp.OfflineStore(tmp_path), fp.online.Lmdb(tmp_path / "online")
    fp.materialize(read, store)
    service = fp.FeatureService("pairs", [read, there])
    (published,) = fp.publish(service, store, online, now=now)
    assert (published.table.view, online.views()) == ("now", ["now"])

    found = fp.historical_features(service, SPINE, store).collect()
    own = fp.historical_features(read, SPINE, store).collect().drop(SPINE.columns)
    turned = fp.historical_features(read, SPINE.rename(TURNED), store).collect().drop(SPINE.columns)
    expected = pl.concat([SPINE, own, turned.rename(lambda name: f"there__{name}")], how="horizontal")
    assert_frame_equal(found, expected)
    asked = SPINE.filter(event_timestamp=now).drop("event_timestamp")
    served = fp.online_features(service, asked, online, now)
    wanted = expected.filter(event_timestamp=now).drop("event_timestamp")
    assert_frame_equal(served.select(wanted.columns), wanted)
    told = fp.testing.values_at(there, {"weather": ROWS}, SPINE).collect()
    by_view = fp.testing.values_at(read, {"weather": ROWS}, SPINE.rename(TURNED)).collect().drop(SPINE.columns)
    assert_frame_equal(told.drop(SPINE.columns), by_view.rename(lambda name: f"there__{name}"))


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_both_are_drawn_when_the_stores_are_compared_and_nothing_differs(tmp_path: Path, kind: str) -> None:
    read = view(kind)
    service = fp.FeatureService("pairs", [read, alias_of(read, kind)])
    store, online = fp.OfflineStore(tmp_path), fp.online.Lmdb(tmp_path / "online")
    fp.materialize(read, store)
    fp.publish(service, store, online, now=at(0, 30))
    report = check_consistency(service, store, online, now=at(0, 31))
    assert report.differences == 0
    assert report.entities > 3


@pytest.mark.parametrize("kind", ["row", "exact"])
def test_a_pushed_row_of_the_view_is_seen_by_its_alias_at_once(tmp_path: Path, kind: str) -> None:
    read = view(kind)
    there, now = alias_of(read, kind), at(0, 30)
    store, online = fp.OfflineStore(tmp_path), fp.online.Lmdb(tmp_path / "online")
    fp.materialize(read, store)
    fp.publish(there, store, online, now=now)
    target = fp.Target([read, there], fp.Spool(tmp_path / "spool"), store, online)
    fresh = pl.DataFrame({"origin": ["LGA"], "dest": ["NEW"], "at": [at(0, 29)], "wind": [99.0]})
    assert isinstance(read.source, fp.Source)
    assert fp.push(read.source, fresh, target, now=now) == ["now"]
    found = fp.online_features(there, {"dest": ["LGA", "EWR"]}, online, now)
    feature = "there__wind" if kind == "row" else "there__dest_last_9h"
    assert found[feature].to_list() == [99.0 if kind == "row" else "NEW", None]


def test_a_pushed_row_counts_in_windows_that_read_the_join_key(tmp_path: Path) -> None:
    """They failed online (2026-11-30): tiles did not hold join keys."""
    weather = fp.Source("weather", fp.sources.Frame(ROWS), event_time="at")
    sums = [fp.Sum("wind", windows=["9h"], where=pl.col("origin") != "JFK"), fp.CountDistinct("origin", windows=["9h"])]
    airport = fp.Entity("airport", ["origin"])
    read = fp.feature_view(entity=airport, source=weather, aggregations=sums, accuracy="exact", name="now")(same)
    store, online, now = fp.OfflineStore(tmp_path), fp.online.Lmdb(tmp_path / "online"), at(0, 40)
    fp.materialize(read, store)
    fp.publish(read, store, online, now=now)
    target = fp.Target([read], fp.Spool(tmp_path / "spool"), store, online)
    for names in (["LGA"], ["JFK", "LGA"]):
        rows = {"origin": names, "dest": names, "at": [at(0, 39)] * len(names), "wind": [99.0] * len(names)}
        fp.push(weather, pl.DataFrame(rows), target, now=now)
    found = fp.online_features(read, {"origin": ["LGA", "JFK", "EWR"]}, online, now)
    assert found.select("wind_sum_9h", "origin_count_distinct_9h").rows() == [(198.0, 1), (0.0, 1), (0.0, 0)]


def test_on_demand_features_read_an_alias_by_its_name(tmp_path: Path) -> None:
    here = view("snapshot")
    there = here.alias("there", keys={"origin": "dest"})

    @fp.on_demand(inputs=[here, there])
    def gap(row: fp.Row) -> dict[str, pl.Expr]:
        return {"wind_gap": row["now.wind_sum_6h"] - row["there.wind_sum_6h"]}

    store = fp.OfflineStore(tmp_path)
    fp.materialize(here, store)
    found = fp.historical_features(gap, SPINE, store).collect()
    both = fp.historical_features([here, there], SPINE, store).collect()
    assert_frame_equal(found.select(gap=both["wind_sum_6h"] - both["there__wind_sum_6h"]), found.select(gap="wind_gap"))
    told = fp.testing.values_at(gap, {"weather": ROWS}, SPINE).filter(event_timestamp=at(0, 13)).collect()
    assert_frame_equal(told, found.filter(event_timestamp=at(0, 13)))


def test_an_alias_makes_no_table_and_no_asset_and_changes_the_code_of_a_training_set() -> None:
    now = view("row")
    there = now.alias("there", keys={"origin": "dest"})
    service = fp.FeatureService("pairs", [now["wind"], there["wind"]])
    project = Project("p", fp.Partitions(), order_declarations([service]))
    assert [each.asset for each in project.assets] == ["sources/weather", "views/now"]
    assert (there.asset, service.stored_views) == (now.asset, (now,))
    spine = fp.Source("flights", fp.sources.Frame(SPINE), event_time="event_timestamp")
    sets = [
        fp.TrainingSet("t", service=fp.FeatureService("s", [each]), spine=spine)
        for each in (now["wind"], there["wind"], now.alias("back", keys={"origin": "dest"})["wind"])
    ]
    assert len({code_version(each) for each in sets}) == 3
    assert [each.asset for each in asset_upstream(sets[1])] == ["views/now", "sources/flights"]


def test_mistakes_are_said_when_they_are_made(tmp_path: Path) -> None:
    now, pair = view("row"), view("pair")
    with pytest.raises(UnknownName, match="no join key `airport`"):
        now.alias("there", keys={"airport": "dest"})
    with pytest.raises(InvalidDeclaration, match="two join keys by one column: dest, dest"):
        pair.alias("there", keys={"origin": "dest"})
    for keys in ({}, ["dest"], {"origin": ""}, {"origin": 1}):
        with pytest.raises(InvalidDeclaration, match="alias `there` of feature view `now`"):
            now.alias("there", keys=keys)  # type: ignore[arg-type]
    with pytest.raises(DuplicateName, match="`now`"):
        fp.FeatureService("s", [now, now.alias("now", keys={"origin": "dest"})])
    store = fp.OfflineStore(tmp_path)
    fp.materialize(now, store)
    with pytest.raises(MissingColumns, match="`dest`"):
        fp.historical_features(now.alias("there", keys={"origin": "dest"}), SPINE.drop("dest"), store)


def test_key_types_are_compared_by_the_names_of_each_side() -> None:
    types = shared_types(
        pl.Schema({"dest": pl.Int32()}), pl.Schema({"origin": pl.Int64()}), ["dest"], "x", {"dest": "origin"}
    )
    assert types == {"dest": pl.Int64()}


def test_a_feature_may_be_called_as_the_column_that_an_alias_is_found_by(tmp_path: Path) -> None:
    """Its own name stands behind that of the alias."""
    weather = fp.Source("weather", fp.sources.Frame(ROWS), event_time="at")
    read = fp.feature_view(entity=fp.Entity("airport", ["origin"]), source=weather, name="now")(same)
    there, store = read.alias("there", keys={"origin": "dest"}), fp.OfflineStore(tmp_path)
    fp.materialize(read, store)
    found = fp.historical_features(there["dest"], SPINE.filter(event_timestamp=at(0, 30)), store).collect()
    assert set(found["there__dest"]) == {"LGA"}
    with pytest.raises(InvalidDeclaration, match="`origin`, a join key"):
        _ = there["origin"]


def test_an_alias_of_an_alias_is_one_of_the_view() -> None:
    now = view("row")
    again = now.alias("there", keys={"origin": "dest"}).alias("via", keys={"origin": "stop"})
    assert (again.original, again.join_keys, again.name) == (now, ("stop",), "via")
