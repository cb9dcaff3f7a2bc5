"""Delta tables that other writers make: written by delta-rs, then changed in their log by hand."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

ROWS = pl.DataFrame({"x": [1, 2, 3], "name": ["a", "b", "c"]})
_MAGIC, _NO_RUNS = 1681511377, 12346  # of Delta's arrays of bitmaps, and of one bitmap
Actions = Mapping[str, object]


def written(path: Path, rows: pl.DataFrame = ROWS) -> Path:
    """Write a table with one commit."""
    rows.write_delta(path)
    return path


def change(table: Path, **actions: Actions) -> None:
    """Overwrite fields of actions (`protocol`, `metaData`, `add`) of the only commit."""
    log = table / "_delta_log" / "00000000000000000000.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        for name in actions.keys() & line.keys():
            line[name] = {**line[name], **actions[name]}
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))


def need(table: Path, *features: str) -> None:
    """Say that a reader needs some features."""
    wanted = {"readerFeatures": list(features), "writerFeatures": list(features)}
    change(table, protocol={"minReaderVersion": 3, "minWriterVersion": 7, **wanted})


def add_column(table: Path, name: str, dtype: object) -> None:
    """Add a column to the schema of a table."""
    log = table / "_delta_log" / "00000000000000000000.json"
    [meta] = [line["metaData"] for line in map(json.loads, log.read_text().splitlines()) if "metaData" in line]
    schema = json.loads(meta["schemaString"])
    schema["fields"].append({"name": name, "type": dtype, "nullable": True, "metadata": {}})
    change(table, metaData={"schemaString": json.dumps(schema)})


def delete_rows(table: Path, rows: Sequence[int], *, lose: bool = False) -> None:
    """Mark rows of the only file as deleted by a deletion vector; with `lose` its file is not there."""
    array = struct.pack(f"<IIHHI{len(rows)}H", _NO_RUNS, 1, 0, len(rows) - 1, 16, *rows)
    data = struct.pack("<IQI", _MAGIC, 1, 0) + array
    file = table / "deletion_vector.bin"
    if not lose:
        file.write_bytes(b"\x01" + struct.pack(">I", len(data)) + data + struct.pack(">I", zlib.crc32(data)))
    where = {"storageType": "p", "pathOrInlineDv": file.as_uri(), "offset": 1, "sizeInBytes": len(data)}
    need(table, "deletionVectors")
    change(table, add={"deletionVector": {**where, "cardinality": len(rows)}})


def rename_within(table: Path) -> None:
    """Give the columns other names in the files than in the schema: Delta's column mapping, as older writers say it."""
    log = table / "_delta_log" / "00000000000000000000.json"
    [meta] = [line["metaData"] for line in map(json.loads, log.read_text().splitlines()) if "metaData" in line]
    schema = json.loads(meta["schemaString"])
    for number, field in enumerate(schema["fields"], start=1):
        field["metadata"] = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": field["name"]}
        field["name"] = f"the {field['name']}"
    told = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": str(len(schema["fields"]))}
    change(table, metaData={"schemaString": json.dumps(schema), "configuration": told})
    change(table, protocol={"minReaderVersion": 2, "minWriterVersion": 5})
