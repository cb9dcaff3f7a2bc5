"""The hash of a frame whose order counts: BLAKE2b over each buffer of each column.

It is what code versions, fingerprints and commits before rows were hashed one by one are made of; a test pins literal
hashes.
"""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl

from feature_platform.ground.content.encoding import Encoded, Fields, Fixed, Lists, Nullable, Text, dtype_name, encode

_FORMAT = b"feature_platform.content/2"
_WORTH_A_THREAD = 100_000  # rows; below, starting threads costs more than they save
_THREADS = 2

Place = tuple[str, ...]


def ordered_hash(frame: pl.DataFrame) -> str:
    """Return the BLAKE2b hash (128 bits, hexadecimal) of the schema and of the rows of a frame in their order.

    Column order and chunks do not count. Two types never hash alike: the integer 1 is not the float 1.0.

    Raises:
        WrongColumnType: a column holds Python objects.

    >>> import polars as pl
    >>> ordered_hash(pl.DataFrame({"a": [1, 2], "b": [0.0, None]}))
    '932723183383fecfcdc7145b0c683b3b'
    >>> ordered_hash(pl.DataFrame({"b": [-0.0, None], "a": [1, 2]}))
    '932723183383fecfcdc7145b0c683b3b'
    """
    running = RunningOrderedHash(frame.schema)
    running.update(frame)
    return running.hexdigest()


class RunningOrderedHash:
    """The `ordered_hash` of rows that arrive in batches; how they are cut does not count.

    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": ["a", None, "b"]})
    >>> running = RunningOrderedHash(frame.schema)
    >>> for batch in frame.iter_slices(2):
    ...     running.update(batch)
    >>> running.hexdigest() == ordered_hash(frame)
    True
    """

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self._schema = dict(schema)
        self._columns = {name: _Streams() for name in schema}
        self._rows = 0

    def update(self, batch: pl.DataFrame) -> None:
        """Take in the next rows; their columns are those of the schema, in any order."""

        def feed(name: str) -> None:
            _feed(encode(batch.get_column(name)), self._columns[name], (), 0, batch.height)

        if batch.height < _WORTH_A_THREAD:
            for name in self._schema:
                feed(name)
        else:
            with ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(feed, self._schema))
        self._rows += batch.height

    def hexdigest(self) -> str:
        """Return the hash of all rows so far."""
        digest = hashlib.blake2b(_FORMAT, digest_size=16)
        digest.update(self._rows.to_bytes(8, "little"))
        for name in sorted(self._schema):
            digest.update(f"{len(name.encode())}:{name}={dtype_name(self._schema[name])};".encode())
            digest.update(self._columns[name].digest())
        return digest.hexdigest()


class _Streams:
    """What was fed of one column so far: one hash for each of its buffers, named by its place in the type."""

    def __init__(self) -> None:
        self._buffers: dict[Place, hashlib.blake2b] = {}
        self._rows: dict[Place, int] = {}

    def feed(self, place: Place, buffer: Any) -> None:
        """Add bytes to a buffer; a buffer that never got any does not count."""
        if len(buffer):
            self._buffers.setdefault(place, hashlib.blake2b(digest_size=16)).update(buffer)

    def pass_rows(self, place: Place, rows: int) -> int:
        """Count rows at a place; return how many came before."""
        before = self._rows.get(place, 0)
        self._rows[place] = before + rows
        return before

    def digest(self) -> bytes:
        """Return all buffers as bytes, by place."""
        places = (
            b"".join(f"{len(part.encode())}:{part}".encode() for part in place) + b"=" + self._buffers[place].digest()
            for place in sorted(self._buffers)
        )
        return b";".join(places) + b"."


def _feed(encoded: Encoded, streams: _Streams, place: Place, start: int, stop: int) -> None:
    """Add a span of a column to the hashes of its buffers."""
    match encoded:
        case Fixed():
            for number, values in enumerate(encoded.values):
                streams.feed((*place, f"values {number}"), values[start:stop])
        case Text():
            streams.feed((*place, "lengths"), encoded.lengths[start:stop])
            text = memoryview(encoded.data)[encoded.offsets[start] : encoded.offsets[stop]]
            streams.feed((*place, "text"), text)
        case Lists():
            streams.feed((*place, "lengths"), encoded.lengths[start:stop])
            first, last = int(encoded.offsets[start]), int(encoded.offsets[stop])
            _feed(encoded.items, streams, (*place, "items"), first, last)
        case Fields():
            for name, field in encoded.fields.items():
                _feed(field, streams, (*place, "field", name), start, stop)
        case Nullable():
            before = streams.pass_rows(place, stop - start)
            first, last = encoded.nulls.searchsorted([start, stop])
            streams.feed((*place, "nulls"), encoded.nulls[first:last] + (before - start))
            _feed(encoded.values, streams, place, start, stop)
