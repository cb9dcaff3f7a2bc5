"""The expectations that a data contract asks for: what it says of columns, its metrics, and Great Expectations' own.

A rule is taken only where an expectation says the same; every other one is left out, and the user is told.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from feature_platform.contracts.columns import column_name
from feature_platform.contracts.document import parse_yaml
from feature_platform.contracts.node import ContractNode
from feature_platform.declarations.contract_metrics import Rule, is_regex, rules_of_metric
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.suite import expectations_from_suite
from feature_platform.ground.errors import InvalidDeclaration, join_names
from feature_platform.ground.findings import Severity, rank

_ENGINES = {"greatexpectations", "gx"}
_SEVERITIES: Mapping[str, Severity] = {
    "critical": "critical",
    "error": "critical",
    "warning": "warning",
    "info": "info",
}
_COLUMN_WORDS = ("name", "physicalName", "physicalType", "logicalType", "properties", "items", "map")
_UTC = ("UTC", "Etc/UTC")
_ABOUT_OTHERS = ("expect_column_to_exist", "expect_table_columns_to_match_ordered_list")  # may be about no column
_CAMEL = re.compile(r"(?<=[a-z])([A-Z])")  # `minValue`, as the examples of the standard write `min_value`
_PAIR = ("column_A", "column_B")
_LENGTHS = (("min_value", "minLength"), ("max_value", "maxLength"))
_BOUNDS = (("min_value", "minimum"), ("max_value", "maximum"))
_EXCLUSIVE_BOUNDS = (("min_value", "exclusiveMinimum"), ("max_value", "exclusiveMaximum"))
_STRICT = {"min_value": "strict_min", "max_value": "strict_max"}


def rules_of_table(table: ContractNode) -> tuple[Expect, ...]:
    """Return the expectations that a contract asks for of a table, each once.

    Raises:
        ContractRefused: a rule is none, or is about a column that the contract does not have; it names the field.
    """
    columns = table.nodes("properties")
    names = names_of_columns(columns)
    rules = [rule for check in table.nodes("quality") for rule in _rules_of_check(check, None, names)]
    said: list[Expect] = []
    for column in columns:
        name = names[column.peek("name")]
        rules += [rule for check in column.nodes("quality") for rule in _rules_of_check(check, name, names)]
        said += [Expect(kind, **kwargs) for kind, kwargs in _rules_of_column(column, name)]
    return join_rules(rules, [*said, *_key_rules(columns, names)])


def names_of_columns(columns: Iterable[ContractNode]) -> dict[str, str]:
    """Return the names of columns in the data by those in the contract.

    Raises:
        ContractRefused: a contract has a column twice.
    """
    names: dict[str, str] = {}
    for column in columns:
        raw = {key: column.take(key) for key in ("name", "physicalName")}
        if raw["name"] in names or column_name(raw) in names.values():
            raise column.refuse("name", f"has the column `{raw['name']}` twice", "Name each column once.")
        names[raw["name"]] = column_name(raw)
    return names


def join_rules(rules: Iterable[Expect], repeated: Iterable[Expect]) -> tuple[Expect, ...]:
    """Return expectations, each once, and of others that may say the same those that do not.

    Where one that is repeated is more severe, the first that says the same becomes so.
    """
    own: dict[str, Expect] = {}
    for rule in rules:
        twin = own.setdefault(f"{rule.type} {rule.kwargs!r} {rule.name}", rule)
        own[f"{rule.type} {rule.kwargs!r} {rule.name}"] = max(twin, rule, key=lambda each: rank(each.severity))
    joined = list(own.values())
    for rule in repeated:
        same = [n for n, each in enumerate(joined) if (each.type, each.kwargs) == (rule.type, rule.kwargs)]
        if not same:
            joined.append(rule)
        elif all(rank(joined[n].severity) < rank(rule.severity) for n in same):
            first = joined[same[0]]
            joined[same[0]] = Expect(rule.type, severity=rule.severity, name=first.name, **rule.kwargs)
    return tuple(joined)


def _rules_of_check(check: ContractNode, column: str | None, names: Mapping[str, str]) -> list[Expect]:
    said = str(check.peek("severity") or "error").lower()
    severity = _SEVERITIES.get(said, "critical")
    check.use("type", "name", *(["severity"] if said in _SEVERITIES else []))
    kind, engine = check.peek("type") or "library", re.sub("[-_ ]", "", str(check.peek("engine") or "")).lower()
    if kind == "custom" and engine in _ENGINES:
        found = [_suite_rule(check, column, names, severity if "severity" in check else None)]
    elif kind == "library":
        found = [Expect(kind, severity=severity, **words) for kind, words in rules_of_metric(check, column, names)]
    else:
        found = []
    if not found:
        check.leave_out()
    for each in found:
        unknown = sorted(set(each.subject) - set(names.values())) if names else []
        if unknown and each.type not in _ABOUT_OTHERS:
            lack = f"is about the column `{unknown[0]}`, which the table does not have"
            raise check.refuse("", lack, f"It has {join_names(names.values())}.")
    return found


def _suite_rule(check: ContractNode, column: str | None, names: Mapping[str, str], severity: Severity | None) -> Expect:
    """Return an expectation in Great Expectations' own words: a mapping, or a text that holds one."""
    check.use("engine")
    content = check.take("implementation")
    try:
        written = parse_yaml(content) if isinstance(content, str) else content
    except ValueError as error:
        raise check.refuse("implementation", f"is no plain YAML: {error}", "Mend it.") from error
    rule: dict[str, Any] = dict(written) if isinstance(written, Mapping) else {}
    kind, kwargs = rule.get("type", rule.get("expectation_type")), rule.get("kwargs") or {}
    if isinstance(kwargs, Mapping):
        words = {_CAMEL.sub(r"_\1", str(word)): value for word, value in kwargs.items()}
        words = {word.lower() if word not in _PAIR else word: value for word, value in words.items()}
        if column is not None and str(kind).startswith("expect_column_") and not {*words} & {*_PAIR, "column_list"}:
            words.setdefault("column", column)
        rule["kwargs"] = {word: _in_data(value, names) if "column" in word else value for word, value in words.items()}
    try:
        return expectations_from_suite({"expectations": [{**rule, **({"severity": severity} if severity else {})}]})[0]
    except (InvalidDeclaration, TypeError) as error:  # TypeError: an argument with the name of one of ours
        raise check.refuse("implementation", f"is no expectation: {error}", "Write its type and kwargs.") from error


def _in_data(value: object, names: Mapping[str, str]) -> object:
    if isinstance(value, list):
        return [_in_data(each, names) for each in value]
    return names.get(value, value) if isinstance(value, str) and value not in names.values() else value


def _rules_of_column(column: ContractNode, name: str) -> list[Rule]:
    """Return what a column says of its own values; what it is made of is compared with tables, not expected of rows."""
    rules: list[Rule] = []
    if column.take("required") is True:
        rules.append(("expect_column_values_to_not_be_null", {"column": name}))
    if column.take("unique") is True:
        rules.append(("expect_column_values_to_be_unique", {"column": name}))
    values = [each.take("value") for each in column.nodes("enum")]
    if values:
        rules.append(("expect_column_values_to_be_in_set", {"column": name, "value_set": values}))
    rules += [(kind, {"column": name, **bounds}) for kind, bounds in _rules_of_options(column)]
    _use_types(column)
    return rules


def _rules_of_options(column: ContractNode) -> list[Rule]:
    options, logical = column.node("logicalTypeOptions"), column.peek("logicalType")
    rules: list[Rule] = []
    lengths = {word: options.take(key) for word, key in _LENGTHS if key in options}
    if lengths:
        rules.append(("expect_column_value_lengths_to_be_between", lengths))
    for bounds, strictness in ((_BOUNDS, {}), (_EXCLUSIVE_BOUNDS, _STRICT)):
        within = {word: options.take(key) for word, key in bounds if _is_bound(options.peek(key), logical)}
        strict = {strictness[word]: True for word in within if word in strictness}
        if within:
            rules.append(("expect_column_values_to_be_between", {**within, **strict}))
    if isinstance(options.peek("pattern"), str) and is_regex(options.peek("pattern")):
        rules.append(("expect_column_values_to_match_regex", {"regex": options.take("pattern")}))
    return rules


def _is_bound(value: object, logical: str | None) -> bool:
    """Tell whether a value can bound a column of a logical type: a number, or the ISO text of a day or moment."""
    if logical in ("date", "timestamp") and isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return True
    return logical in (None, "integer", "number") and isinstance(value, (int, float)) and not isinstance(value, bool)


def _use_types(column: ContractNode) -> None:
    """Note what says which type a column has as used, at any depth: tables are compared with it."""
    column.use(*_COLUMN_WORDS)
    options = column.node("logicalTypeOptions")
    options.use("timezone", *(["defaultTimezone"] if options.peek("defaultTimezone") in _UTC else []))
    inner = [*column.nodes("properties"), *([column.node("items")] if "items" in column else [])]
    for each in inner:
        _use_types(each)


def _key_rules(columns: list[ContractNode], names: Mapping[str, str]) -> list[Expect]:
    parts = [column for column in columns if column.take("primaryKey") is True]
    parts.sort(key=lambda column: column.take("primaryKeyPosition") or 0)
    keyed = [names[column.peek("name")] for column in parts]
    if len(keyed) == 1:
        return [Expect("expect_column_values_to_be_unique", column=keyed[0])]
    return [Expect("expect_compound_columns_to_be_unique", column_list=keyed)] if keyed else []
