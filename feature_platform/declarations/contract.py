"""A data contract, as far as a source can keep it: what one table of it says, and what of that is left out."""

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_platform.contracts.columns import CLOCK, TYPES, column_name
from feature_platform.contracts.document import load_document
from feature_platform.contracts.node import ContractNode
from feature_platform.declarations.contract_rules import join_rules, names_of_columns, rules_of_table
from feature_platform.declarations.expectation import Expect
from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import ContractPartlyMapped, ContractRefused, InvalidDeclaration, join_names

_IDENTITY = ("apiVersion", "kind", "id", "name", "version", "contractCreatedTs")
_MAIL = re.compile(r"[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+")
_UNITS = {
    "s": ("s", "sec", "second", "seconds"),
    "m": ("min", "minute", "minutes"),
    "h": ("h", "hr", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "wk", "week", "weeks"),
}
_PARTS = {"w": ("d", 7), "d": ("h", 24), "h": ("m", 60), "m": ("s", 60)}


@dataclass(frozen=True)
class DataContract:
    """What a contract says of one table.

    Attributes:
        columns: the properties of the table, as the contract has them.
        exact: whether its physical types are those of Polars, as contracts of the platform have them.
        words: what it says of a source: `event_time`, `known_at`, `freshness`, `owner`, `description`.
        servers: where it says that the data is; a hint for the connector.
        left_out: what the platform does not act on, by its place in the contract.
    """

    path: Path
    table: str
    columns: Sequence[Mapping[str, Any]]
    exact: bool
    expectations: tuple[Expect, ...]
    words: Mapping[str, str]
    servers: Sequence[Mapping[str, Any]]
    left_out: Mapping[str, Any]

    def warn_of_left_out(self, stacklevel: int) -> None:
        """Warn of what is left out, once for the contract; nothing when it is nothing."""
        if self.left_out:
            warnings.warn(ContractPartlyMapped(self.path, list(self.left_out)), stacklevel=stacklevel + 1)

    def column(self, name: str) -> Mapping[str, Any] | None:
        """Return a column by its name in the data; None when there is none."""
        return next((each for each in self.columns if column_name(each) == name), None)


def read_contract(path: str | os.PathLike[str], table: str | None = None) -> DataContract:
    """Read what a contract says of one of its tables, by default of its only one.

    Raises:
        ContractRefused: it cannot be read, or says what cannot be; the file and the field are named.
    """
    file = Path(path)
    root = ContractNode(load_document(file), file)
    root.use(*_IDENTITY, "servers", *(["status"] if root.peek("status") == "active" else []))
    chosen = _choose_table(root, table)
    chosen.use("name", "physicalName", "physicalType", "logicalType")
    expectations, types = rules_of_table(chosen), _custom_values(root, TYPES)
    words = {
        **_clocks(chosen),
        "freshness": _freshness(root, chosen),
        "owner": _owner(root),
        "description": chosen.text("description") or root.node("description").text("purpose"),
    }
    return DataContract(
        file,
        str(chosen.peek("name")),
        chosen.peek("properties") or (),
        types == ["polars"],
        expectations,
        {word: value for word, value in words.items() if value is not None},
        root.peek("servers") or (),
        root.left_out(),
    )


def tables_of_contract(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the tables in a contract.

    Raises:
        ContractRefused: it cannot be read; the file and the field are named.
    """
    return [str(each["name"]) for each in load_document(Path(path)).get("schema") or ()]


def words_of_source(contract: DataContract, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words of a source: what the contract says, and what the user does instead.

    Raises:
        ContractRefused: the event time is no column of the contract, or no timestamp.
    """
    rules = join_rules(contract.expectations, given.get("expectations", ()))
    words = {**contract.words, **given, "expectations": rules}
    for word in ("event_time", "known_at"):
        if words.get(word) is not None and contract.columns and given.get("prepare") is None:
            _check_clock(contract, word, words[word])
    return words


def _check_clock(contract: DataContract, word: str, name: str) -> None:
    field, column = f"{contract.table}.{name}", contract.column(name)
    if column is None:
        found = f"is no column of the contract, and {word} is to be read from it"
        known = join_names(column_name(each) for each in contract.columns)
        raise ContractRefused(contract.path, field, found, f"The table has: {known}. Or make it in `prepare`.")
    if column.get("logicalType", "timestamp") != "timestamp":
        found = f"is of type {column['logicalType']}, and {word} is a timestamp"
        raise ContractRefused(contract.path, field, found, "Name another column, or make it a time in `prepare`.")


def _choose_table(root: ContractNode, table: str | None) -> ContractNode:
    tables = root.nodes("schema")
    names = [str(each.peek("name")) for each in tables]
    wanted = [each for each in tables if table in (each.peek("name"), each.peek("physicalName"))] if table else tables
    if len(wanted) != 1:
        found = "names no table" if not tables else f"has the tables {', '.join(names)}"
        if table and tables:
            found += f", and not one `{table}`"
        raise root.refuse("schema", found, 'Choose one: table="name".' if tables else "Describe the table.")
    for each in tables:
        if each is not wanted[0]:
            each.ignore()
    return wanted[0]


def _custom_values(node: ContractNode, name: str) -> list[Any]:
    """Return the values of our own custom property; those of others are left out."""
    values = []
    for each in node.nodes("customProperties"):
        if each.peek("property") == name:
            each.use("property")
            values.append(each.take("value"))
        else:
            each.leave_out()
    return values


def _clocks(table: ContractNode) -> dict[str, str]:
    clocks: dict[str, str] = {}
    columns = table.nodes("properties")
    names = names_of_columns(columns)
    for column in columns:
        for word in _custom_values(column, CLOCK):
            if word not in ("event_time", "known_at") or word in clocks:
                raise column.refuse(
                    "customProperties", f"says {CLOCK}: {word}", "Say event_time or known_at, each once."
                )
            clocks[word] = names[column.peek("name")]
    return clocks


def _owner(root: ContractNode) -> str | None:
    """Return the team, else the member whose role it is to own the data, when named by an e-mail address."""
    if isinstance(root.peek("team"), list):  # as before version 3.1
        return _owning_member(root.nodes("team"))
    team = root.node("team")
    name = team.text("name")
    if name:
        return f"team:{name}"
    return _owning_member(team.nodes("members"))


def _owning_member(members: Sequence[ContractNode]) -> str | None:
    for member in members:
        name = str(member.peek("username"))
        if "owner" in str(member.peek("role") or "").lower() and _MAIL.fullmatch(name):
            member.use("username", "role")
            return name
    return None


def _freshness(root: ContractNode, table: ContractNode) -> str | None:
    """Return the latency that a contract promises of a table, as a duration; others stay left out."""
    name = table.peek("name")
    found: str | None = None
    for level in root.nodes("slaProperties"):
        element = str(level.peek("element") or name)
        if level.peek("property") != "latency" or found is not None or element.split(".")[0] not in (name, ""):
            level.leave_out()
            continue
        found = _duration(level)
        if found is None:
            level.leave_out()
        level.use("property", "value", "unit", "element")
    return found


def _duration(level: ContractNode) -> str | None:
    """Return a length such as `36h`; None for a unit that the platform does not have, such as months.

    Raises:
        ContractRefused: it is no length of time.
    """
    value, said = level.peek("value"), str(level.peek("unit") or "d").lower()
    unit = next((unit for unit, words in _UNITS.items() if said in words), None)
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value):
        value = float(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
    wrong = level.refuse("value", f"is {value!r}, no length of time", "Write a number above 0 and its unit, e.g. `d`.")
    if not is_number:
        raise wrong
    while unit in _PARTS and value != int(value):
        unit, value = _PARTS[unit][0], value * _PARTS[unit][1]
    if unit is None or value != int(value):
        return None
    try:
        microseconds(f"{int(value)}{unit}", level.field)
    except InvalidDeclaration as error:  # longer than any history
        raise wrong from error
    return f"{int(value)}{unit}"
