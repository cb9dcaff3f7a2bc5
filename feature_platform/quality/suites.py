"""Expectations written as a Great Expectations suite in JSON; `expectations_from_suite` reads such a suite.

Great Expectations' own loader reads it; row conditions are written as it writes them. It is not imported.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal

from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.suite import NAME
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.quality.conditions import read_condition
from feature_platform.quality.target import wrap_value


def suite_of(expectations: Iterable[Expect], name: str) -> str:
    """Return a suite in JSON that holds the expectations in their order, with their severity.

    When it is read back it judges the same: dates, times and decimals are ISO text and digits, durations are
    microseconds, tuples are lists, and a row condition of any spelling is written in that of Great Expectations.

    Raises:
        InvalidDeclaration: an argument cannot be written in JSON, or a row condition cannot be read.

    >>> from feature_platform.declarations.suite import expectations_from_suite
    >>> rule = Expect("expect_column_to_exist", column="fare", severity="warning")
    >>> expectations_from_suite(suite_of([rule], "rides")) == (rule,)
    True
    """
    entries = [_json_of(expect) for expect in expectations]
    return json.dumps({"name": name, "expectations": entries, "meta": {}}, indent=2, ensure_ascii=False)


def _json_of(expect: Expect) -> dict[str, object]:
    kwargs = dict(expect.kwargs)
    condition = read_condition(kwargs.pop("row_condition", None), kwargs.pop("condition_parser", None))
    if condition is not None:
        kwargs["row_condition"] = condition
    arguments = {key: _json(expect, key, value) for key, value in kwargs.items()}
    meta = {} if expect.name is None else {NAME: expect.name}
    return {"type": expect.type, "kwargs": arguments, "meta": meta, "severity": expect.severity}


def _json(expect: Expect, key: str, value: object) -> object:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, timedelta):
        return wrap_value(value)
    if isinstance(value, Mapping):
        return {str(name): _json(expect, key, inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(expect, key, inner) for inner in value]
    raise InvalidDeclaration(
        f"Expectation `{expect.check_name}`",
        f"cannot be written in JSON: `{key}` holds {value!r}",
        "Give numbers, text, dates, or lists and mappings of them.",
    )
