"""A Great Expectations suite in JSON, read as the expectations it holds, without importing it."""

import json
from collections.abc import Mapping
from typing import Any

from feature_platform.declarations.expectation import Expect
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.findings import SEVERITIES

NAME = "feature_platform_name"
_OF_A_RUN = ("batch_id", "result_format", "catch_exceptions", "include_config")


def expectations_from_suite(suite: str | Mapping[str, Any]) -> tuple[Expect, ...]:
    """Return the expectations of a suite, in its order; severity is critical when the suite says none.

    Arguments that belong to one run, not to the rule (`batch_id`, `result_format`), are left out.

    Raises:
        InvalidDeclaration: the text is not JSON, or not a suite.

    >>> rule = {"type": "expect_column_to_exist", "kwargs": {"column": "a"}}
    >>> expectations_from_suite({"name": "rides", "expectations": [rule]})[0].check_name
    'expect_column_to_exist__a'
    """
    content = _parse(suite) if isinstance(suite, str) else suite
    entries = content.get("expectations") if isinstance(content, Mapping) else None
    if not isinstance(entries, list):
        raise _suite_error("has no list called `expectations`")
    return tuple(_expectation_of(position, entry) for position, entry in enumerate(entries, start=1))


def _parse(text: str) -> object:
    try:
        content: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise _suite_error(f"is not JSON ({error})") from error
    return content


def _expectation_of(position: int, entry: object) -> Expect:
    if not isinstance(entry, Mapping):
        raise _suite_error(f"has {entry!r} as expectation {position}")
    kind = entry.get("type", entry.get("expectation_type"))
    kwargs = entry.get("kwargs", {})
    severity = entry.get("severity", "critical")
    if not isinstance(kind, str) or not isinstance(kwargs, Mapping) or severity not in SEVERITIES:
        raise _suite_error(f"has an expectation {position} without a type, kwargs or known severity")
    meta = entry.get("meta")
    name = meta.get(NAME) if isinstance(meta, Mapping) else None
    of_the_rule = {key: value for key, value in kwargs.items() if key not in _OF_A_RUN}
    return Expect(kind, severity=severity, name=name if isinstance(name, str) else None, **of_the_rule)


def _suite_error(found: str) -> InvalidDeclaration:
    return InvalidDeclaration(
        "The expectation suite",
        found,
        'Write {"name": "...", "expectations": [{"type": "expect_...", "kwargs": {...}, "severity": ""}]}.',
    )
