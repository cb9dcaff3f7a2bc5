"""JSON files: one object a line (NDJSON), or one array of objects.

Polars reads the lines. What it would do without a word is refused here: fields that the schema does not name, times
without a zone, numbers that are cut. Types that the files alone decide are inferred from all lines.
"""

import gzip
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedIOBase
from typing import Literal, get_args

import polars as pl

from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import InvalidDeclaration, NoRowsYet, SourceUnreadable
from feature_platform.parts.sources.base import Changed, Gone, reason_of
from feature_platform.parts.sources.files import FileConnector, OpenedFiles, first_unreadable
from feature_platform.parts.sources.json_types import bring_to_type, readable_type, stored_type, unnamed_fields
from feature_platform.parts.sources.places import FileFacts, Place, StoredPath
from feature_platform.parts.sources.several import NewColumns, SharedColumns, bring_to_schema, validate_new_columns
from feature_platform.parts.sources.typed import validate_types

Extra = Literal["refuse", "ignore"]
_ARRAY_BYTES = 256 * 2**20  # an array of objects is read as one piece
_GLOB = re.compile(r"[*?\[]")
_REMEDY = 'Mend the line, or say the columns and their types: schema={"user": pl.String}.'
_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, EOFError, ValueError)
_OTHER_TEXT = {b"\xef\xbb\xbf": "it begins with a byte-order mark", b"\xff\xfe": "it is text in UTF-16"}


@dataclass(frozen=True, init=False)
class Json(FileConnector):
    """One JSON file, or several in a folder or by a `*` pattern: an object a line, or one array of objects.

    In a folder files count that end in `.json`, `.jsonl` or `.ndjson`, each also with `.gz`; see `data_files` for
    patterns. A file without any text has no rows.

    Args:
        schema: the columns and their types; a field that an object lacks is null. Times are text with a zone; a time
            without one is refused. Without a schema columns and types are those of all lines, and a file that lacks
            a column of an earlier one is refused.
        extra: what happens to files with fields that the schema does not name: `refuse` (an error), or `ignore`.
        new_columns: whether, without a schema, later files may add columns: `add` or `refuse`.

    >>> Json("clicks/*.ndjson", schema={"user": pl.String, "at": pl.Datetime("us", "UTC")}).kind
    'json'
    """

    kind = "json"
    endings = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")

    path: str
    place: Place = field(repr=False)
    schema: Mapping[str, type[pl.DataType] | pl.DataType] | None
    extra: Extra
    new_columns: NewColumns
    gone: Gone
    changed: Changed
    settles: str | None

    def __init__(
        self,
        path: str | os.PathLike[str] | StoredPath,
        *,
        schema: Mapping[str, type[pl.DataType] | pl.DataType] | None = None,
        extra: Extra = "refuse",
        new_columns: NewColumns = "add",
        gone: Gone = "kept",
        changed: Changed = "taken",
        settles: str | None = None,
    ) -> None:
        if extra not in get_args(Extra):
            raise InvalidDeclaration("Connector Json", f"has extra={extra!r}", 'Write "refuse" or "ignore".')
        self.set_place(path)
        object.__setattr__(self, "schema", None if schema is None else _validate_schema(schema))
        object.__setattr__(self, "extra", extra)
        object.__setattr__(self, "new_columns", validate_new_columns("Json", new_columns))
        self.set_decisions(gone, changed, settles)

    @property
    def reading(self) -> str:
        return f"{self.extra}{sorted(self.schema.items())!r}" if self.schema is not None else ""

    def open_files(self, files: Mapping[str, FileFacts], owner: str) -> OpenedFiles:
        return _OpenedJson(files, owner, self)

    def culprit(self, owner: str) -> str:
        data = _OpenedJson(self.list_files(owner), owner, self)
        schema = None if self.schema is None else data.shared_schema({})
        scans = ((file, data.scan_file(file, schema)) for file in data.files)
        file = first_unreadable(((file, frame) for file, frame in scans if frame is not None), _FAILURES)
        return self.location if file is None else data.name_line(file, schema)


class _OpenedJson(OpenedFiles):
    """JSON files that were there at one moment."""

    def __init__(self, files: Mapping[str, FileFacts], owner: str, words: Json) -> None:
        super().__init__(files, words.place, owner)
        self._words = words

    def schemas_of(self, files: Sequence[str]) -> dict[str, pl.Schema]:
        return {file: self._schema_of(file) for file in files}

    def shared_schema(self, schemas: Mapping[str, pl.Schema]) -> pl.Schema:
        """Return the columns of all files.

        Raises:
            NoRowsYet: no file has a row, and nothing says the columns.
        """
        if self._words.schema is not None:
            return pl.Schema({name: as_dtype(dtype) for name, dtype in self._words.schema.items()})
        shared = SharedColumns(self.owner, self._words.path, _REMEDY, self._words.new_columns)
        for name, schema in schemas.items():
            if schema:
                shared.add_file(name, schema)
        if not shared.types:
            raise NoRowsYet(self.owner, self._words.path, ())
        return pl.Schema(shared.types)

    def scan_units(
        self, names: Sequence[str], schema: Mapping[str, pl.DataType], label: str | None = None
    ) -> pl.LazyFrame:
        frames = [pl.LazyFrame(schema=schema if label is None else {**schema, label: pl.String()})]
        for name in names:
            rows = self.scan_file(name, schema)
            if rows is not None:
                frames.append(rows if label is None else rows.with_columns(pl.lit(name).alias(label)))
        return pl.concat(frames)

    def scan_file(self, file: str, schema: Mapping[str, pl.DataType] | None) -> pl.LazyFrame | None:
        """Scan a file lazily, with all columns of a schema; None for a file without any text."""
        lines = self._lines_of(file)
        return None if lines is None else _scan_lines(lines, schema, self.options)

    def name_line(self, file: str, schema: Mapping[str, pl.DataType] | None) -> str:
        """Return a file with the number of its first line that cannot be read."""
        with self._open_text(file) as stream:
            lines = stream.readlines(_ARRAY_BYTES)
        good, bad = 0, len(lines) + 1
        while bad - good > 1:
            middle = (good + bad) // 2
            text = b"".join(lines[:middle])
            frames = [(file, _scan_lines(text, schema))] if text.strip() else []
            good, bad = (good, middle) if first_unreadable(frames, _FAILURES) else (middle, bad)
        return file if bad > len(lines) or lines[0].lstrip().startswith(b"[") else f"{file}, line {bad}"

    @contextmanager
    def _open_text(self, file: str) -> Iterator[BufferedIOBase]:
        with self.place.open(file) as opened:
            if not file.lower().endswith(".gz"):
                yield opened
                return
            with gzip.GzipFile(fileobj=opened) as text:
                yield text

    def _schema_of(self, file: str) -> pl.Schema:
        """Return the columns of a file, by all of its lines unless a schema says them."""
        declared = self._words.schema
        if declared is not None and self._words.extra == "ignore":
            return self.shared_schema({})
        frame = self.scan_file(file, None)
        if frame is None:
            return pl.Schema()
        try:
            found = frame.collect_schema()
        except _FAILURES as error:
            raise SourceUnreadable(self.owner, self.name_line(file, None), reason_of(error), _REMEDY) from error
        if declared is None:
            return found
        unnamed = unnamed_fields(found, self.shared_schema({}))
        if unnamed:
            reason = f"it has fields that the schema does not name: {', '.join(unnamed)}"
            remedy = 'Add them to `schema`, or leave them out by extra="ignore".'
            raise SourceUnreadable(self.owner, file, reason, remedy)
        return self.shared_schema({})

    def _lines_of(self, file: str) -> str | bytes | None:
        """Return what Polars reads line by line: the file, or the objects of its array; None when it has no text."""
        import msgspec

        try:
            with self._open_text(file) as stream:
                head = next(_blocks(stream), b"")
                for mark, reason in _OTHER_TEXT.items():
                    if head.startswith(mark):
                        raise SourceUnreadable(self.owner, file, reason, "Make it UTF-8, e.g. with `iconv`.")
                if not head.startswith(b"["):
                    if not head:
                        return None
                    return self.read(file) if _GLOB.search(file) else file  # Polars would take it for a pattern
                text = head + stream.read(_ARRAY_BYTES)
                if stream.read(1):
                    remedy = "Write one object a line instead, e.g. `jq -c '.[]' in.json > out.ndjson`."
                    raise SourceUnreadable(self.owner, file, "it is one array of over 256 MB", remedy)
                objects = msgspec.json.decode(text, type=list[msgspec.Raw])
        except (OSError, EOFError, msgspec.DecodeError) as error:
            raise SourceUnreadable(self.owner, file, reason_of(error), _REMEDY) from error
        return b"\n".join(bytes(each).replace(b"\n", b" ") for each in objects) or None


def _scan_lines(
    lines: str | bytes, schema: Mapping[str, pl.DataType] | None, options: Mapping[str, str] | None = None
) -> pl.LazyFrame:
    storage_options = None if options is None else dict(options)
    if schema is None:
        return pl.scan_ndjson(lines, infer_schema_length=None, storage_options=storage_options)
    stored = {name: stored_type(dtype) for name, dtype in schema.items()}
    rows = pl.scan_ndjson(lines, schema=stored, storage_options=storage_options)
    typed = rows.with_columns(
        bring_to_type(pl.col(name), dtype).alias(name) for name, dtype in schema.items() if dtype != stored[name]
    )
    return bring_to_schema(typed, schema, schema)


def _blocks(stream: BufferedIOBase) -> Iterator[bytes]:
    """Yield the blocks of a text from its first character on that is no space."""
    while block := stream.read(2**16):
        if text := block.lstrip():
            yield text


def _validate_schema(schema: object) -> dict[str, pl.DataType]:
    """Return the columns of a schema.

    Raises:
        InvalidDeclaration: it is no mapping of names to types, or has a type that JSON cannot be read as exactly.
    """
    types = validate_types("Json", "schema", schema)
    if not types:
        raise InvalidDeclaration("Connector Json", "has a schema without columns", "Name the columns, or leave it out.")
    for name, dtype in types.items():
        if not readable_type(dtype):
            remedy = "Say pl.String and convert it in `prepare`."
            raise InvalidDeclaration("Connector Json", f"has column `{name}` of type {dtype}", remedy)
    return types
