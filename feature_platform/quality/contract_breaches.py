"""What a source breaks of a data contract: columns of its table, expectations, clocks, freshness. Rows are not read.

Whether the rows keep the expectations is judged at each run, before they are published.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from feature_platform.contracts.columns import column_name, find_type_fault
from feature_platform.declarations.contract import DataContract
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.source import Source
from feature_platform.ground.clock import microseconds
from feature_platform.ground.findings import rank
from feature_platform.quality.suites import suite_of

Entry = Mapping[str, Any]  # an expectation as a suite has it
_BOUNDS = ("min_value", "max_value", "strict_min", "strict_max")
_LOOSE = (*_BOUNDS, "mostly", "value_set")


def find_breaches(contract: DataContract, source: Source, schema: pl.Schema | None) -> list[str]:
    """Return what a source breaks of a contract, a sentence each; nothing when it keeps it.

    Args:
        schema: the columns of its table. None: only the declaration is compared.
    """
    columns = [] if schema is None else _column_breaches(contract, schema)
    return [
        *columns,
        *_clock_breaches(contract, source),
        *_freshness_breaches(contract, source),
        *_rule_breaches(contract, source),
    ]


def _column_breaches(contract: DataContract, schema: pl.Schema) -> Iterator[str]:
    for column in contract.columns:
        name = column_name(column)
        if name not in schema:
            yield f"column `{name}` is missing"
        elif (fault := find_type_fault(column, schema[name], exact=contract.exact)) is not None:
            yield f"column `{name}` {fault}"


def _clock_breaches(contract: DataContract, source: Source) -> Iterator[str]:
    for word, found in (("event_time", source.event_time), ("known_at", source.known_at)):
        wanted = contract.words.get(word)
        if wanted is not None and wanted != found:
            yield f"{word} is {f'`{found}`' if found else 'not declared'}, not `{wanted}`"


def _freshness_breaches(contract: DataContract, source: Source) -> Iterator[str]:
    wanted = contract.words.get("freshness")
    if wanted is None:
        return
    if source.freshness is None:
        yield f"freshness is not declared; the contract promises {wanted}"
    elif microseconds(source.freshness, source.name) > microseconds(wanted, source.name):
        yield f"freshness is {source.freshness}; the contract promises {wanted}"


def _rule_breaches(contract: DataContract, source: Source) -> Iterator[str]:
    own = _entries_of(source.expectations, source.name)
    for rule, wanted in zip(contract.expectations, _entries_of(contract.expectations, source.name), strict=True):
        faults = [weaknesses for each in own if (weaknesses := _weaknesses_of(each, wanted)) is not None]
        about = f"expectation {rule.type} on {', '.join(rule.subject) or 'the table'}"
        if not faults:
            yield f"{about} is missing"
        elif least := sorted(faults, key=len)[0]:
            yield f"{about} is weaker: {'; '.join(least)}"


def _entries_of(expectations: Iterable[Expect], name: str) -> list[Entry]:
    entries: list[Entry] = json.loads(suite_of(expectations, name))["expectations"]
    return entries


def _weaknesses_of(own: Entry, wanted: Entry) -> list[str] | None:
    """Return in what a declared expectation asks for less than a wanted one; None when it is about something else."""
    if own["type"] != wanted["type"] or _rest(own) != _rest(wanted):
        return None
    mine, theirs = own["kwargs"], wanted["kwargs"]
    faults = []
    if rank(own["severity"]) < rank(wanted["severity"]):
        faults.append(f"its severity is {own['severity']}, not {wanted['severity']}")
    kept, promised = (1 if each.get("mostly") is None else each["mostly"] for each in (mine, theirs))
    if kept < promised:
        faults.append(f"mostly is {kept}, not {promised}")
    for bound, strict, is_lower in (("min_value", "strict_min", True), ("max_value", "strict_max", False)):
        low, high = (theirs, mine) if is_lower else (mine, theirs)
        if not _is_ordered(low.get(bound), high.get(bound), wanted=theirs.get(bound)) or (
            theirs.get(strict) and not mine.get(strict) and mine.get(bound) == theirs.get(bound)
        ):
            faults.append(f"{bound} is {mine.get(bound)}, not {theirs.get(bound)}")
    if not _keeps_values(own["type"], mine.get("value_set"), theirs.get("value_set")):
        faults.append(f"value_set is {mine.get('value_set')}, not {theirs.get('value_set')}")
    return faults


def _rest(entry: Entry) -> dict[str, Any]:
    """Return the arguments that must be the same: those besides limits."""
    return {key: value for key, value in entry["kwargs"].items() if key not in _LOOSE and value is not None}


def _is_ordered(low: Any, high: Any, *, wanted: Any) -> bool:
    """Tell whether two bounds are in order, none being no bound; bounds of different kinds are not compared."""
    if wanted is None or low == high:
        return True
    numbers = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in (low, high))
    texts = isinstance(low, str) and isinstance(high, str) and len(low) == len(high)  # ISO texts of one form
    return (numbers or texts) and bool(low < high)


def _keeps_values(kind: str, mine: Any, theirs: Any) -> bool:
    if mine == theirs:
        return True
    if not isinstance(mine, list) or not isinstance(theirs, list):
        return False
    if kind == "expect_column_values_to_be_in_set":
        return all(value in theirs for value in mine)
    return kind == "expect_column_values_to_not_be_in_set" and all(value in mine for value in theirs)
