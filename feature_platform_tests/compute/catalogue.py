"""One of every aggregation in the catalogue, so that a new one is tested without a new test."""

import polars as pl

import feature_platform.parts.aggregations as catalogue

NAMES = [  # of those whose feature is made of values alone
    name for name in catalogue.__all__ if not name.endswith("Aggregation") and not getattr(catalogue, name).of_times
]
LAWS = [*NAMES, "FirstN distinct", "LastN distinct"]  # what has a definition of its own in `naive.AGGREGATES`
SIZED = {"BottomK", "FirstN", "Histogram", "LastN", "TopK"}


def made(name, windows, column="x", **options):
    """An aggregation of a column of numbers."""
    if name == "Quantile":
        return catalogue.Quantile(column, 0.3, windows=windows, **options)
    if name in ("Rate", "Any"):
        return getattr(catalogue, name)(pl.col(column) > 1, name="big", windows=windows, **options)
    if name in SIZED:
        return getattr(catalogue, name)(column, 3, windows=windows, **options)
    if name.endswith(" distinct"):
        return getattr(catalogue, name.removesuffix(" distinct"))(column, 3, distinct=True, windows=windows, **options)
    return getattr(catalogue, name)(column, windows=windows, **options)


def all_of(windows, column="x"):
    """Every aggregation over some windows, and the count of events beside that of values."""
    return [catalogue.Count(windows=windows), *(made(name, windows, column) for name in LAWS)]


def of_a_user(aggregation):
    """The same as an aggregation that a user derives from it: it is nothing but its `over`."""
    kind = type(aggregation)
    aggregation.__class__ = type(kind.__name__, (kind,), {})
    return aggregation
