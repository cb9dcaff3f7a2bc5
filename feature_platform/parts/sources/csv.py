"""CSV files, plain, gzipped or in a zip archive.

A file that is no CSV text (a page of HTML, UTF-16, a workbook) shows in its header and is refused by name.
"""

import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration, NoRowsYet, SourceUnreadable
from feature_platform.parts.sources.base import Changed, Gone, reason_of
from feature_platform.parts.sources.files import FileConnector, OpenedFiles, first_unreadable
from feature_platform.parts.sources.places import FileFacts, Place, StoredPath
from feature_platform.parts.sources.several import NewColumns, SharedColumns, bring_to_schema, validate_new_columns

_REMEDY = "Check separator, quoting and null_values, or give the column's type in `types`."
_FIRST_ROWS = 1000
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
    place: Place = field(repr=False)
    null_values: tuple[str, ...]
    separator: str
    types: Mapping[str, type[pl.DataType] | pl.DataType]
    new_columns: NewColumns
    gone: Gone
    changed: Changed
    settles: str | None

    def __init__(
        self,
        path: str | os.PathLike[str] | StoredPath,
        *,
        null_values: Sequence[str] = ("",),
        separator: str = ",",
        types: Mapping[str, type[pl.DataType] | pl.DataType] | None = None,
        new_columns: NewColumns = "add",
        gone: Gone = "kept",
        changed: Changed = "taken",
        settles: str | None = None,
    ) -> None:
        if isinstance(null_values, str):
            raise InvalidDeclaration(
                "Connector Csv", f"has null_values={null_values!r}", 'Give a list: null_values=["NA"].'
            )
        if not isinstance(separator, str) or len(separator.encode()) != 1:
            raise InvalidDeclaration("Connector Csv", f"has separator={separator!r}", 'Give one character, e.g. ";".')
        self.set_place(path)
        object.__setattr__(self, "null_values", tuple(null_values))
        object.__setattr__(self, "separator", separator)
        object.__setattr__(self, "types", dict(types or {}))
        object.__setattr__(self, "new_columns", validate_new_columns("Csv", new_columns))
        self.set_decisions(gone, changed, settles)

    @property
    def reading(self) -> str:
        return f"{self.separator!r}{self.null_values!r}{sorted(self.types.items())!r}"

    def open_files(self, files: Mapping[str, FileFacts], owner: str) -> OpenedFiles:
        return _OpenedCsv(files, owner, self)

    def culprit(self, owner: str) -> str:
        data = _OpenedCsv(self.list_files(owner), owner, self)
        return first_unreadable(data.members(), self.failures) or self.location


class _OpenedCsv(OpenedFiles):
    """CSV files that were there at one moment."""

    def __init__(self, files: Mapping[str, FileFacts], owner: str, words: Csv) -> None:
        super().__init__(files, words.place, owner)
        self._words = words
        self._unpacked: tuple[str, Mapping[str, bytes]] | None = None  # the archive that was read last

    def members(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        """Yield each file, or file in an archive, with its rows."""
        for file in self.files:
            yield from self._members(file)

    def schemas_of(self, files: Sequence[str]) -> dict[str, pl.Schema]:
        return {file: self._schema_of(file) for file in files}

    def _schema_of(self, file: str) -> pl.Schema:
        """Return the columns of a file, by all of its rows; those without a value have the type Null."""
        schemas = {name: self._read_schema(frame, name) for name, frame in self._members(file)}
        return next(iter(schemas.values())) if len(schemas) == 1 else self._share_columns(file, schemas)

    def shared_schema(self, schemas: Mapping[str, pl.Schema]) -> pl.Schema:
        """Return the columns of all files; those without a value are text.

        Raises:
            NoRowsYet: there are headers but no row, and `types` does not give the type of every column.
        """
        shared = self._share_columns(self._words.path, schemas)
        untyped = {name: dtype for name, dtype in shared.items() if name not in self._words.types}
        may_be_empty = bool(untyped) and set(untyped.values()) == {pl.Null()}
        if may_be_empty and all(frame.head(1).collect().is_empty() for _, frame in self.members()):
            raise NoRowsYet(self.owner, self._words.path, untyped)
        return pl.Schema({name: pl.String() if dtype == pl.Null else dtype for name, dtype in shared.items()})

    def scan_units(
        self, names: Sequence[str], schema: Mapping[str, pl.DataType], label: str | None = None
    ) -> pl.LazyFrame:
        frames = []
        for name in names:
            for _, member in self._members(name, schema):
                rows = bring_to_schema(member, member.collect_schema(), schema)
                frames.append(rows if label is None else rows.with_columns(pl.lit(name).alias(label)))
        return pl.concat(frames)

    def _share_columns(self, location: str, schemas: Mapping[str, pl.Schema]) -> pl.Schema:
        shared = SharedColumns(self.owner, location, _REMEDY, self._words.new_columns)
        for name, schema in schemas.items():
            shared.add_file(name, schema)
        return pl.Schema(shared.types)

    def _members(self, file: str, schema: Mapping[str, pl.DataType] | None = None) -> list[tuple[str, pl.LazyFrame]]:
        if not file.lower().endswith(".zip"):
            return [(file, self._scan_file(file, file, schema))]
        return [(name, self._scan_file(content, name, schema)) for name, content in self._unpack(file).items()]

    def _unpack(self, file: str) -> Mapping[str, bytes]:
        """Return the files in an archive; those of the last archive are kept, since it is read twice in a row."""
        if self._unpacked is not None and self._unpacked[0] == file:
            return self._unpacked[1]
        try:
            with self.place.open(file) as opened, zipfile.ZipFile(opened) as archive:
                names = [name for name in sorted(archive.namelist()) if _is_csv(name)]
                contents = {f"{file}/{name}": archive.read(name) for name in names}
        except _NOT_WHOLE as error:
            raise SourceUnreadable(
                self.owner, file, reason_of(error), "Check that the archive is whole and not encrypted."
            ) from error
        if not contents:
            raise SourceUnreadable(self.owner, file, "the archive holds no .csv file", "Name another archive.")
        self._unpacked = file, contents
        return contents

    def _scan_file(
        self, content: str | bytes, name: str, schema: Mapping[str, pl.DataType] | None = None
    ) -> pl.LazyFrame:
        """Scan a file lazily; its types are inferred from all rows when they are not given."""
        try:
            return pl.scan_csv(
                content,
                separator=self._words.separator,
                null_values=list(self._words.null_values),
                schema_overrides=dict(self._words.types if schema is None else schema),
                infer_schema_length=None if schema is None else 0,
                glob=False,
                storage_options=self.options,
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceUnreadable(self.owner, name, reason_of(error), _REMEDY) from error

    def _read_schema(self, frame: pl.LazyFrame, name: str) -> pl.Schema:
        try:
            schema = frame.collect_schema()
            _refuse_other_text(list(schema), name, self.owner)
            blank = _columns_without_values(frame, schema.keys() - self._words.types.keys())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceUnreadable(self.owner, name, reason_of(error), _REMEDY) from error
        return pl.Schema({column: pl.Null() if column in blank else dtype for column, dtype in schema.items()})


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


def _columns_without_values(frame: pl.LazyFrame, columns: Iterable[str]) -> set[str]:
    """Return the columns of a file that hold no value: the first rows tell of most columns that they do."""
    blank = set(columns)
    for rows in (frame.head(_FIRST_ROWS), frame):
        counts = rows.select(pl.col(name).count() for name in blank).collect(engine="streaming")
        blank = {column.name for column in counts if not column.item()}
    return blank


def _is_csv(member: str) -> bool:
    """Tell whether a member of an archive is data: what macOS adds for itself is not."""
    return member.lower().endswith(".csv") and not member.startswith("__MACOSX/")
