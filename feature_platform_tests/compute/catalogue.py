"""One of every aggregation in the catalogue, so that a new one is tested without a new test."""

import polars as pl

import feature_platform.parts.aggregations as catalogue

NAMES = [name for name in catalogue.__all__ if not name.endswith("Aggregation")]


def made(name, windows, column="x"):
    """An aggregation of a column of numbers."""
    if name == "Quantile":
        return catalogue.Quantile(column, 0.3, windows=windows)
    if name == "Rate":
        return catalogue.Rate(pl.col(column) > 1, name="big", windows=windows)
    return getattr(catalogue, name)(column, windows=windows)


def all_of(windows, column="x"):
    """Every aggregation over some windows, and the count of events beside that of values."""
    return [catalogue.Count(windows=windows), *(made(name, windows, column) for name in NAMES)]


def of_a_user(aggregation):
    """The same as an aggregation that a user derives from it: it is nothing but its `over`."""
    kind = type(aggregation)
    aggregation.__class__ = type(kind.__name__, (kind,), {})
    return aggregation
