"""A row that is known since long ago, as a word for "always" may say, is seen from its event on."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC, microsecond_of
from feature_platform_tests.shop import (
    at,
    customer,
    daily,
    last_order,
    orders,
    same,
    source,
    spending,
    told,
)

NOW = at(3)
YEAR_1 = datetime(1, 1, 1, tzinfo=timezone.utc)
HAPPENED = at(1, 2)
EARLIEST = -(2**63)
Make = Callable[[fp.Source], FeatureView]
LONG_AGO = [YEAR_1, EARLIEST]


def known(time: datetime | int) -> pl.DataFrame:
    """Orders that are known at once, and one of Eve that is known at some time."""
    tick = time if isinstance(time, int) else microsecond_of(time)
    odd = orders(("eve", HAPPENED, 7.0)).with_columns(known=pl.lit(tick, dtype=pl.Int64).cast(UTC))
    return pl.concat([daily(3).with_columns(known=pl.col("at")), odd])


def exact(read: fp.Source) -> FeatureView:
    """What customers spend to the moment."""
    return fp.feature_view(
        entity=customer,
        source=read,
        aggregations=[fp.Sum("amount", windows=["60d"])],
        accuracy="exact",
        name="exactly",
    )(same)


def daily_spending(read: fp.Source) -> FeatureView:
    """What customers spend, once a day."""
    return spending(read, windows=("60d",))


def eve(view: FeatureView, store: fp.OfflineStore, *moments: datetime) -> list[float | None]:
    """The amount of Eve at some moments; None where there is none."""
    asked = pl.DataFrame({"customer": "eve", "event_timestamp": moments}, schema_overrides={"event_timestamp": UTC})
    found = told(view, asked, store)
    name = next(each for each in found.columns if each.startswith(("amount_sum", "last_amount")))
    return [value or None for value in found[name]]


@pytest.mark.parametrize("make", [last_order, daily_spending, exact])
@pytest.mark.parametrize("time", LONG_AGO)
def test_a_row_that_is_known_since_long_ago_is_seen_from_its_event_on(
    store: fp.OfflineStore, make: Make, time: datetime | int
) -> None:
    view = make(source(known(time), known_at="known"))
    fp.materialize(view, store, now=NOW)
    assert eve(view, store, YEAR_1, at(1), HAPPENED - timedelta(hours=1), at(2), at(2, 20)) == [None] * 3 + [7.0] * 2


@pytest.mark.parametrize("time", [EARLIEST, 2**63 - 1])
def test_an_event_beyond_the_calendar_stops_no_windows_over_a_source_without_partitions(
    store: fp.OfflineStore, time: int
) -> None:
    odd = orders(("eve", HAPPENED, 7.0)).with_columns(at=pl.lit(time, dtype=pl.Int64).cast(UTC))
    view = exact(source(pl.concat([daily(3), odd, orders(("eve", HAPPENED, 2.0))]), partitioned=False))
    fp.materialize(view, store, now=NOW)
    assert eve(view, store, at(1), at(2)) == [None, 2.0]
