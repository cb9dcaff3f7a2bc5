"""A value made again: it is told when that cannot be done, and when the table says something else."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isclose, isnan
from typing import Generic, TypeVar

import polars as pl

from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.offline.history import PartitionState

T = TypeVar("T")
_FAULTS = (FeaturePlatformError, pl.exceptions.PolarsError, FileNotFoundError)
_FAULTS_OF_FUNCTIONS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
_ROUNDING = 1e-12  # of a value; what is farther apart differs


@dataclass(frozen=True)
class Made(Generic[T]):
    """What was made again, or why it could not be.

    Attributes:
        failure: a sentence; None where it could.
    """

    value: T | None
    failure: str | None = None


def try_to_make(make: Callable[[], T]) -> Made[T]:
    """Make something from versions that may be gone, by functions of users that may be others than they were."""
    try:
        return Made(make())
    except (*_FAULTS, *_FAULTS_OF_FUNCTIONS) as error:
        return Made(None, f"cannot be made again: {' '.join(str(error).split())}")


def are_alike(one: object, other: object) -> bool:
    """Tell whether two values are the same, numbers but for the rounding of their last digits.

    Polars rounds some divisions and powers otherwise where a row is the only one, so that the last bit of what a
    function of a view makes may depend on the rows that are computed with it.

    >>> are_alike(0.1 + 0.2, 0.3), are_alike(1.0, 1.0 + 1e-9), are_alike([float("nan"), None], [float("nan"), None])
    (True, False, True)
    """
    match one, other:
        case (float() | int(), float() | int()) if not isinstance(one, bool) and not isinstance(other, bool):
            return one == other or (isnan(one) and isnan(other)) or isclose(one, other, rel_tol=_ROUNDING)
        case (list(), list()):
            return len(one) == len(other) and all(map(are_alike, one, other))
        case (dict(), dict()):
            return one.keys() == other.keys() and all(are_alike(one[name], other[name]) for name in one)
        case _:
            return one == other


def rows_are_alike(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Tell whether two frames of one row have the same columns with values that are alike."""
    return one.columns == other.columns and all(map(are_alike, one.row(0), other.row(0)))


def compare_with_source(
    table: str, view: FeatureView, state: PartitionState | None, stored: str, again: str, *, agrees: bool
) -> tuple[str, str]:
    """Return the step that says whether a table says what its source says, and what may be the cause where not."""
    if agrees:
        alike = "the same" if stored == again else f"the same as {stored} but for rounding"
        return "again", f"made again from its source: {again}, {alike}"
    cause = "It was changed past the platform, or its function gives other rows for the same rows."
    if state is not None and state.code_version is None:
        cause = "It was written past the platform."
    elif state is not None and state.code_version != code_version(view.original):
        cause = "Its code has changed since."
    return "again", f"{table} says {stored}, its source says {again}. {cause}"
