"""The consistency of both stores: equal where nothing is wrong, and each fault found and named."""

import json
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.serving.entries import entries_of
from feature_platform.compute.serving.keys import key_expr
from feature_platform.ground.errors import NotServed
from feature_platform.verification.consistency import check_consistency
from feature_platform_tests.copies import begin_with
from feature_platform_tests.shop import at, customer, daily, last_order, orders, same, source, spending

NOW = at(5, 3)
UTC = pl.Datetime("us", "UTC")


def service(frame: pl.DataFrame) -> fp.FeatureService:
    """A view of each kind, a global one and an on-demand one, over one source."""
    read = source(frame)
    last = last_order(read, ttl="30h")
    exact = fp.feature_view(
        entity=customer, source=read, aggregations=[fp.Mean("amount", windows=["1d"])], accuracy="exact", name="exact"
    )(same)
    shop = fp.feature_view(entity=None, source=read, aggregations=[fp.Max("amount", windows=["2d"])], name="whole")(
        same
    )

    @fp.on_demand(inputs=[last, fp.Request({"limit": pl.Float64})])
    def over(row: fp.Row) -> dict[str, pl.Expr]:
        return {"over": row["last_order.last_amount"] > row["limit"]}

    gaps = {"last_amount": fp.Impute.constant(0)}
    return fp.FeatureService(
        "shop", [spending(read, delay="1h"), last, exact, shop["amount_max_2d"], over], impute=gaps
    )


def publish_days(folder: Path) -> None:
    published(fp.OfflineStore(folder / "store"), fp.online.Lmdb(folder / "online"), daily())


def published(store: fp.OfflineStore, online: fp.online.Lmdb, frame: pl.DataFrame | None = None) -> fp.FeatureService:
    if frame is None:
        begin_with(publish_days, Path(store.root).parent)
        return service(daily())
    shop = service(frame)
    for view in shop.views:
        fp.materialize(view, store)
    fp.publish(shop, store, online, now=NOW)
    return shop


@pytest.fixture
def online(tmp_path: Path) -> fp.online.Lmdb:
    return fp.online.Lmdb(tmp_path / "online")


def counts(features: pl.DataFrame, *kinds: str) -> dict[str, tuple[int, ...]]:
    """The counts of the features that are not equal everywhere."""
    differing = features.filter(pl.col("equal") < pl.col("compared"))
    return {row[0]: row[1:] for row in differing.select("feature", *kinds).iter_rows()}


def test_what_is_published_is_equal_for_known_unknown_and_null_keys(
    store: fp.OfflineStore, online: fp.online.Lmdb
) -> None:
    found = check_consistency(published(store, online), store, online, now=NOW, run_id="r")

    assert counts(found.features, "mismatch") == {}
    assert found.differences == 0
    assert found.features["compared"].to_list() == [found.entities] * 6
    assert found.entities == 2 + 3  # ann and bob; two that nobody has, and null
    assert found.versions["exact"] == {"sources/orders": 0}


def test_every_comparison_is_kept_with_what_it_was_of(store: fp.OfflineStore, online: fp.online.Lmdb) -> None:
    shop = published(store, online)
    for run in ("a", "b"):
        check_consistency(shop, store, online, now=NOW, run_id=run)

    kept = store.read("consistency/shop").collect()
    assert kept["run_id"].unique().sort().to_list() == ["a", "b"]
    assert kept["at"].unique().to_list() == [NOW]
    assert kept["feature"].unique(maintain_order=True).to_list() == [
        "amount_sum_2d",
        "count_2d",
        "last_amount",
        "amount_mean_1d",
        "amount_max_2d",
        "over",
    ]
    assert json.loads(kept["versions"][0])["last_order"] == {"views/last_order": 0}


def tampered(online: fp.online.Lmdb, rows: pl.DataFrame, gone: list[str]) -> None:
    """Entries of `last_order` changed behind everybody's back."""
    table = online.table("last_order")
    assert table is not None
    key = key_expr(table.keys)
    entries = entries_of(rows, key, pl.Schema(table.features), event=pl.col("at"), now=NOW)
    keys = pl.DataFrame({"customer": gone}, schema={"customer": pl.String}).select(key).to_series().to_list()
    online.change(table, table, [entries] if entries.height else [], keys, lambda *_: None)


def test_a_changed_a_lost_and_an_invented_entry_are_each_found(store: fp.OfflineStore, online: fp.online.Lmdb) -> None:
    shop = published(store, online, pl.concat([daily(), orders(("eve", at(4, 12), 3.0))]))
    rows = orders(("ann", at(4, 12), 11.0), ("mallory", at(4, 12), 1.0)).rename({"amount": "last_amount"})
    tampered(online, rows, ["bob"])

    found = check_consistency(shop, store, online, now=NOW)

    kinds = ("mismatch", "missing", "extra", "ahead")
    assert counts(found.features, *kinds)["last_amount"] == (1, 1, 1, 0)
    (told,) = found.features.filter(pl.col("feature") == "last_amount")["examples"].to_list()
    assert {json.loads(each)["entity"]["customer"] for each in told} == {"ann", "bob", "mallory"}
    assert found.differences >= 3


def test_a_newer_offline_version_is_no_difference_until_it_is_published(
    store: fp.OfflineStore, online: fp.online.Lmdb
) -> None:
    published(store, online)
    later = service(pl.concat([daily(), orders(("ann", at(4, 18), 99.0))]))
    for view in later.views:
        fp.materialize(view, store)

    assert check_consistency(later, store, online, now=NOW).differences == 0
    fp.publish(later, store, online, now=NOW)
    assert check_consistency(later, store, online, now=NOW).differences == 0


def test_rows_pushed_since_are_ahead_and_no_difference(store: fp.OfflineStore, online: fp.online.Lmdb) -> None:
    shop = published(store, online)
    table = online.table("last_order")
    assert table is not None
    rows = orders(("ann", at(5, 2), 50.0)).rename({"amount": "last_amount"})
    pushed = entries_of(rows, key_expr(table.keys), pl.Schema(table.features), event=pl.col("at"), now=NOW, pushed=True)
    online.write("last_order", dict(pushed.iter_rows()), lambda _, incoming: incoming, b"spool:0")

    found = check_consistency(shop, store, online, now=NOW)

    assert found.differences == 0
    assert counts(found.features, "ahead")["last_amount"] == (1,)


def test_a_view_that_was_never_published_is_an_error(store: fp.OfflineStore, online: fp.online.Lmdb) -> None:
    with pytest.raises(NotServed, match="spending"):
        check_consistency(service(daily()), store, online, now=NOW)
