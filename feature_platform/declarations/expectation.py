"""An expectation: one rule about data, in Great Expectations' own words, held without importing it.

`critical` expectations stop a write; `warning` and `info` ones report.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.findings import SEVERITIES, Severity
from feature_platform.ground.shortening import shorten

_TYPE = re.compile(r"expect_\w+|unexpected_rows_expectation")
_TOLD_APART_BY = ("row_condition", "unexpected_rows_query")
_NAME = re.compile(r"[A-Za-z0-9_]{1,60}")


@dataclass(frozen=True, init=False)
class Expect:
    """One expectation: its Great Expectations type and keyword arguments.

    `name` tells it apart from others of its type on the same columns; it becomes the end of its check's name.

    >>> Expect("expect_column_values_to_not_be_null", column="carrier").check_name
    'expect_column_values_to_not_be_null__carrier'
    """

    type: str
    kwargs: Mapping[str, object]
    severity: Severity
    name: str | None

    def __init__(
        self, type: str, *, severity: Severity = "critical", name: str | None = None, **kwargs: object
    ) -> None:
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
                f"Use one of {', '.join(reversed(SEVERITIES))}.",
            )
        if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise InvalidDeclaration(
                f"Expectation `{type}`", f"has the name {name!r}", "Use at most 60 letters of ASCII, digits and `_`."
            )
        object.__setattr__(self, "type", type)
        object.__setattr__(self, "kwargs", dict(kwargs))
        object.__setattr__(self, "severity", severity)
        object.__setattr__(self, "name", name)

    def __hash__(self) -> int:
        return hash((self.type, self.severity, self.name, repr(sorted(self.kwargs.items()))))

    @property
    def subject(self) -> tuple[str, ...]:
        """Return the columns it is about; empty for a rule about the whole table."""
        single = [self.kwargs[key] for key in ("column", "column_A", "column_B") if key in self.kwargs]
        listed = self.kwargs.get("column_list", ())
        return tuple(str(name) for name in (*single, *(listed if isinstance(listed, (list, tuple)) else ())))

    @property
    def check_name(self) -> str:
        """Return the name of its asset check: type, columns, a digest of its condition or query, and its `name`.

        >>> Expect("expect_table_row_count_to_equal", value=1, row_condition="a > 1").check_name
        'expect_table_row_count_to_equal__531df8fe'
        """
        conditions = [repr(self.kwargs[key]) for key in _TOLD_APART_BY if self.kwargs.get(key) is not None]
        digest = [_digest("".join(conditions))] if conditions else []
        parts = (self.type, *self.subject, *digest, *([] if self.name is None else [self.name]))
        return "__".join("".join(c if c.isalnum() else "_" for c in part) for part in parts)

    @property
    def distinction(self) -> str:
        """Return the arguments besides columns, by which people know a named expectation; "" for any other."""
        if self.name is None:
            return ""
        others = {key: value for key, value in self.kwargs.items() if not key.startswith("column")}
        return shorten(", ".join(f"{key}={value!r}" for key, value in sorted(others.items())))

    def name_by_arguments(self) -> "Expect":
        """Return the same expectation with a name made of its arguments, whatever is declared beside it."""
        arguments = repr(sorted(self.kwargs.items()))
        return Expect(self.type, severity=self.severity, name=_digest(arguments), **self.kwargs)


def give_own_checks(expectations: Iterable[Expect]) -> tuple[Expect, ...]:
    """Return expectations such that each has a check of its own.

    The first of a type on its columns keeps the plain name, and with it the history of its check; each later one
    without a `name` is named by its arguments. Two that say the same keep one name.

    >>> kind = "expect_column_to_exist"
    >>> rules = [Expect(kind, column="a"), Expect(kind, column="a", column_index=1)]
    >>> [rule.check_name for rule in give_own_checks(rules)]
    ['expect_column_to_exist__a', 'expect_column_to_exist__a__f08f6156']
    """
    first_of_name: dict[str, Expect] = {}
    own: list[Expect] = []
    for rule in expectations:
        first = first_of_name.setdefault(rule.check_name, rule)
        same = first is rule or (first.type, first.kwargs, first.name) == (rule.type, rule.kwargs, rule.name)
        own.append(rule if same or rule.name is not None else rule.name_by_arguments())
    return tuple(own)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
