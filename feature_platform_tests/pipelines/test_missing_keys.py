"""NaN as a join key counts as null: offline and online, in joins, windows, labels and pushes, alone and in a part."""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.keys.buckets import bucket_of
from feature_platform.compute.serving.keys import encode_keys, key_expr
from feature_platform.declarations.view import FeatureView
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.serving import online_features
from feature_platform.serving.applying import Target
from feature_platform.serving.publication import publish
from feature_platform.serving.pushing import push
from feature_platform_tests.compute.frame_joins import label_join
from feature_platform_tests.shop import at, same

NAN, NOW = float("nan"), at(3, 12)
CARDS = [NAN, 1.0, -0.0, 0.0, None, 7.0]
card = fp.Entity("card", join_keys=["card"])
both = fp.Entity("both", join_keys=["shop", "card"])


def paid(*rows: tuple[float | None, datetime, float]) -> pl.DataFrame:
    schema: dict[str, Any] = {"card": pl.Float64, "at": pl.Datetime("us", "UTC"), "amount": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(shop=pl.lit("a"))


ROWS = paid(
    (NAN, at(1), 10.0), (1.0, at(1), 1.0), (-0.0, at(1), 2.0), (0.0, at(2), 3.0), (None, at(1), 5.0), (NAN, at(2), 20.0)
)
LAST = {"x": [None, 1.0, 3.0, 3.0, None, None]}
SUMS = {"amount_sum_3d": [None, 1.0, 5.0, 5.0, None, 0.0], "count_3d": [None, 1, 2, 2, None, 0]}


def payments(rows: pl.DataFrame = ROWS) -> fp.Source:
    return fp.Source("payments", fp.sources.Frame(rows), event_time="at")


def view_of(kind: str, entity: fp.Entity) -> FeatureView:
    if kind == "row":
        return fp.feature_view(entity=entity, source=payments(), name="paid")(
            lambda rows: rows.select(*entity.join_keys, "at", x="amount")
        )
    sums = [fp.Sum("amount", windows=["3d"]), fp.Count(windows=["3d"])]
    words = {"accuracy": "exact"} if kind == "exact" else {"cadence": fp.Cadence(every="1d")}
    return fp.feature_view(entity=entity, source=payments(), name="paid", aggregations=sums, **words)(same)


@pytest.fixture
def online(tmp_path: Path) -> Lmdb:
    return Lmdb(tmp_path / "online", map_size=2**24)


def served(view: FeatureView, store: fp.OfflineStore, online: Lmdb) -> pl.DataFrame:
    """What training and the online store say of the cards, which must be the same."""
    asked = pl.DataFrame({"card": CARDS}, schema={"card": pl.Float64}).with_columns(shop=pl.lit("a"))
    told = online_features(view, asked.select(view.join_keys), online, NOW)
    spine = asked.with_columns(event_timestamp=pl.lit(NOW, pl.Datetime("us", "UTC")))
    offline = fp.historical_features([view], spine, store).collect().drop("event_timestamp", "card", "shop")
    assert_frame_equal(told.select(offline.columns), offline)
    return offline


@pytest.mark.parametrize("entity", [card, both], ids=["alone", "in a part"])
@pytest.mark.parametrize(("kind", "wanted"), [("row", LAST), ("windowed", SUMS), ("exact", SUMS)])
def test_nan_is_nobodys_key_offline_and_online(
    store: fp.OfflineStore, online: Lmdb, kind: str, wanted: dict[str, list[object]], entity: fp.Entity
) -> None:
    view = view_of(kind, entity)
    fp.materialize(view, store)
    publish(view, store, online, now=NOW)
    found = served(view, store, online).to_dict(as_series=False)
    assert {name: values for name, values in found.items() if name in wanted} == wanted


@pytest.mark.parametrize("kind", ["row", "exact"])
def test_a_pushed_row_with_nan_for_a_key_is_of_nobody(
    store: fp.OfflineStore, online: Lmdb, tmp_path: Path, kind: str
) -> None:
    view = view_of(kind, card)
    fp.materialize(view, store)
    publish(view, store, online, now=NOW)
    before = served(view, store, online)
    push(payments(), paid((NAN, at(3), 9.0)), Target([view], Spool(tmp_path / "spool"), store, online), now=NOW)
    assert_frame_equal(served(view, store, online), before)


def test_nan_is_nobodys_key_of_a_label() -> None:
    spine = ROWS.select("card", t="at")
    labels = ROWS.select("card", "at", outcome="amount")
    found = label_join(spine, labels, on=["card"], spine_time="t", event_time="at").collect()
    assert found["outcome"].to_list() == [None, 1.0, 2.0, 3.0, None, None]


def test_bulk_loads_and_requests_have_no_key_for_nan() -> None:
    frame = pl.DataFrame({"k": [NAN, 1.0, None]})
    assert frame.select(key_expr({"k": pl.Float64()})).to_series().is_null().to_list() == [True, False, True]
    assert encode_keys({"k": pl.Float64()}, [["NaN", 1, -0.0]])[0] is None


def test_nan_and_null_are_in_one_bucket() -> None:
    frame = pl.DataFrame({"k": [NAN, None]})
    assert bucket_of(frame, ["k"], 64).n_unique() == 1
