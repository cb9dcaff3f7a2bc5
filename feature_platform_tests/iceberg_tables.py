"""Iceberg tables for tests, in a catalog of SQLite and a folder; with deletes as other engines write them."""

import json
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import load_catalog
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update.snapshot import _OverwriteFiles
from pyiceberg.typedef import Record
from pyroaring import BitMap

import feature_platform as fp

_POSITIONS = pa.schema(
    [
        pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
        pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"}),
    ]
)


class Warehouse:
    """A catalog with the table `shop.stock`; what it writes is read by `connector`.

    Args:
        properties: of the catalog, besides the address of its database.
        secrets: properties that are secrets.
    """

    def __init__(
        self,
        folder: Path,
        rows: pl.DataFrame,
        properties: Mapping[str, str] | None = None,
        secrets: Mapping[str, fp.Secret] | None = None,
    ) -> None:
        self.catalog = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", **(properties or {})}
        self.secrets = dict(secrets or {})
        given = {"warehouse": folder.as_uri(), **self.catalog}
        revealed = {name: secret.reveal("tests") for name, secret in self.secrets.items()}
        self._catalog = load_catalog("default", **{**given, **revealed})
        self._catalog.create_namespace("shop")
        self._catalog.create_table("shop.stock", schema=_schema(rows))
        self.append(rows)

    @property
    def connector(self) -> fp.sources.Iceberg:
        """Return the connector to the table."""
        return self.connector_to("shop.stock")

    def connector_to(self, table: str) -> fp.sources.Iceberg:
        """Return a connector to any table of the catalog."""
        return fp.sources.Iceberg(table, catalog=self.catalog, secrets=self.secrets)

    @property
    def table(self) -> Table:
        """Return the table as it is now."""
        return self._catalog.load_table("shop.stock")

    @property
    def files(self) -> list[str]:
        """Return the paths of its data files, the oldest last."""
        return [task.file.file_path for task in self.table.scan().plan_files()]

    def append(self, rows: pl.DataFrame) -> None:
        """Add rows as one data file; without rows, none."""
        if rows.height:
            self.table.append(_arrow(rows, self.table))

    def overwrite(self, rows: pl.DataFrame) -> None:
        """Put rows in the place of all that are there."""
        if self.files:
            self.table.overwrite(_arrow(rows, self.table))
        else:
            self.append(rows)

    def delete(self, where: str) -> None:
        """Delete rows by writing the files that hold them anew."""
        self.table.delete(where)

    def compact(self) -> None:
        """Write all rows anew, as one data file."""
        files = [task.file for task in self.table.scan().plan_files()]
        rows = self.table.scan().to_arrow()
        before = set(self.files)
        self.table.append(rows)
        new = [task.file for task in self.table.scan().plan_files() if task.file.file_path not in before]
        self._roll_back()
        self._commit(Operation.REPLACE, added=new, removed=files)

    def delete_positions(self, file: str, rows: Sequence[int]) -> None:
        """Delete rows of a data file by their numbers, in a file of deletes."""
        path = f"{self.table.location()}/data/deletes-{len(self.table.snapshots())}.parquet"
        content = pa.table({"file_path": [file] * len(rows), "pos": list(rows)}, schema=_POSITIONS)
        pq.write_table(content, path.removeprefix("file://"))
        self._commit(Operation.DELETE, deletes=[_deletes(path, DataFileContent.POSITION_DELETES, len(rows))])

    def delete_equal(self, column: str, values: pa.Array) -> None:
        """Delete the rows with some values of a column, in a file of deletes by equality."""
        path = f"{self.table.location()}/data/equal-{len(self.table.snapshots())}.parquet"
        number = self.table.schema().find_field(column).field_id
        field = pa.field(column, values.type, metadata={"PARQUET:field_id": str(number)})
        pq.write_table(pa.table([values], schema=pa.schema([field])), path.removeprefix("file://"))
        deletes = _deletes(path, DataFileContent.EQUALITY_DELETES, len(values), equality_ids=[number])
        self._commit(Operation.DELETE, deletes=[deletes])

    def delete_by_vector(self, file: str, rows: Sequence[int]) -> None:
        """Delete rows of a data file by their numbers, in a vector of deletes, as version 3 of the format has them."""
        path = f"{self.table.location()}/data/vector-{len(self.table.snapshots())}.puffin"
        content, offset, size = _puffin(file, rows)
        Path(path.removeprefix("file://")).write_bytes(content)
        where = {"referenced_data_file": file, "content_offset": offset, "content_size_in_bytes": size}
        deletes = _deletes(path, DataFileContent.POSITION_DELETES, len(rows), FileFormat.PUFFIN, len(content), **where)
        self._commit(Operation.DELETE, deletes=[deletes])
        metadata = Path(self.table.metadata_location.removeprefix("file://"))
        metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "format-version": 3, "next-row-id": 100}))

    def _roll_back(self) -> None:
        parent = self.table.current_snapshot().parent_snapshot_id
        with self.table.manage_snapshots() as snapshots:
            snapshots.set_current_snapshot(snapshot_id=parent)

    def _commit(
        self,
        operation: Operation,
        *,
        added: Iterable[DataFile] = (),
        removed: Iterable[DataFile] = (),
        deletes: Sequence[DataFile] = (),
    ) -> None:
        with self.table.transaction() as transaction:
            producer = _Commit(operation, transaction, self.table.io)
            producer.deletes = deletes
            for file in added:
                producer.append_data_file(file)
            for file in removed:
                producer.delete_data_file(file)
            producer.commit()


class _Commit(_OverwriteFiles):
    """A commit that may add files of deletes, too."""

    deletes: Sequence[DataFile]

    def _summary(self, snapshot_properties: dict[str, str] | None = None) -> Summary:
        return Summary(self._operation)

    def _manifests(self) -> list[ManifestFile]:
        manifests = super()._manifests()
        if not self.deletes:
            return manifests
        spec = self._transaction.table_metadata.spec()
        output = self.new_manifest_output()
        with _DeletesManifest(spec, self.schema(), output, self._snapshot_id, self._compression) as writer:
            for file in self.deletes:
                status = ManifestEntryStatus.ADDED
                writer.add(ManifestEntry.from_args(3, status=status, snapshot_id=self._snapshot_id, data_file=file))
        return [*manifests, writer.to_manifest_file()]


class _DeletesManifest(ManifestWriterV2):
    """A manifest of files of deletes."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}

    @property
    def version(self) -> Literal[1, 2, 3]:
        return 3

    def _with_partition(self, format_version: Literal[1, 2, 3]) -> Schema:
        return super()._with_partition(3)


def _deletes(
    path: str,
    content: DataFileContent,
    rows: int,
    file_format: FileFormat = FileFormat.PARQUET,
    size: int | None = None,
    **words: object,
) -> DataFile:
    size = Path(path.removeprefix("file://")).stat().st_size if size is None else size
    facts = {"record_count": rows, "file_size_in_bytes": size, "partition": Record()}
    file = DataFile.from_args(3, content=content, file_path=path, file_format=file_format, **facts, **words)
    file.spec_id = 0
    return file


def _puffin(file: str, rows: Sequence[int]) -> tuple[bytes, int, int]:
    """Return a Puffin file with one vector of deletes, and where the vector is in it."""
    bitmap = BitMap(rows).serialize()
    vector = b"\xd1\xd3\x39\x64" + struct.pack("<QI", 1, 0) + bitmap
    blob = struct.pack(">I", len(vector)) + vector + struct.pack(">I", zlib.crc32(vector))
    facts = {"referenced-data-file": file, "cardinality": str(len(rows))}
    place = {"snapshot-id": -1, "sequence-number": -1, "fields": [2147483546], "offset": 4, "length": len(blob)}
    footer = json.dumps({"blobs": [{"type": "deletion-vector-v1", **place, "properties": facts}]}).encode()
    return b"PFA1" + blob + b"PFA1" + footer + struct.pack("<I", len(footer)) + bytes(4) + b"PFA1", 4, len(blob)


def _schema(rows: pl.DataFrame) -> pa.Schema:
    """Return the schema of rows, with times of day in microseconds, which are all that Iceberg has."""
    times = {pa.time64("ns"): pa.time64("us")}
    return pa.schema([field.with_type(times.get(field.type, field.type)) for field in rows.to_arrow().schema])


def _arrow(rows: pl.DataFrame, table: Table) -> pa.Table:
    return rows.to_arrow().cast(table.schema().as_arrow())


@contextmanager
def rest_catalog(warehouse: Warehouse, token: str) -> Iterator[str]:
    """Serve the table of a warehouse as a REST catalog that asks for a token, and yield its address."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Authorization"] != f"Bearer {token}":
                self._answer(401, {"error": {"message": "Not authorized", "type": "NotAuthorized", "code": 401}})
            elif self.path.startswith("/v1/config"):
                self._answer(200, {"defaults": {}, "overrides": {}})
            elif self.path == "/v1/namespaces/shop":
                self._answer(200, {"namespace": ["shop"], "properties": {}})
            elif self.path.startswith("/v1/namespaces/shop/tables/stock"):
                table = warehouse.table
                metadata = json.loads(table.metadata.model_dump_json())
                self._answer(200, {"metadata-location": table.metadata_location, "metadata": metadata, "config": {}})
            else:
                self._answer(404, {"error": {"message": "Nothing here", "type": "NoSuchTableException", "code": 404}})

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *words: object) -> None:
            """Say nothing."""

        def _answer(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
