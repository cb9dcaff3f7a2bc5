"""CSV files, plain, gzipped or in a zip archive.

A file that is no CSV text (a page of HTML, UTF-16, a workbook) shows in its header and is refused by name.
"""

import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration, NoRowsYet, SourceUnreadable
from feature_platform.parts.sources.base import (
    FileConnector,
    Gone,
    first_unreadable,
    reason_of,
    validate_gone,
    validate_path,
)
from feature_platform.parts.sources.several import NewColumns, SharedColumns, bring_to_schema, validate_new_columns

_REMEDY = "Check separator, quoting and null_values, or give the column's type in `types`."
_NOT_WHOLE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)  # RuntimeError: encrypted


@dataclass(frozen=True, init=False)
class Csv(FileConnector):
    """One CSV file, or several in a folder or by a `*` pattern. A `.zip` may hold one or more CSV files.

    In a folder files count that end in `.csv`, `.tsv`, either with `.gz`, `.csv.zst` or `.zip`; see `data_files` for
    patterns. A column that later files add is null in the earlier ones (`new_columns="refuse"`: an error).

    Types are inferred from all rows, so that a value far down cannot break a read; say
    `types={"column": pl.String}` where you know better. A line with too few values ends in nulls, one with
    too many is an error when the rows are collected.

    >>> Csv("data/flights-*.csv", null_values=["NA"]).location
    'data/flights-*.csv'
    """

    kind = "csv"
    endings = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".zip")

    path: str
    null_values: tuple[str, ...]
    separator: str
    types: Mapping[str, type[pl.DataType] | pl.DataType]
    new_columns: NewColumns
    gone: Gone

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        null_values: Sequence[str] = ("",),
        separator: str = ",",
        types: Mapping[str, type[pl.DataType] | pl.DataType] | None = None,
        new_columns: NewColumns = "add",
        gone: Gone = "kept",
    ) -> None:
        if isinstance(null_values, str):
            raise InvalidDeclaration(
                "Connector Csv", f"has null_values={null_values!r}", 'Give a list: null_values=["NA"].'
            )
        if not isinstance(separator, str) or len(separator.encode()) != 1:
            raise InvalidDeclaration("Connector Csv", f"has separator={separator!r}", 'Give one character, e.g. ";".')
        object.__setattr__(self, "path", validate_path("Csv", path))
        object.__setattr__(self, "null_values", tuple(null_values))
        object.__setattr__(self, "separator", separator)
        object.__setattr__(self, "types", dict(types or {}))
        object.__setattr__(self, "new_columns", validate_new_columns("Csv", new_columns))
        object.__setattr__(self, "gone", validate_gone("Connector Csv", gone))

    @property
    def reading(self) -> str:
        return f"{self.separator!r}{self.null_values!r}{sorted(self.types.items())!r}"

    def scan(self, owner: str) -> pl.LazyFrame:
        """Read lazily; see `Connector.scan`.

        Raises:
            NoRowsYet: there are headers but no row, and `types` does not give the type of every column.
        """
        members = self._all_members(owner)
        schemas = {name: self._read_schema(frame, name, owner) for name, frame in members.items()}

        def is_blank(name: str, column: str) -> bool:
            return schemas[name][column] == pl.String and _is_blank(members[name], column)

        shared = SharedColumns(owner, self.path, _REMEDY, is_blank, self.new_columns)
        for name, schema in schemas.items():
            shared.add_file(name, schema)
        untyped = {name: dtype for name, dtype in shared.types.items() if name not in self.types}
        may_be_empty = untyped and all(dtype == pl.String for dtype in untyped.values())
        if may_be_empty and all(map(_has_no_row, members.values())):
            raise NoRowsYet(owner, self.path, untyped)
        return pl.concat([bring_to_schema(frame, schemas[name], shared.types) for name, frame in members.items()])

    def culprit(self, owner: str) -> str:
        members = self._all_members(owner)
        return first_unreadable(members, self.failures) or self.location

    def _all_members(self, owner: str) -> dict[str, pl.LazyFrame]:
        return {name: frame for file in self.files(owner) for name, frame in self._members(file, owner)}

    def scan_units(
        self, owner: str, names: Sequence[str], schema: Mapping[str, pl.DataType], label: str | None = None
    ) -> pl.LazyFrame:
        frames = []
        for name in names:
            for _, member in self._members(Path(name), owner, schema):
                rows = bring_to_schema(member, member.collect_schema(), schema)
                frames.append(rows if label is None else rows.with_columns(pl.lit(name).alias(label)))
        return pl.concat(frames)

    def _members(
        self, file: Path, owner: str, schema: Mapping[str, pl.DataType] | None = None
    ) -> list[tuple[str, pl.LazyFrame]]:
        if file.suffix.lower() != ".zip":
            return [(str(file), self._scan_file(file, str(file), owner, schema))]
        try:
            with zipfile.ZipFile(file) as archive:
                names = [name for name in sorted(archive.namelist()) if _is_csv(name)]
                contents = {f"{file}/{name}": archive.read(name) for name in names}
        except _NOT_WHOLE as error:
            raise SourceUnreadable(
                owner, str(file), reason_of(error), "Check that the archive is whole and not encrypted."
            ) from error
        if not contents:
            raise SourceUnreadable(owner, str(file), "the archive holds no .csv file", "Name another archive.")
        return [(name, self._scan_file(content, name, owner, schema)) for name, content in contents.items()]

    def _scan_file(
        self, content: Path | bytes, name: str, owner: str, schema: Mapping[str, pl.DataType] | None = None
    ) -> pl.LazyFrame:
        """Scan a file lazily; its types are inferred from all rows when they are not given."""
        try:
            return pl.scan_csv(
                content,
                separator=self.separator,
                null_values=list(self.null_values),
                schema_overrides=dict(self.types if schema is None else schema),
                infer_schema_length=None if schema is None else 0,
                glob=False,
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceUnreadable(owner, name, reason_of(error), _REMEDY) from error

    def _read_schema(self, frame: pl.LazyFrame, name: str, owner: str) -> pl.Schema:
        try:
            schema = frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceUnreadable(owner, name, reason_of(error), _REMEDY) from error
        _refuse_other_text(list(schema), name, owner)
        return schema


def _refuse_other_text(header: Sequence[str], name: str, owner: str) -> None:
    """Refuse what is no CSV text, as its header shows.

    Raises:
        SourceUnreadable: says what the file is instead.
    """
    first, line = header[0].lstrip().lower(), "".join(header)
    if first.startswith("<"):
        reason, remedy = "it is a page of HTML or XML", "Look at it: a download that failed leaves such a page."
    elif first.startswith(('{"', "[{", "%pdf-", "pk\x03\x04")):
        reason, remedy = "it is JSON, a PDF or a workbook, by its first line", "Save it as CSV, or fetch it again."
    elif "\0" in line:
        reason, remedy = "it is text in UTF-16 or no text", "Make it UTF-8, e.g. `iconv -f UTF-16 -t UTF-8`."
    elif "\r" in line:
        reason, remedy = "its lines end in a carriage return alone", "Mend the ends of lines, e.g. `tr '\\r' '\\n'`."
    else:
        return
    raise SourceUnreadable(owner, name, reason, remedy)


def _is_blank(frame: pl.LazyFrame, column: str) -> bool:
    """Tell whether a column holds no value."""
    return frame.select(pl.col(column).drop_nulls().head(1)).collect().is_empty()


def _has_no_row(frame: pl.LazyFrame) -> bool:
    return frame.head(1).collect().is_empty()


def _is_csv(member: str) -> bool:
    """Tell whether a member of an archive is data: what macOS adds for itself is not."""
    return member.lower().endswith(".csv") and not member.startswith("__MACOSX/")
