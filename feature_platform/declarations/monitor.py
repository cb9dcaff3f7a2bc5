"""A monitor: what new data of a view is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass

from feature_platform.clock import instant, microseconds
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.declarations.naming import checked_list, shown
from feature_platform.errors import InvalidDeclaration


@dataclass(frozen=True, init=False)
class Monitor:
    """The reference that new partitions are compared with for drift.

    Args:
        reference: how far back the trailing reference goes, e.g. `90d`; or a fixed one, from a time up to and
            without another, e.g. `("2013-01-01", "2013-04-01")` (UTC). A fixed one also sees slow drift.
        columns: the columns to watch; all features when None.
        rule: when a difference counts.

    >>> Monitor(reference="90d").reference
    '90d'
    >>> Monitor(reference=("2013-01-01", "2013-04-01")).trailing
    False
    """

    reference: str | tuple[str, str]
    columns: tuple[str, ...] | None
    rule: DriftRule

    def __init__(
        self,
        reference: str | tuple[str, str] = "90d",
        columns: Sequence[str] | None = None,
        rule: DriftRule | None = None,
    ) -> None:
        if isinstance(reference, tuple):
            _check_fixed(reference)
        else:
            microseconds(reference, "Monitor, reference,")
        object.__setattr__(self, "reference", reference)
        object.__setattr__(self, "columns", None if columns is None else checked_list("Monitor", "columns", columns))
        if rule is not None and not isinstance(rule, DriftRule):
            raise InvalidDeclaration("Monitor", f"has rule={shown(rule)}", "Give fp.DriftRule(sustained=(2, 3)).")
        object.__setattr__(self, "rule", rule or DriftRule())

    @property
    def trailing(self) -> bool:
        """Whether the reference moves along with the data."""
        return isinstance(self.reference, str)


def _check_fixed(reference: tuple[object, ...]) -> None:
    remedy = 'Give two times, the earlier one first, e.g. ("2013-01-01", "2013-04-01").'
    if len(reference) != 2 or not all(isinstance(each, str) for each in reference):
        raise InvalidDeclaration("Monitor", f"has reference={shown(reference)}", remedy)
    start, end = (instant(str(each), "Monitor, reference,") for each in reference)
    if start >= end:
        raise InvalidDeclaration("Monitor", f"has reference={shown(reference)}", remedy)
