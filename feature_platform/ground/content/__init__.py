"""Content hashes: short texts that change when, and only when, the schema or a value of a frame changes.

`rows_hash` is what commits and data versions are made of: the order of rows does not count. `ordered_hash` is for
frames whose order counts, such as one that a function captures.
"""

from feature_platform.ground.content.encoding import as_dtype, dtype_name, list_of_pairs
from feature_platform.ground.content.ordered import RunningOrderedHash, ordered_hash
from feature_platform.ground.content.rows import RunningRowsHash, is_rows_hash, rows_hash, rows_hashes
from feature_platform.ground.content.schemas import schema_as_text, schema_of_text

__all__ = [
    "RunningOrderedHash",
    "RunningRowsHash",
    "as_dtype",
    "dtype_name",
    "is_rows_hash",
    "list_of_pairs",
    "ordered_hash",
    "rows_hash",
    "rows_hashes",
    "schema_as_text",
    "schema_of_text",
]
