"""A monitor: what new data of a view is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass

from feature_platform.clock import microseconds
from feature_platform.declarations.naming import checked_list


@dataclass(frozen=True, init=False)
class Monitor:
    """The reference that new partitions are compared with for drift.

    Args:
        reference: how far back the trailing reference window goes, e.g. `90d`.
        columns: the columns to watch; all features when None.

    >>> Monitor(reference="90d").reference
    '90d'
    """

    reference: str
    columns: tuple[str, ...] | None

    def __init__(self, reference: str = "90d", columns: Sequence[str] | None = None) -> None:
        microseconds(reference, "Monitor, reference,")
        object.__setattr__(self, "reference", reference)
        object.__setattr__(self, "columns", None if columns is None else checked_list("Monitor", "columns", columns))
