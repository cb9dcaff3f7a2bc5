"""Functions of partitioned tables that need other rows are refused before anything is written; the remedies work."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.label import Label
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import NotRepeatable, NotTheSameInParts
from feature_platform_tests.shop import at, customer, daily, source

Function = Callable[[pl.LazyFrame], pl.LazyFrame]
DAYS = fp.Partitions("daily", start=at(0), end=at(5))


def so_far(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(so_far=pl.col("amount").cum_sum().over("customer"))


def view(function: Function, read: fp.Source, **words: Any) -> FeatureView:
    return fp.feature_view(entity=customer, source=read, name="v", **words)(function)


def windowed(function: Function, read: fp.Source) -> FeatureView:
    return view(function, read, aggregations=[fp.Sum("so_far", windows=["1d"])])


def label(function: Function, read: fp.Source) -> Label:
    return fp.label(entity=customer, source=read, name="l")(function)


def prepared(function: Function, read: fp.Source) -> fp.Source:
    return source(daily(), prepare=function, partitioned=read.partitioned)


MADE: list[Callable[..., fp.Source | FeatureView | Label]] = [view, windowed, label, prepared]


@pytest.mark.parametrize("made", MADE)
def test_a_function_that_needs_earlier_rows_is_refused(made: Callable, store: fp.OfflineStore) -> None:
    asset = made(so_far, source(daily()))
    with pytest.raises(NotTheSameInParts, match="so_far"):
        fp.materialize(asset, store, at(0), at(5), partitions=DAYS)
    assert not store.exists(asset.asset)


@pytest.mark.parametrize("made", MADE)
def test_without_partitions_it_may_need_all_rows(made: Callable, store: fp.OfflineStore) -> None:
    asset = made(so_far, source(daily(), partitioned=False))
    fp.materialize(asset, store, partitions=DAYS)
    name = "so_far_sum_1d" if made is windowed else "so_far"
    assert store.read(asset.asset).select(pl.col(name).max()).collect().item() == 50.0


def test_a_run_of_one_day_tries_the_days_before_it_too(store: fp.OfflineStore) -> None:
    read = source(daily())
    fp.materialize(read, store, at(0), at(5), partitions=DAYS)
    with pytest.raises(NotTheSameInParts):
        fp.materialize(view(so_far, read), store, at(4), at(5), partitions=DAYS)


def test_within_an_event_time_rows_may_need_one_another(store: fp.OfflineStore) -> None:
    def shares(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.with_columns(share=pl.col("amount") / pl.col("amount").sum().over("at"))

    makers: list[Callable[..., fp.Source | FeatureView | Label]] = [view, label, prepared]
    for made in makers:
        fp.materialize(made(shares, source(daily())), store, at(0), at(5), partitions=DAYS)
    shares_of_a_time = store.read("views/v").group_by("at").agg(pl.col("share").sum()).collect()
    assert_frame_equal(shares_of_a_time.select(all=pl.col("share").round(9) == 1.0), pl.DataFrame({"all": [True] * 5}))


def test_a_prepare_that_takes_doubles_out_is_judged_by_the_days_they_are_of(store: fp.OfflineStore) -> None:
    twice = pl.concat([daily(), daily().head(4)])

    def once(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.unique(["customer", "at"], keep="last", maintain_order=True)

    def once_ever(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.unique("customer", keep="last", maintain_order=True)

    fp.materialize(source(twice, prepare=once), store, at(0), at(5), partitions=DAYS)
    assert store.read("sources/orders").collect().height == daily().height
    with pytest.raises(NotTheSameInParts, match="partitioned=False"):
        fp.materialize(source(twice, prepare=once_ever), store, at(0), at(5), partitions=DAYS)


def test_chance_is_refused_and_a_seed_is_not(store: fp.OfflineStore) -> None:
    def noisy(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.with_columns(noise=pl.col("amount").shuffle())

    def seeded(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.with_columns(noise=pl.struct("customer", "at").hash(seed=1) % 100)

    with pytest.raises(NotRepeatable, match="noise"):
        fp.materialize(view(noisy, source(daily())), store, at(0), at(5), partitions=DAYS)
    fp.materialize(view(seeded, source(daily())), store, at(0), at(5), partitions=DAYS)
