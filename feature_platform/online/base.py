"""The contract of online stores: for each view a table of keys and entries, changed as a whole or key by key.

A store knows bytes only. It is given functions for what an entry means, and for the pushed rows that a new publication
of a view has to keep. A new store is one file with a subclass of `OnlineStore` and one of `Reader`, and one line in the
catalogue; the contract tests cover it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType

import polars as pl

from feature_platform.compute.serving.tables import ServedTable
from feature_platform.ground.errors import TooMuchWork

Merge = Callable[[Sequence[bytes | None], Sequence[bytes]], Sequence[bytes]]
"""From entries that are stored, None where there is none, and as many incoming ones to those that hold both."""

Carry = Callable[[bytes | None, bytes, bytes], bytes | None]
"""From the entry to be published, if any, the stored entry that rows were pushed to, and the tag of the last push, to
the entry that holds what is still needed of the pushed rows; None where nothing of them is."""

Batches = Iterable[pl.DataFrame]
"""Frames with the columns `fp_key` and `fp_entry` (`Binary`), each key once; quickest in ascending order of keys."""


class Reader(ABC):
    """An open store, to be read by one process; threads may share it. Close it, or use it as a context."""

    @abstractmethod
    def get(
        self, view: str, keys: Sequence[bytes | None], *, most: int | None = None
    ) -> tuple[ServedTable, Sequence[bytes | None]]:
        """Return the table and the entries of some keys, all of one state; None for a key that is None or absent.

        Args:
            most: the most bytes that the entries may have together; without it, any number.

        Raises:
            TooMuchWork: they have more bytes; the rest was not read.
            NotServed: the view was never published.
            OnlineStoreFailed: the store cannot be read.
        """

    @abstractmethod
    def refresh(self) -> None:
        """Look for generations that were built since. A generation is never older than the one that was read before."""

    @abstractmethod
    def close(self) -> None:
        """Release what is open."""

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class OnlineStore(ABC):
    """A store of the newest values of views, by key; a value that holds nothing open.

    Every method is atomic for its readers: they see all of it or nothing, whatever is killed in between.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Return where the store is, without secrets."""

    @abstractmethod
    def views(self) -> Sequence[str]:
        """Return the views that are served, sorted."""

    @abstractmethod
    def table(self, view: str) -> ServedTable | None:
        """Return the table of a view that is served; None when the view was never published."""

    @abstractmethod
    def build(self, base: ServedTable | None, table: ServedTable, batches: Batches, carry: Carry) -> ServedTable:
        """Build a new generation of a view beside the old one, then let readers have it instead.

        Args:
            base: the table that the new one was made against.
            carry: called for each key that rows were pushed to in the old generation.

        Returns:
            The table as it is served now, with its number of entries.

        Raises:
            OnlineConflict: the table has changed since `base`; nothing is written.
            OnlineStoreFailed: storage refused; nothing has changed.
        """

    @abstractmethod
    def change(
        self, base: ServedTable, table: ServedTable, batches: Batches, gone: Sequence[bytes], carry: Carry
    ) -> ServedTable:
        """Replace the entries of some keys and remove others, in one transaction that records the new table, too.

        Args:
            base, carry: as in `build`.
            gone: keys that no longer have a published entry.

        Raises:
            OnlineConflict, OnlineStoreFailed: nothing has changed.
        """

    @abstractmethod
    def write(
        self,
        view: str,
        entries: Mapping[bytes, bytes],
        merge: Merge,
        tag: bytes,
        *,
        generation: int | None = None,
    ) -> None:
        """Merge pushed entries into those that are stored, in one transaction.

        Args:
            tag: of the push; the last one of each key is kept with it until a publication carries nothing over.
            generation: the generation that the entries were made for; without it, any.

        Raises:
            NotServed: the view was never published.
            OnlineConflict: another generation is served; nothing has changed.
            OnlineStoreFailed: storage refused; nothing has changed.
        """

    @abstractmethod
    def keys(self, view: str) -> Iterator[bytes]:
        """Yield all keys of a view, in no promised order; a key may come twice while the view changes."""

    @abstractmethod
    def remove(self, view: str) -> None:
        """Stop serving a view and free its storage; nothing happens when it is not served."""

    @abstractmethod
    def reader(self) -> Reader:
        """Return the store, opened for reading as it is now."""


def some_of(keys: Sequence[bytes | None], get: Callable[[bytes], bytes | None], most: int) -> Sequence[bytes | None]:
    """Return the entries of some keys.

    Raises:
        TooMuchWork: they have more than `most` bytes together; the rest was not read.
    """
    entries: list[bytes | None] = []
    size = 0
    for key in keys:
        entry = None if key is None else get(key)
        size += 0 if entry is None else len(entry)
        check_size(size, most)
        entries.append(entry)
    return entries


def check_size(size: int, most: int) -> None:
    """Refuse entries that have more than `most` bytes together; raises as `some_of` does."""
    if size > most:
        raise TooMuchWork(f"what it reads comes to more than {most} bytes", most, "bytes")
