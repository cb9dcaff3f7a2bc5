"""A shop whose source takes pushes, with its views, its stores and its spool."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform.serving import online_features
from feature_platform.serving.applying import Target
from feature_platform.serving.publication import publish
from feature_platform.serving.pushing import push
from feature_platform_tests.copies import begin_with
from feature_platform_tests.shop import at, customer, daily, last_order, orders, same, source

NOW = at(5, 2)


class Shop:
    """Views over one source, materialized and published, if they are not `made` already."""

    def __init__(self, root: Path, *views: FeatureView, published: bool = True, made: bool = False) -> None:
        self.target = Target(
            views, Spool(root / "spool", map_size=2**24), fp.OfflineStore(root), Lmdb(root / "online", map_size=2**24)
        )
        if made:
            return
        self.run()
        if published:
            self.publish()

    @property
    def source(self) -> fp.Source:
        read = self.target.views[0].source
        assert isinstance(read, fp.Source)
        return read

    def push(self, rows: pl.DataFrame, now: datetime = NOW, **words: Any) -> Sequence[str]:
        return push(self.source, rows, self.target, now=now, **words)

    def flush(self) -> int:
        return flush(self.target.spool, self.target.store)

    def publish(self, now: datetime = NOW) -> None:
        for view in self.target.views:
            publish(view, self.target.store, self.target.online, now=now)

    def run(self) -> None:
        for view in self.target.views:
            fp.materialize(view, self.target.store)

    def online(self, view: FeatureView, who: Sequence[object], now: datetime = NOW) -> list[tuple[object, ...]]:
        asked = pl.DataFrame({key: list(who) for key in view.join_keys[:1]}, schema={"customer": pl.String})
        found = online_features(view, asked, self.target.online, now)
        return found.select(pl.exclude("^.*__(status|event_time)$", "customer")).rows()

    def agree(self, who: Sequence[object], now: datetime = NOW, views: Sequence[FeatureView] | None = None) -> None:
        """What is online is what training sees."""
        asked = pl.DataFrame({"customer": list(who)})
        views = list(views or self.target.views)
        told = online_features(views, asked, self.target.online, now)
        spine = asked.with_columns(event_timestamp=pl.lit(now, pl.Datetime("us", "UTC")))
        wanted = fp.historical_features(views, spine, self.target.store).collect().drop("event_timestamp")
        assert_frame_equal(told.select(wanted.columns), wanted, check_exact=True)


def shop_of(root: Path, declare: Callable[[], Sequence[FeatureView]]) -> Shop:
    """Return a shop of what a function declares; its stores are copies of those that it was given first."""
    begin_with(_maker_of(declare), root)
    return Shop(root, *declare(), made=True)


@cache
def _maker_of(declare: Callable[[], Sequence[FeatureView]]) -> Callable[[Path], Shop]:
    return lambda folder: Shop(folder, *declare())


def last_orders() -> list[FeatureView]:
    return [last_order(source(daily(5)))]


def exact_windows() -> list[FeatureView]:
    return [exact_over(source(daily(5)))]


def exact_over(read: fp.Source | FeatureView, name: str = "exact", **words: Any) -> FeatureView:
    aggregations = [fp.Sum("amount", windows=["2d"]), fp.Count(windows=["1d"])]
    return fp.feature_view(
        entity=customer, source=read, aggregations=aggregations, accuracy="exact", name=name, **words
    )(same)


def again(read: FeatureView) -> FeatureView:
    double = pl.col("last_amount") * 2
    return fp.feature_view(entity=customer, source=read, name="again")(
        lambda rows: rows.select(pl.exclude("last_amount"), doubled=double)
    )


EVE = orders(("ann", at(5, 1), 99.0), ("eve", at(5, 1), 1.0), (None, at(5, 1), 5.0))
