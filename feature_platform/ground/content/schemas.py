"""Schemas as text: names and types of columns, exactly, for logs and stores that keep text."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from io import BytesIO

import polars as pl


def schema_as_text(schema: Mapping[str, pl.DataType]) -> str:
    """Return names and types as an Arrow schema, which has every type of Polars.

    >>> dict(schema_of_text(schema_as_text({"at": pl.Datetime("us", "UTC")})))
    {'at': Datetime(time_unit='us', time_zone='UTC')}
    """
    buffer = BytesIO()
    pl.DataFrame(schema=dict(schema)).write_ipc_stream(buffer)
    return b64encode(buffer.getvalue()).decode()


def schema_of_text(text: str) -> pl.Schema:
    """Return the schema of a text that `schema_as_text` made."""
    return pl.read_ipc_stream(BytesIO(b64decode(text))).schema
