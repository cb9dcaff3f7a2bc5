"""A value made again: it is told when that cannot be done, and when the table says something else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import polars as pl

from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.offline.history import PartitionState

T = TypeVar("T")


@dataclass(frozen=True)
class Made(Generic[T]):
    """What was made again, or why it could not be.

    Attributes:
        failure: a sentence; None where it could.
    """

    value: T | None
    failure: str | None = None


def try_to_make(make: Callable[[], T]) -> Made[T]:
    """Make something from versions that may be gone, by code that may be another than it was.

    Memory that runs out and faults of this platform are raised.
    """
    try:
        return Made(make())
    except (FeaturePlatformError, pl.exceptions.PolarsError, FileNotFoundError) as error:
        return Made(None, f"cannot be made again: {' '.join(str(error).split())}")


def compare_with_source(
    table: str, view: FeatureView, state: PartitionState | None, stored: str, again: str, *, agrees: bool
) -> tuple[str, str]:
    """Return the step that says whether a table says what its source says, and what may be the cause where not."""
    if agrees:
        return "again", f"made again from its source: {again}, the same"
    cause = "It was changed past the platform, or its function gives other rows for the same rows."
    if state is not None and state.code_version is None:
        cause = "It was written past the platform."
    elif state is not None and state.code_version != code_version(view):
        cause = "Its code has changed since."
    return "again", f"{table} says {stored}, its source says {again}. {cause}"
