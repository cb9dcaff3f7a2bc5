"""The tables that were read through a store, and their versions.

Delta keeps no trace of reads, so a store notes them itself, see `OfflineStore.recording`. Each recording has its own
list: what is read at the same time through another store, also by another thread, is not in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True, order=True)
class OpenedTable:
    """A table, by the URI that deltalake gives it, and the version that was opened."""

    table: str
    version: int


class OpenedTables:
    """The tables opened so far; any thread may add to them.

    Iteration gives each pair of table and version once, sorted.

    >>> opened = OpenedTables()
    >>> opened.note("file:///data/offline/views/spending/", 3)
    >>> list(opened), opened.names_below("/data/offline/")
    ([OpenedTable(table='file:///data/offline/views/spending/', version=3)], ['views/spending'])
    """

    def __init__(self) -> None:
        self._noted: set[OpenedTable] = set()

    def note(self, table: str, version: int) -> None:
        """Add a table, by its URI, and the version that was opened."""
        self._noted.add(OpenedTable(table, version))

    def names_below(self, root: str) -> list[str]:
        """Return the names of the tables below a folder or URI, which ends with `/`."""
        uris = [unquote(opened.table).removeprefix("file://").rstrip("/") for opened in self]
        return list(dict.fromkeys(uri.removeprefix(root) for uri in uris if uri.startswith(root)))

    def __iter__(self) -> Iterator[OpenedTable]:
        return iter(sorted(self._noted.copy()))

    def __len__(self) -> int:
        return len(self._noted)
