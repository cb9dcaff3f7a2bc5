"""One of every aggregation in the catalogue, so that a new one is tested without a new test."""

import polars as pl

import feature_platform.parts.aggregations as catalogue

NAMES = [  # of those whose feature is made of values alone
    name for name in catalogue.__all__ if not name.endswith("Aggregation") and not getattr(catalogue, name).of_times
]


def made(name, windows, column="x", **options):
    """An aggregation of a column of numbers."""
    if name == "Quantile":
        return catalogue.Quantile(column, 0.3, windows=windows, **options)
    if name == "Rate":
        return catalogue.Rate(pl.col(column) > 1, name="big", windows=windows, **options)
    return getattr(catalogue, name)(column, windows=windows, **options)


def all_of(windows, column="x"):
    """Every aggregation over some windows, and the count of events beside that of values."""
    return [catalogue.Count(windows=windows), *(made(name, windows, column) for name in NAMES)]


def of_a_user(aggregation):
    """The same as an aggregation that a user derives from it: it is nothing but its `over`."""
    kind = type(aggregation)
    aggregation.__class__ = type(kind.__name__, (kind,), {})
    return aggregation
