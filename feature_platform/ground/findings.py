"""The vocabulary of monitoring: the kinds of findings there are, and how severe a finding is.

The text of a kind stands in tables and in the database of alerts, so it never changes.
"""

from enum import StrEnum
from typing import Literal

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")  # rising


def rank(severity: Severity) -> int:
    """Return how severe a severity is: 0 for info, 2 for critical.

    >>> rank("critical") > rank("warning")
    True
    """
    return SEVERITIES.index(severity)


class FindingKind(StrEnum):
    """The kinds of trouble that monitoring finds."""

    DRIFT = "drift"
    """A column is not distributed as it was in the reference of its monitor."""

    MULTIVARIATE = "multivariate"
    """All columns together are not as they were in the reference of the monitor."""

    VOLUME = "volume"
    """There are unusually many or few rows."""

    SCHEMA = "schema"
    """A column came, went or changed its type."""

    UNIT = "unit"
    """All numbers of a column are a known factor larger or smaller."""

    CONSTANT = "constant"
    """A column has one value in all rows."""

    DEAD = "dead"
    """A column has lost its values."""

    DUPLICATE_KEYS = "duplicate_keys"
    """Rows have the identity of another row."""

    UNKNOWN_KEYS = "unknown_keys"
    """Many entity keys were never there before."""

    IMPUTED_SHARE = "imputed_share"
    """Many values of a feature had to be imputed."""

    FOREIGN_WRITE = "foreign_write"
    """Something else than the platform wrote rows. It does not say that the rows are wrong."""

    UNREPEATABLE = "unrepeatable"
    """The same code made other rows from the same data."""

    FRESHNESS = "freshness"
    """The newest event of a source is too old."""

    LATE_PARTITION = "late_partition"
    """A partition should be there by now, and is not."""

    ROWS_GONE = "rows_gone"
    """A delivery lacks rows that an earlier one had."""

    EXPECTATIONS = "expectations"
    """A run was refused, since a critical expectation failed."""

    RUN = "run"
    """A run failed."""


DIFFERENCES = frozenset({FindingKind.DRIFT, FindingKind.MULTIVARIATE})
"""Kinds that a monitor finds: values are not as they were, which does not mean that they are wrong."""

LEVELS = (
    *(FindingKind.DRIFT, FindingKind.MULTIVARIATE, FindingKind.VOLUME, FindingKind.SCHEMA, FindingKind.UNIT),
    *(FindingKind.CONSTANT, FindingKind.DEAD, FindingKind.DUPLICATE_KEYS, FindingKind.UNKNOWN_KEYS),
    FindingKind.IMPUTED_SHARE,
)
"""Kinds that are about a level of something. A person can accept the level as usual; other kinds end when mended."""

NUMERIC = (FindingKind.DRIFT, FindingKind.UNIT, FindingKind.CONSTANT)
"""Kinds that are about the numbers of one column."""
