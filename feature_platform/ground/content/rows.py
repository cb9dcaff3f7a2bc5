"""The content hash of rows whose order does not count: the sum of a 128-bit hash of each row.

A sum is the same however rows are ordered, cut into batches or spread over workers. Where order is content, the place
of a row is one of its columns. The hash of a row is defined here by arithmetic on 64-bit words, so that it stays the
same across releases of every library; a test pins literal hashes. It protects against accidents, not attackers:
whoever may write rows could make two that collide.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_platform.ground.content.encoding import Encoded, Fields, Fixed, Lists, Nullable, Text, dtype_name, encode

if TYPE_CHECKING:
    import numpy as np

    Words = np.ndarray[Any, np.dtype[np.uint64]]
    Places = slice | np.ndarray[Any, np.dtype[np.intp]]

PREFIX = "3:"
_FORMAT = b"feature_platform.content/3"
_AT_ONCE = 1 << 14  # rows whose words stay in the processor's cache
_LONG = 1024  # bytes; a longer text is hashed by itself
_SEEDS = (0x243F6A8885A308D3, 0x13198A2E03707344)  # digits of pi
_FACTORS = (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)  # odd, of well-spread bits
_NULLS = (0xA4093822299F31D0, 0x082EFA98EC4E6C89)
_LAST = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)  # the finalizer of MurmurHash3
_MODULUS = 1 << 64


def rows_hash(frame: pl.DataFrame) -> str:
    """Return the hash of the schema and the rows of a frame, whatever the order of rows and columns.

    Equal rows count as often as they are there. Two types never hash alike: the integer 1 is not the float 1.0.

    Raises:
        WrongColumnType: a column holds Python objects.

    >>> import polars as pl
    >>> rows_hash(pl.DataFrame({"a": [1, 2], "b": [0.0, None]}))
    '3:add929579ee2090727010303e15096b0'
    >>> rows_hash(pl.DataFrame({"b": [None, -0.0], "a": [2, 1]}))
    '3:add929579ee2090727010303e15096b0'
    """
    return rows_hashes([frame])[0]


def rows_hashes(frames: Sequence[pl.DataFrame]) -> list[str]:
    """Return the `rows_hash` of each of some frames with the same columns; many small ones cost little more than one.

    >>> import polars as pl
    >>> frames = [pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2, 3]})]
    >>> rows_hashes(frames) == [rows_hash(frame) for frame in frames]
    True
    """
    if not frames:
        return []
    stops = list(accumulate(frame.height for frame in frames))
    rows = pl.concat(frames, rechunk=False)
    sums = _sums(rows, [0, *stops])
    heights = (frame.height for frame in frames)
    return [_text(rows.schema, height, *pair) for height, pair in zip(heights, sums, strict=True)]


def is_rows_hash(text: str) -> bool:
    """Return whether a hash is one of rows; those of older commits are of frames in their order."""
    return text.startswith(PREFIX)


class RunningRowsHash:
    """The `rows_hash` of rows that arrive in batches, in any order.

    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": ["a", None, "b"]})
    >>> running = RunningRowsHash(frame.schema)
    >>> for batch in frame.reverse().iter_slices(2):
    ...     running.update(batch)
    >>> running.hexdigest() == rows_hash(frame)
    True
    """

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self._schema = pl.Schema(schema)
        self._rows = self._first = self._second = 0

    def update(self, batch: pl.DataFrame) -> None:
        """Take in more rows; their columns are those of the schema, in any order."""
        [(first, second)] = _sums(batch.select(list(self._schema)), [0, batch.height])
        self._rows += batch.height
        self._first = (self._first + first) % _MODULUS
        self._second = (self._second + second) % _MODULUS

    def hexdigest(self) -> str:
        """Return the hash of all rows so far."""
        return _text(self._schema, self._rows, self._first, self._second)


def _text(schema: Mapping[str, pl.DataType], rows: int, first: int, second: int) -> str:
    """Return a hash over a schema, a number of rows and the sums of their hashes."""
    digest = hashlib.blake2b(_FORMAT, digest_size=16)
    for number in (rows, first, second):
        digest.update(number.to_bytes(8, "little"))
    for name in sorted(schema):
        digest.update(f"{len(name.encode())}:{name}={dtype_name(schema[name])};".encode())
    return f"{PREFIX}{digest.hexdigest()}"


def _sums(frame: pl.DataFrame, edges: Sequence[int]) -> list[tuple[int, int]]:
    """Return the sums of the hashes of rows between neighbouring edges, which begin at 0 and end at the last row."""
    return [(int(first), int(second)) for first, second in zip(*_lanes_of(frame).sums(edges), strict=True)]


def _lanes_of(frame: pl.DataFrame) -> "_Lanes":
    """Return the finished hash of each row."""
    lanes = _Lanes(frame.height)
    spans = [(start, min(start + _AT_ONCE, frame.height)) for start in range(0, frame.height, _AT_ONCE)]
    for name in sorted(frame.columns):
        encoded = encode(frame.get_column(name))
        for start, stop in spans:
            _absorb(encoded, lanes.part(start, stop), start, stop)
    for start, stop in spans:
        lanes.part(start, stop).finish()
    return lanes


class _Lanes:
    """Two 64-bit words for each row, which take in one word of it after the other."""

    def __init__(self, rows: int, words: "tuple[Words, Words] | None" = None) -> None:
        import numpy as np

        self.words = words or (np.full(rows, _SEEDS[0], np.uint64), np.full(rows, _SEEDS[1], np.uint64))

    def part(self, start: int, stop: int) -> "_Lanes":
        """Return some of the rows; what they take in is seen here."""
        return _Lanes(0, (self.words[0][start:stop], self.words[1][start:stop]))

    def absorb(self, first: "Words", second: "Words | None" = None) -> None:
        """Take in the next word of each row, or one for each lane.

        The upper half of a word is folded into the lower one, since a product carries bits only upwards.
        """
        import numpy as np

        half = np.uint64(32)
        folded = first ^ (first >> half)
        both = (folded, folded if second is None else second ^ (second >> half))
        for lane, word, factor in zip(self.words, both, _FACTORS, strict=True):
            np.bitwise_xor(lane, word, out=lane)
            np.multiply(lane, np.uint64(factor), out=lane)
            np.bitwise_xor(lane, lane >> half, out=lane)

    def absorb_at(self, places: "Places", first: "Words", second: "Words | None" = None) -> None:
        """Take in a word of some rows only, which are told apart from the others by what they took in before."""
        some = _Lanes(0, (self.words[0][places], self.words[1][places]))
        some.absorb(first, second)
        self.words[0][places], self.words[1][places] = some.words

    def mark_nulls(self, places: "Places") -> None:
        """Tell rows that have no value from those that have the one that stands for it."""
        import numpy as np

        for lane, mark in zip(self.words, _NULLS, strict=True):
            lane[places] ^= np.uint64(mark)

    def finish(self) -> None:
        """Let every bit of the words depend on every bit of what was taken in."""
        import numpy as np

        shift = np.uint64(33)
        for lane in self.words:
            np.bitwise_xor(lane, lane >> shift, out=lane)
            for factor in _LAST:
                np.multiply(lane, np.uint64(factor), out=lane)
                np.bitwise_xor(lane, lane >> shift, out=lane)

    def sums(self, edges: "Sequence[int] | Words") -> "tuple[Words, Words]":
        """Return the sums of the words of each lane between neighbouring edges, modulo 2**64."""
        import numpy as np

        first, second = (np.append(np.uint64(0), np.cumsum(lane)) for lane in self.words)
        return np.diff(first[edges]), np.diff(second[edges])


def _absorb(encoded: Encoded, lanes: _Lanes, start: int, stop: int) -> None:
    """Let rows take in their values of a column."""
    match encoded:
        case Fixed():
            for values in encoded.values:
                lanes.absorb(_words_of(values[start:stop]))
        case Text():
            _absorb_text(encoded, lanes, start, stop)
        case Lists():
            _absorb_lists(encoded, lanes, start, stop)
        case Fields():
            for field in encoded.fields.values():
                _absorb(field, lanes, start, stop)
        case Nullable():
            _absorb(encoded.values, lanes, start, stop)
            first, last = encoded.nulls.searchsorted([start, stop])
            if last > first:
                lanes.mark_nulls(encoded.nulls[first:last] - start)


def _words_of(values: "np.ndarray[Any, np.dtype[Any]]") -> "Words":
    """Return numbers as 64-bit words: integers by their value, floats by their bits."""
    import numpy as np

    bits = values.view(f"<u{values.dtype.itemsize}") if values.dtype.kind == "f" else values
    return bits.astype(np.uint64)


def _absorb_text(text: Text, lanes: _Lanes, start: int, stop: int) -> None:
    """Take in lengths, then eight bytes after eight; a long text by its own hash."""
    import numpy as np

    lengths, offsets = text.lengths[start:stop].astype(np.int64), text.offsets[start:stop]
    lanes.absorb(lengths.astype(np.uint64))
    eights = np.ndarray(len(text.data) - 7, "<u8", text.data, strides=(1,))  # the eight bytes from each byte on
    short = np.where(lengths <= _LONG, lengths, 0)
    shortest, longest = int(short.min(initial=_LONG)), int(short.max(initial=0))
    for at in range(0, longest, 8):
        places = slice(None) if at < shortest else np.flatnonzero(short > at)
        words = eights[offsets[places] + at]
        if shortest < at + 8:  # what follows a text is not of it
            words = words << (8 * np.maximum(8 - (short[places] - at), 0)).astype(np.uint64)
        lanes.absorb_at(places, words)
    long = np.flatnonzero(lengths > _LONG)
    if len(long):
        spans = ((int(offsets[place]), int(offsets[place] + lengths[place])) for place in long)
        digests = b"".join(hashlib.blake2b(text.data[low:high], digest_size=16).digest() for low, high in spans)
        halves = np.frombuffer(digests, "<u8").reshape(-1, 2).astype(np.uint64)
        lanes.absorb_at(long, halves[:, 0], halves[:, 1])


def _absorb_lists(lists: Lists, lanes: _Lanes, start: int, stop: int) -> None:
    """Take in lengths, then the sum of the hashes of the items, each with its place in its list."""
    import numpy as np

    lengths, offsets = lists.lengths[start:stop].astype(np.int64), lists.offsets[start : stop + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    items = _Lanes(last - first)
    items.absorb((np.arange(first, last) - np.repeat(offsets[:-1], lengths)).astype(np.uint64))
    _absorb(lists.items, items, first, last)
    items.finish()
    lanes.absorb(lengths.astype(np.uint64))
    lanes.absorb(*items.sums(offsets - first))
