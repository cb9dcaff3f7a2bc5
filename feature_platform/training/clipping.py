"""What a training set says of request fields that are clipped: how many of its rows have a value that is replaced."""

import polars as pl

from feature_platform.compute.transforms.request_fields import is_outside
from feature_platform.declarations.service import FeatureService


def count_clipped(service: FeatureService, rows: pl.LazyFrame) -> dict[str, int]:
    """Count, for each request field that is clipped, the rows whose value lies outside its bounds.

    The column itself is as the spine has it; the features are computed from the bound that is nearest.

    Args:
        rows: the rows of a training set of the service.
    """
    types = rows.collect_schema()
    clipped = {name: field for name, field in service.bounded.items() if field.outside == "clip" and name in types}
    if not clipped:
        return {}
    counts = rows.select(is_outside(name, types[name], field).sum().alias(name) for name, field in clipped.items())
    return {name: int(count) for name, count in counts.collect().row(0, named=True).items()}
