"""An expectation: one rule about data, in Great Expectations' own words, held without importing it.

`critical` expectations stop a write; `warning` and `info` ones report.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from feature_platform.errors import InvalidDeclaration

Severity = Literal["critical", "warning", "info"]
_TYPE = re.compile(r"expect_\w+|unexpected_rows_expectation")
_TOLD_APART_BY = ("row_condition", "unexpected_rows_query")
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


@dataclass(frozen=True, init=False)
class Expect:
    """One expectation: its Great Expectations type and keyword arguments.

    >>> Expect("expect_column_values_to_not_be_null", column="carrier").check_name
    'expect_column_values_to_not_be_null__carrier'
    """

    type: str
    kwargs: Mapping[str, object]
    severity: Severity

    def __init__(self, type: str, *, severity: Severity = "critical", **kwargs: object) -> None:
        if not isinstance(type, str) or not _TYPE.fullmatch(type):
            raise InvalidDeclaration(
                f"Expectation `{type}`",
                "is not a Great Expectations type",
                "Use its snake-case name, e.g. `expect_column_values_to_not_be_null`.",
            )
        if severity not in SEVERITIES:
            raise InvalidDeclaration(
                f"Expectation `{type}`",
                f"has the severity `{severity}`",
                f"Use one of {', '.join(SEVERITIES)}.",
            )
        object.__setattr__(self, "type", type)
        object.__setattr__(self, "kwargs", dict(kwargs))
        object.__setattr__(self, "severity", severity)

    def __hash__(self) -> int:
        return hash((self.type, self.severity, repr(sorted(self.kwargs.items()))))

    @property
    def subject(self) -> tuple[str, ...]:
        """The columns it speaks about; empty for a rule about the whole table."""
        single = [self.kwargs[key] for key in ("column", "column_A", "column_B") if key in self.kwargs]
        listed = self.kwargs.get("column_list", ())
        return tuple(str(name) for name in (*single, *(listed if isinstance(listed, (list, tuple)) else ())))

    @property
    def check_name(self) -> str:
        """The name of its asset check: the type, its columns, and a digest of its condition or query.

        >>> Expect("expect_table_row_count_to_equal", value=1, row_condition="a > 1").check_name
        'expect_table_row_count_to_equal__531df8fe'
        """
        told = [repr(self.kwargs[key]) for key in _TOLD_APART_BY if self.kwargs.get(key) is not None]
        digest = [hashlib.sha256("".join(told).encode()).hexdigest()[:8]] if told else []
        parts = (self.type, *self.subject, *digest)
        return "__".join("".join(c if c.isalnum() else "_" for c in part) for part in parts)
