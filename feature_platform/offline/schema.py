"""The types and changes that a table allows: schemas are compared before every write.

delta-rs casts silently (1.5 appended to an integer column becomes 1), so nothing is left to it. A new column is
allowed, and old rows are null there; a column that vanishes or changes its type is an error. So is a name that would
make the table unreadable: names are checked before the first row is staged.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

import polars as pl
from deltalake import Field, Schema
from deltalake.schema import ArrayType, PrimitiveType, StructType

from feature_platform.ground.content import as_dtype, list_of_pairs
from feature_platform.ground.errors import ColumnCollision, SchemaChanged, WrongColumnName, WrongColumnType

_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff]")  # control characters, and the mark that opens a file

_WIDER: dict[type[pl.DataType], pl.DataType] = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Int64(),
    pl.Float16: pl.Float32(),
    pl.Categorical: pl.String(),
    pl.Enum: pl.String(),
}
_AS_THEY_ARE = (
    pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64,
    pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Decimal,
)  # fmt: skip
_PRIMITIVE: dict[type[pl.DataType], str] = {
    pl.Int8: "byte",
    pl.Int16: "short",
    pl.Int32: "integer",
    pl.Int64: "long",
    pl.Float32: "float",
    pl.Float64: "double",
    pl.Boolean: "boolean",
    pl.String: "string",
    pl.Binary: "binary",
    pl.Date: "date",
}
_REMEDIES: dict[type[pl.DataType], str] = {
    pl.Null: "Give it a type, e.g. `pl.lit(None, dtype=pl.Float64)`.",
    pl.Duration: "Store a number, e.g. `.dt.total_microseconds()`.",
    pl.Time: "Store a number, e.g. `.to_physical()` (nanoseconds since midnight), or text.",
    pl.Object: "Turn the Python objects into text, numbers or structs.",
    pl.Struct: "Give the struct a field, or drop the column.",
    pl.Datetime: 'Store UTC microseconds: `.dt.convert_time_zone("UTC").dt.cast_time_unit("us")`.',
}

_RENAME_FIELDS = "Give the struct fields with other names, e.g. by `.struct.rename_fields([...])`."


def make_storable(table: str, frame: pl.DataFrame, table_schema: pl.Schema | None = None) -> pl.DataFrame:
    """Return the frame in types that Delta holds; a column that is null throughout takes the type of the table.

    Lossless changes of type are made: unsigned integers become the next wider signed ones (`UInt64` becomes `Int64`
    while every value fits), `Float16` becomes `Float32`, `Categorical` and `Enum` become `String`, `Array` becomes
    `List`, `Map` a `List` of pairs, milliseconds become microseconds, and so do nanoseconds if they are whole
    microseconds; also inside lists and structs. Naive datetimes stay naive (a wall clock); the source decides which
    columns are clocks and so need UTC. Everything else (`Null`, `Duration`, `Time`, `Int128`, zones other than UTC,
    objects) is `WrongColumnType`.

    >>> import polars as pl
    >>> make_storable("views/x", pl.DataFrame({"count": pl.Series([1], dtype=pl.UInt32)})).dtypes
    [Int64]
    """
    schema = frame.schema  # once: Polars makes it anew from all columns each time it is asked
    check_names(table, schema, table_schema or ())
    types = {
        name: _storable_type(table, name, dtype, None if table_schema is None else table_schema.get(name))
        for name, dtype in schema.items()
    }
    changed = {name: dtype for name, dtype in types.items() if dtype != schema[name]}
    if not changed:
        return frame
    times = {name: dtype for name, dtype in changed.items() if _has_other_units(schema[name])}
    others = {name: dtype for name, dtype in changed.items() if name not in times}
    try:
        stored = frame.cast(others)  # type: ignore[arg-type]
    except pl.exceptions.InvalidOperationError as overflow:
        raise WrongColumnType(
            f"Table `{table}`",
            ", ".join(others),
            "beyond the range of Int64",
            "a value that fits",
            str(overflow).splitlines()[0],
        ) from overflow
    return stored.with_columns(_whole_times(table, frame[name], dtype) for name, dtype in times.items())


def check_names(table: str, columns: pl.Schema, table_columns: Iterable[str] = ()) -> None:
    """Refuse names that a table cannot hold, of columns and of the fields inside them.

    Control characters come from files that were read in the wrong encoding, and a table with a NUL in a name can never
    be read again. Names that the table has already are not checked.

    Raises:
        WrongColumnName: a name is empty or holds a control character or a byte order mark.
        ColumnCollision: names differ in case only.

    >>> check_names("views/x", pl.Schema({"total": pl.Int64()}))
    """
    table_names = set(table_columns)
    for name in columns:
        if name not in table_names and (not name or _UNREADABLE.search(name)):
            raise WrongColumnName(f"Table `{table}`", name, _fault_of_name(name), _renaming_hint(name))
    _refuse_twins(f"Table `{table}`", columns)
    for name, dtype in columns.items():
        for fields in _fields_within(dtype):
            for field in fields:
                if _UNREADABLE.search(field):
                    raise WrongColumnName(
                        f"Table `{table}`, column `{name}`", field, _fault_of_name(field), _RENAME_FIELDS
                    )
            _refuse_twins(f"Table `{table}`, column `{name}`", fields)


def added_columns(table: str, table_schema: pl.Schema, schema: pl.Schema, *, complete: bool = True) -> list[str]:
    """Return the columns that a write would add; `SchemaChanged` names all that vanished or changed their type.

    Units and zones count as types. With `complete=False` (logs) columns may be left out and read as null.

    >>> import polars as pl
    >>> added_columns("runs", pl.Schema({"a": pl.Int64}), pl.Schema({"a": pl.Int64, "b": pl.String}))
    ['b']
    """
    missing = [f"column `{name}` ({dtype}) is missing" for name, dtype in table_schema.items() if name not in schema]
    retyped = [
        f"column `{name}` is {schema[name]}, the table has {dtype}"
        for name, dtype in table_schema.items()
        if name in schema and schema[name] != dtype
    ]
    changes = (missing if complete else []) + retyped
    if changes:
        raise SchemaChanged(table, changes)
    return [name for name in schema if name not in table_schema]


def delta_schema(
    columns: pl.Schema, table_schema: Schema | None = None, comments: Mapping[str, str] | None = None
) -> Schema:
    """Return storable columns as a Delta schema; columns of the table stay as they are, new ones come last.

    Args:
        comments: what people should know of columns, and others have no comment; None to leave comments as they are.

    >>> import polars as pl
    >>> delta_schema(pl.Schema({"x": pl.Int64()})).fields[0].type
    PrimitiveType("long")
    """
    fields = [] if table_schema is None else list(table_schema.fields)
    names = {field.name for field in fields}
    added = [Field(name, _delta_type(dtype)) for name, dtype in columns.items() if name not in names]
    every = [*fields, *added]
    return Schema(every if comments is None else [_with_comment(each, comments.get(each.name)) for each in every])


def _with_comment(field: Field, comment: str | None) -> Field:
    others = {name: value for name, value in field.metadata.items() if name != "comment"}
    metadata = {**others, "comment": comment} if comment else others
    return Field(field.name, field.type, nullable=field.nullable, metadata=metadata)


def has_wall_clock(dtype: pl.DataType) -> bool:
    """Tell whether a type holds times without a zone, which Delta treats as a feature that a table must name."""
    match dtype:
        case pl.Datetime():
            return dtype.time_zone is None
        case pl.List():
            return has_wall_clock(as_dtype(dtype.inner))
        case pl.Struct():
            return any(has_wall_clock(as_dtype(field.dtype)) for field in dtype.fields)
        case _:
            return False


def _has_other_units(dtype: pl.DataType) -> bool:
    """Tell whether a type holds times in another unit than microseconds."""
    match dtype:
        case pl.Datetime():
            return dtype.time_unit != "us"
        case pl.List() | pl.Array():
            return _has_other_units(as_dtype(dtype.inner))
        case pl.Struct():
            return any(_has_other_units(as_dtype(field.dtype)) for field in dtype.fields)
        case _:
            return False


def _whole_times(table: str, column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return times in microseconds.

    Raises:
        WrongColumnType: a time is not a whole microsecond; names the column and the row.
    """
    stored = column.cast(dtype, strict=False)  # in strict mode Polars panics at a time that it cannot print
    lost = stored.cast(column.dtype, strict=False).ne_missing(column)
    if lost.any():
        raise WrongColumnType(
            f"Table `{table}`",
            column.name,
            f"{column.dtype} and row {lost.arg_max()} holds no whole microsecond, or a time beyond their range",
            "a time in whole microseconds",
            f'Cut it, e.g. `pl.col({column.name!r}).dt.cast_time_unit("us")`, or leave the row out.',
        )
    return stored


def _delta_type(dtype: pl.DataType) -> PrimitiveType | ArrayType | StructType:
    match dtype:
        case pl.Datetime():
            return PrimitiveType("timestamp" if dtype.time_zone else "timestamp_ntz")
        case pl.Decimal():
            return PrimitiveType(f"decimal({dtype.precision},{dtype.scale})")
        case pl.List():
            return ArrayType(_delta_type(as_dtype(dtype.inner)), contains_null=True)
        case pl.Struct():
            return StructType([Field(field.name, _delta_type(as_dtype(field.dtype))) for field in dtype.fields])
        case _:
            return PrimitiveType(_PRIMITIVE[type(dtype)])


def _storable_type(table: str, column: str, dtype: pl.DataType, table_dtype: pl.DataType | None = None) -> pl.DataType:
    if isinstance(dtype, pl.Null) and table_dtype is not None:
        return table_dtype
    match dtype:
        case pl.Datetime(time_zone=None | "UTC"):
            return pl.Datetime("us", dtype.time_zone)
        case pl.Map():
            return _storable_type(table, column, list_of_pairs(dtype))
        case pl.List() | pl.Array():
            return pl.List(_storable_type(table, column, as_dtype(dtype.inner)))
        case pl.Struct() if dtype.fields:
            return pl.Struct(
                {field.name: _storable_type(table, column, as_dtype(field.dtype)) for field in dtype.fields}
            )
        case _ if isinstance(dtype, _AS_THEY_ARE):
            return dtype
        case _ if type(dtype) in _WIDER:
            return _WIDER[type(dtype)]
    remedy = _REMEDIES.get(type(dtype), f"Cast it, e.g. `pl.col({column!r}).cast(pl.Int64)` or `.cast(pl.String)`.")
    raise WrongColumnType(f"Table `{table}`", column, dtype, "a type that Delta can hold", remedy)


def _fault_of_name(name: str) -> str:
    if not name:
        return "is empty"
    return "holds a control character or a byte order mark; perhaps the file was read in the wrong encoding"


def _renaming_hint(name: str) -> str:
    renamed = f"`.rename({{{name[:100]!r}: 'x'}})`"
    return f"Rename it in `prepare`, e.g. {renamed}, drop it with `pl.exclude`, or mend the file."


def _fields_within(dtype: pl.DataType) -> Iterator[list[str]]:
    """Yield the names of the fields of each struct, at any depth of a type."""
    if isinstance(dtype, (pl.List, pl.Array)):
        yield from _fields_within(as_dtype(dtype.inner))
    elif isinstance(dtype, pl.Struct):
        yield [field.name for field in dtype.fields]
        for field in dtype.fields:
            yield from _fields_within(as_dtype(field.dtype))


def _refuse_twins(owner: str, names: Iterable[str]) -> None:
    """Raise if two names differ only in case: Delta does not tell `A` from `a`."""
    by_lower_case: dict[str, str] = {}
    for name in names:
        if name.lower() in by_lower_case:
            raise ColumnCollision(owner, [by_lower_case[name.lower()], name], "Delta ignores case: rename one of them.")
        by_lower_case[name.lower()] = name
