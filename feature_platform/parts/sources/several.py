"""Several files as one table: which columns they have together, and how each file is brought to them.

Files are taken in the order of their names. A column that a later file adds is null in the earlier ones; one that a
later file lacks is an error, since a renamed column looks like that. A column without a value has the type Null, which
says nothing.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration, SourceUnreadable

NewColumns = Literal["add", "refuse"]
NEW_COLUMNS: tuple[NewColumns, ...] = get_args(NewColumns)
_UNITS = ("ms", "us", "ns")  # of times, the finest last


def validate_new_columns(kind: str, value: object) -> NewColumns:
    """Return what is done with columns that later files add.

    Raises:
        InvalidDeclaration: it is neither `add` nor `refuse`.
    """
    for known in NEW_COLUMNS:
        if value == known:
            return known
    raise InvalidDeclaration(f"Connector {kind}", f"has new_columns={value!r}", 'Write "add" or "refuse".')


class SharedColumns:
    """The columns of files that are seen one after the other.

    Args:
        owner: the source's name, for errors.
        location: where all of the files are.
        remedy: what would do about a column of two types.
        new_columns: whether later files may add columns.
    """

    def __init__(
        self,
        owner: str,
        location: str,
        remedy: str,
        new_columns: NewColumns = "add",
    ) -> None:
        self.types: dict[str, pl.DataType] = {}
        self._alike: list[tuple[Mapping[str, pl.DataType], list[str]]] = []  # runs of files with the same columns
        self._owner, self._location, self._remedy = owner, location, remedy
        self._new_columns = new_columns

    def add_file(self, file: str, schema: Mapping[str, pl.DataType]) -> None:
        """Take in the columns of a file.

        Raises:
            SourceUnreadable: it lacks a column that an earlier one has, has another type, or adds a column although
                that is refused; names both files and the column.
        """
        if self._alike and (schema is self._alike[-1][0] or dict(schema) == dict(self._alike[-1][0])):
            self._alike[-1][1].append(file)
            return
        for column, dtype in self.types.items():
            if column not in schema:
                found = f"has no such column where {self._files_with(column)[0]} has {column}: {dtype}"
                raise self._mismatch(file, found, "Add the column to the file, without values; or declare two sources.")
        for column, dtype in schema.items():
            if column in self.types:
                self._add_type(file, column, dtype)
            elif self._alike and self._new_columns == "refuse":
                found = f"has {column}: {dtype} where {self._alike[-1][1][-1]} has no such column"
                raise self._mismatch(file, found, 'Take new columns in by new_columns="add".')
            else:
                self.types[column] = dtype
        self._alike.append((schema, [file]))

    def _add_type(self, file: str, column: str, dtype: pl.DataType) -> None:
        known = self.types[column]
        shared = _type_of_both(known, dtype)
        if shared is None:
            found = f"has {column}: {dtype} where {self._files_with(column)[0]} has {column}: {known}"
            raise self._mismatch(file, found, self._remedy)
        self.types[column] = shared

    def _files_with(self, column: str) -> list[str]:
        """Return the files that a column has its type from."""
        known = self.types[column]
        alike = [
            each
            for each in self._alike
            if each[0].get(column, pl.Null()) != pl.Null and _type_of_both(each[0][column], known)
        ]
        return [file for _, files in alike for file in files]

    def _mismatch(self, file: str, found: str, remedy: str) -> SourceUnreadable:
        return SourceUnreadable(self._owner, self._location, f"its files differ, {file} {found}", remedy)


def bring_to_schema(
    frame: pl.LazyFrame, found: Mapping[str, pl.DataType], wanted: Mapping[str, pl.DataType]
) -> pl.LazyFrame:
    """Return a file's rows with the columns of all files; a frame that has them in their order is left as it is.

    A column of another type than wanted has no value, or is a time of a coarser unit.
    """
    if list(found.items()) == list(wanted.items()):
        return frame
    return frame.select(_bring(name, found.get(name), dtype) for name, dtype in wanted.items())


def _bring(name: str, found: pl.DataType | None, wanted: pl.DataType) -> pl.Expr:
    if found is None:
        return pl.lit(None, dtype=wanted).alias(name)
    return pl.col(name) if found == wanted else pl.col(name).cast(wanted)


def _type_of_both(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """Return the type that holds the values of both without loss; None where that takes a decision."""
    if one == other or isinstance(other, pl.Null):
        return one
    if isinstance(one, pl.Null):
        return other
    if isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime) and one.time_zone == other.time_zone:
        return max(one, other, key=lambda each: _UNITS.index(each.time_unit))
    return None
