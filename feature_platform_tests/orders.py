"""A source of orders and views over it, for tests of what views mean."""

from datetime import UTC, datetime, timedelta

import polars as pl

import feature_platform as fp

FIRST = datetime(2013, 3, 4, tzinfo=UTC)  # a Monday
FRAME = fp.sources.Frame(pl.DataFrame({"k": ["a"]}))
customer = fp.Entity("customer", ["k"])


def at(hour):
    return FIRST + timedelta(hours=hour)


def source(**changes):
    return fp.Source("orders", changes.pop("connector", FRAME), **{"event_time": "at"} | changes)


def view(function=lambda rows: rows, **changes):
    return fp.feature_view(**{"entity": customer, "source": source(), "name": "spending"} | changes)(function)


def spine(*rows):
    return pl.DataFrame(rows, schema={"k": pl.String, "event_timestamp": pl.Datetime("us", "UTC")}, orient="row")
