"""The footer of a Parquet file, as far as Polars does not tell: which columns hold the old 12-byte times (INT96).

Spark, Impala and Hive write times so by default. Polars reads them as nanoseconds and gives the last moment
that nanoseconds can hold, in 2262, for every time beyond its range; asked for microseconds it reads them exactly.
The footer is in Thrift's compact protocol; only the list of columns at its start is read.
"""

from io import BufferedIOBase

_INT96 = 3
_OLD_TIME = b"\x15\x06"  # field 1 of a column, its physical type, is INT96; without these bytes there is none
_MAGIC_AND_LENGTH = 8
_BOOLEANS, _BYTE, _WHOLES, _DOUBLE, _BINARY, _LISTS, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12


def int96_columns(opened: BufferedIOBase) -> frozenset[str]:
    """Return the columns that hold times of 12 bytes, at any depth; for a file that Polars can open.

    See https://parquet.apache.org/docs/file-format/metadata/ for the order of fields.
    """
    opened.seek(-_MAGIC_AND_LENGTH, 2)
    length = int.from_bytes(opened.read(4), "little")
    opened.seek(-_MAGIC_AND_LENGTH - length, 2)
    data = opened.read(length)
    if _OLD_TIME not in data:
        return frozenset()
    footer = _Compact(data)
    for field, kind in footer.fields():
        if field == 2:  # the columns, depth first, each with the number of those inside it
            return _old_times([_element(footer) for _ in range(footer.list_size())])
        footer.skip(kind)
    return frozenset()


def _element(footer: "_Compact") -> tuple[str, int | None, int]:
    """Return the name of a column, its physical type and how many columns are inside it."""
    name, physical, inside = "", None, 0
    for field, kind in footer.fields():
        if field == 1:
            physical = footer.whole()
        elif field == 4:
            name = footer.binary().decode(errors="replace")
        elif field == 5:
            inside = footer.whole()
        else:
            footer.skip(kind)
    return name, physical, inside


def _old_times(elements: list[tuple[str, int | None, int]]) -> frozenset[str]:
    found, place = set(), 1  # the first element is the table itself
    while place < len(elements):
        column, open_places = elements[place][0], 1
        while open_places:
            _, physical, inside = elements[place]
            if physical == _INT96:
                found.add(column)
            open_places += inside - 1
            place += 1
    return frozenset(found)


class _Compact:
    """Bytes in Thrift's compact protocol, read from the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def fields(self) -> "_Fields":
        """Return the fields of the struct that begins here: number and kind of each, to be read or skipped in turn."""
        return _Fields(self)

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def varint(self) -> int:
        number, shift = 0, 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def whole(self) -> int:
        number = self.varint()
        return (number >> 1) ^ -(number & 1)

    def binary(self) -> bytes:
        length = self.varint()
        self._at += length
        return self._data[self._at - length : self._at]

    def list_size(self) -> int:
        return self._list_header()[0]

    def skip(self, kind: int) -> None:
        if kind in _BOOLEANS:
            return
        if kind == _BYTE:
            self._at += 1
        elif kind in _WHOLES:
            self.varint()
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            self.binary()
        elif kind in _LISTS:
            size, inner = self._list_header()
            for _ in range(size):
                self.skip(_BYTE if inner in _BOOLEANS else inner)
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner)
        else:
            raise ValueError(f"the footer has a field of the kind {kind} before its columns")

    def _list_header(self) -> tuple[int, int]:
        head = self.byte()
        size = head >> 4
        return (self.varint() if size == 15 else size), head & 0x0F


class _Fields:
    """The fields of one struct."""

    def __init__(self, compact: _Compact) -> None:
        self._compact, self._last = compact, 0

    def __iter__(self) -> "_Fields":
        return self

    def __next__(self) -> tuple[int, int]:
        head = self._compact.byte()
        if head == 0:
            raise StopIteration
        self._last = self._last + (head >> 4) if head >> 4 else self._compact.whole()
        return self._last, head & 0x0F
