"""The types of Postgres: in which SQL a column is selected, and in which type of Polars it is handed on.

What the driver would change silently is selected as text: intervals, times of day, uuids, ranges and all that is not
named here. Infinite times are null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from feature_platform.ground import clock
from feature_platform.parts.sources.database.columns import ZONES_MARGIN_US, Column, Comparison
from feature_platform.parts.sources.typed import holds

_MOST_DIGITS = 38
_PLAIN: Mapping[str, tuple[pl.DataType, Comparison | None]] = {
    "int2": (pl.Int16(), "whole"),
    "int4": (pl.Int32(), "whole"),
    "int8": (pl.Int64(), "whole"),
    "float4": (pl.Float32(), None),
    "float8": (pl.Float64(), None),
    "bool": (pl.Boolean(), "truth"),
    "text": (pl.String(), "text"),
    "varchar": (pl.String(), "text"),
    "bpchar": (pl.String(), "text"),
    "name": (pl.String(), "text"),
    "bytea": (pl.Binary(), None),
}
_ITEMS: Mapping[str, pl.DataType] = {
    f"_{name}": dtype for name, (dtype, _) in _PLAIN.items() if name not in ("name", "bytea")
}
_BEHIND = """LEFT JOIN pg_type b ON b.oid = t.typbasetype AND t.typtype = 'd'
            LEFT JOIN pg_type e ON e.oid = coalesce(b.typelem, t.typelem)"""
_LAST_TIME = "294246-12-31"  # the driver counts microseconds from 1970 on, in 64 bits
FAILING = 'invalid input syntax for type integer: "'  # what the server says before what `_failing` was given
_TIMES = ("date", "timestamp", "timestamptz")


@dataclass(frozen=True)
class CatalogueRow:
    """A column as the catalogue of the database has it.

    Attributes:
        type_name: of a domain, that of the type behind it.
        modifier: of the type, such as the digits of a numeric; -1 without.
        category: one letter; `A` for arrays.
        item_name: the type of the items of an array.
        kind: `d` for a domain over a domain, which is read as text.
    """

    name: str
    type_name: str
    modifier: str
    category: str
    item_name: str
    kind: str


def quote_name(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def columns_of_table(relation: str) -> str:
    """Return the SELECT of the columns of a table, as `CatalogueRow` and the kind of the table.

    Args:
        relation: its quoted name as a literal.
    """
    return f"""
        SELECT a.attname::text AS name, coalesce(b.typname, t.typname)::text AS type_name,
            CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END::text AS modifier,
            coalesce(b.typcategory, t.typcategory)::text AS category, coalesce(e.typname, '')::text AS item_name,
            coalesce(b.typtype, t.typtype)::text AS kind, c.relkind::text AS relation
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
            {_BEHIND}
        WHERE a.attrelid = to_regclass({relation}) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""


def columns_of_query(query: str, names: Sequence[str] | None = None) -> str:
    """Return the SELECT of the names of a query's columns, or of `CatalogueRow` for known names; it is not executed."""
    empty = f"(SELECT fp_rows.* FROM (SELECT 1) one LEFT JOIN {query} ON false) empty"
    if names is None:
        return f"SELECT j.key::text FROM {empty}, json_each(row_to_json(empty)) j"
    places = ", ".join(
        f"({place}, {_text(name)}, pg_typeof(empty.{quote_name(name)}))" for place, name in enumerate(names)
    )
    return f"""
        SELECT v.name::text AS name, coalesce(b.typname, t.typname)::text AS type_name,
            CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE -1 END::text AS modifier,
            coalesce(b.typcategory, t.typcategory)::text AS category, coalesce(e.typname, '')::text AS item_name,
            coalesce(b.typtype, t.typtype)::text AS kind
        FROM {empty}, LATERAL (VALUES {places}) v(place, name, type) JOIN pg_type t ON t.oid = v.type
            {_BEHIND}
        ORDER BY v.place"""


def column_of(row: CatalogueRow, wanted: pl.DataType | None, time_zone: str | None) -> tuple[Column | None, str]:
    """Return a column as it is read, or None and why it cannot be without a type that says more.

    Args:
        wanted: the type that was given for it.
        time_zone: of times without one.
    """
    found = _column(row, time_zone)
    if wanted is None or (found is not None and found.dtype == wanted):
        return found, _doubt(row)
    raw = quote_name(row.name)
    if isinstance(wanted, pl.String):
        return Column(row.name, pl.String(), raw, f"{raw}::text AS {raw}"), ""
    if row.type_name == "numeric" or (found is not None and isinstance(found.dtype, pl.Decimal)):
        return _numeric(row, wanted), f"column `{row.name}` is numeric, which cannot be read as {wanted} without loss"
    if found is None or found.zone is not None or not holds(wanted, found.dtype):
        natural = row.type_name if found is None else found.dtype
        return None, f"column `{row.name}` is {natural}, which cannot be read as {wanted} without loss"
    return Column(row.name, wanted, raw, found.selected), ""


def _column(row: CatalogueRow, time_zone: str | None) -> Column | None:
    name, raw, kind = row.name, quote_name(row.name), row.type_name
    if row.kind == "d":
        return Column(name, pl.String(), raw, f"{raw}::text AS {raw}")
    if kind in _PLAIN:
        return Column(name, _PLAIN[kind][0], raw, raw, _PLAIN[kind][1])
    if kind in _TIMES:
        return _time(row, time_zone)
    if kind == "oid":
        return Column(name, pl.Int64(), raw, f"{raw}::bigint AS {raw}")
    if kind == "numeric":
        digits, places = _digits(row)
        return Column(name, pl.Decimal(digits, places), raw, raw) if 0 <= places <= digits <= _MOST_DIGITS else None
    if kind == "money":
        return None
    if row.category == "A":
        return _array(row)
    return Column(name, pl.String(), raw, f"{raw}::text AS {raw}")


def _time(row: CatalogueRow, time_zone: str | None) -> Column:
    raw = quote_name(row.name)
    finite = f"nullif(nullif({raw}, 'infinity'), '-infinity')"
    if row.type_name == "date":
        return Column(row.name, pl.Date(), raw, f"{finite} AS {raw}", "date")
    fails = _failing(f"a time beyond {_LAST_TIME} in column {row.name}", raw, row.type_name)
    selected = f"CASE WHEN {finite} > '{_LAST_TIME}' THEN {fails} ELSE {finite} END AS {raw}"
    if row.type_name == "timestamptz":
        return Column(row.name, clock.UTC, raw, selected, "instant")
    if time_zone is None:
        return Column(row.name, pl.Datetime("us"), raw, selected, "wall")
    margin = 0 if time_zone == "UTC" else ZONES_MARGIN_US
    return Column(row.name, clock.UTC, raw, selected, "utc wall", time_zone, margin)


def _array(row: CatalogueRow) -> Column:
    """Return a list; an array of several dimensions, which the driver flattens, fails in the database."""
    raw, item = quote_name(row.name), _ITEMS.get(row.type_name)
    value, kind = (raw, row.item_name) if item is not None else (f"{raw}::text[]", "text")
    fails = _failing(f"an array of several dimensions in column {row.name}", raw, f"{kind}[]")
    selected = f"CASE WHEN array_ndims({raw}) > 1 THEN {fails} ELSE {value} END AS {raw}"
    return Column(row.name, pl.List(item or pl.String()), raw, selected)


def _numeric(row: CatalogueRow, wanted: pl.DataType) -> Column | None:
    """Return a numeric column in a type that was asked for; a value that it cannot hold exactly fails when read."""
    raw = quote_name(row.name)
    if isinstance(wanted, pl.Float64):
        return Column(row.name, wanted, raw, f"{raw}::float8 AS {raw}")
    if not isinstance(wanted, pl.Decimal):
        return None
    exact = f"round({raw}, {wanted.scale})"
    found = f"a value of column {row.name} with more than {wanted.scale} decimal places"
    fails = _failing(found, raw, "numeric")
    return Column(row.name, wanted, raw, f"CASE WHEN {raw} = {exact} THEN {exact} ELSE {fails} END AS {raw}")


def _failing(found: str, raw: str, type_name: str) -> str:
    """Return SQL of a type that fails when it is computed for a row, and says what was found; SQL has no RAISE."""
    return f"(({_text(f'{found}: ')} || {raw}::text)::int)::text::{type_name}"


def _digits(row: CatalogueRow) -> tuple[int, int]:
    """Return how many digits a numeric has, and how many behind the point; (0, -1) when that is not declared."""
    modifier = int(row.modifier) - 4
    if modifier < 0:
        return 0, -1
    places = modifier & 0x7FF
    return (modifier >> 16) & 0xFFFF, places - 0x800 if places >= 0x400 else places


def _doubt(row: CatalogueRow) -> str:
    if row.type_name == "numeric":
        return f"column `{row.name}` is numeric without a precision of at most {_MOST_DIGITS} digits"
    return f"column `{row.name}` is {row.type_name}, whose values depend on settings of the server"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
