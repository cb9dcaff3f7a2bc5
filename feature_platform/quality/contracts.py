"""A source written as a data contract (ODCS 3.1): what its table promises to those who read it.

What the standard can say is said in its words, so that other tools read it; each expectation stands there in Great
Expectations' words, too, so that `Source.from_contract` reads back the same.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from feature_platform.contracts.columns import CLOCK, TYPES, describe_column
from feature_platform.contracts.document import WRITTEN_VERSION, print_document
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.source import Source
from feature_platform.parts.sources import Connector, Kafka
from feature_platform.quality.suites import suite_of

_SEVERITY = {"critical": "error", "warning": "warning", "info": "info"}
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STORES = {"s3": "s3", "s3a": "s3", "az": "azure", "azure": "azure", "abfs": "azure", "abfss": "azure"}
_FORMATS = {"csv": "csv", "deltalake": "delta", "json": "json", "parquet": "parquet"}  # by the kind of connector


def contract_of(source: Source, schema: pl.Schema, *, version: str = "1.0.0") -> str:
    """Return a source as a data contract in YAML, which is valid against the schema of the standard.

    Args:
        schema: the columns of its table.
        version: of the contract; raise it when you change what it promises.

    Raises:
        InvalidDeclaration: an expectation cannot be written.
        PackageMissing: open-data-contract-standard is not installed.
    """
    content = {
        "apiVersion": WRITTEN_VERSION,
        "kind": "DataContract",
        "id": source.asset,
        "name": source.name,
        "version": version,
        "status": "active",
        "servers": _servers(source.connector),
        "schema": [_describe_table(source, schema)],
        "team": _team(source.owner),
        "slaProperties": _latency(source),
        "customProperties": [{"property": TYPES, "value": "polars"}],
    }
    return print_document(_without_nothing(content), Path(f"{source.name}.odcs.yaml"))


def _describe_table(source: Source, schema: pl.Schema) -> dict[str, Any]:
    entries = json.loads(suite_of(source.expectations, source.name))["expectations"]
    checks: dict[str | None, list[dict[str, Any]]] = {}
    for rule, entry in zip(source.expectations, entries, strict=True):
        column = rule.kwargs.get("column")
        checks.setdefault(column if isinstance(column, str) and column in schema else None, []).append(
            _describe_check(rule, entry)
        )
    columns = [
        {**describe_column(name, dtype), **_promises(source, name), "quality": checks.get(name)}
        for name, dtype in schema.items()
    ]
    return _without_nothing(
        {
            "name": source.name,
            "physicalType": "table",
            "description": source.description,
            "properties": [_without_nothing(column) for column in columns],
            "quality": checks.get(None),
        }
    )


def _describe_check(rule: Expect, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an expectation as a check of the standard, whose implementation is that of a suite."""
    implementation = {
        "type": entry["type"],
        "kwargs": entry["kwargs"],
        **({"meta": entry["meta"]} if entry["meta"] else {}),
    }
    return {
        "name": rule.check_name,
        "type": "custom",
        "engine": "greatExpectations",
        "severity": _SEVERITY[rule.severity],
        "implementation": implementation,
    }


def _promises(source: Source, name: str) -> dict[str, Any]:
    """Return what the standard has words of its own for: whether a column is required, unique, a clock."""
    always = {
        each.type for each in source.expectations if each.severity == "critical" and each.kwargs == {"column": name}
    }
    clocks = [
        word for word, column in (("event_time", source.event_time), ("known_at", source.known_at)) if column == name
    ]
    return {
        "required": "expect_column_values_to_not_be_null" in always,
        "unique": "expect_column_values_to_be_unique" in always,
        "customProperties": [{"property": CLOCK, "value": word} for word in clocks],
    }


def _servers(connector: Connector) -> list[dict[str, Any]]:
    """Return where the raw data is, as a hint for people; no user and no option of a URL is in it."""
    if connector.kind in ("polars", "python"):  # in memory, or what a function returns
        return []
    if isinstance(connector, Kafka):
        return [{"server": "raw", "type": "kafka", "host": connector.brokers, "format": connector.format}]
    address, _, table = (
        connector.location.partition(" ") if connector.kind == "database" else (connector.location, "", "")
    )
    scheme, separator, _ = address.partition("://")
    form = _FORMATS.get(connector.kind, connector.kind)
    if not separator:
        kind = "local" if connector.kind in _FORMATS else "custom"
        return [{"server": "raw", "type": kind, "path": address, "format": form}]
    if scheme == "postgresql":
        place = urlsplit(address)
        schema = table.rpartition(".")[0] or "public"
        named = {"host": place.hostname or "localhost", "port": place.port or 5432, "database": place.path.strip("/")}
        return [{"server": "raw", "type": "postgres", **named, "schema": schema}]
    bare = re.split(r"[?#]", re.sub(r"//[^/@]*@", "//", address))[0]
    return [{"server": "raw", "type": _STORES.get(scheme, "custom"), "location": bare, "format": form}]


def _team(owner: str | None) -> dict[str, Any] | None:
    if owner is None:
        return None
    team = owner.removeprefix("team:")
    return {"name": team} if team != owner else {"members": [{"username": owner, "role": "owner"}]}


def _latency(source: Source) -> list[dict[str, Any]]:
    if source.freshness is None:
        return []
    value, unit = int(source.freshness[:-1]), _UNIT[source.freshness[-1]]
    element = source.name if source.event_time is None else f"{source.name}.{source.event_time}"
    return [{"property": "latency", "value": value, "unit": unit, "element": element}]


def _without_nothing(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value}
