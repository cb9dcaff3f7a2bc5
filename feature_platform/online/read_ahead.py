"""A reader for many answers made one after the other: it reads the entries that they need together beforehand."""

from collections.abc import Mapping, Sequence

from feature_platform.compute.serving.tables import ServedTable
from feature_platform.ground.errors import NotServed, OnlineStoreFailed
from feature_platform.online.base import Reader


class ReadAhead(Reader):
    """A reader that has some entries already, and asks another reader for all others. It belongs to one thread."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._held: dict[str, tuple[ServedTable, Mapping[bytes, bytes | None]]] = {}
        self._failed: dict[str, NotServed | OnlineStoreFailed] = {}

    def load(self, wanted: Mapping[str, Sequence[bytes]]) -> None:
        """Load these entries of each view, all of one state of the view, in place of the entries loaded before.

        A view that cannot be read raises its error for everybody until the next `load`, so that nobody waits for it
        again.
        """
        self._held, self._failed = {}, {}
        for view, keys in wanted.items():
            try:
                table, entries = self._reader.get(view, keys)
            except (NotServed, OnlineStoreFailed) as error:
                self._failed[view] = error
            else:
                self._held[view] = (table, dict(zip(keys, entries, strict=True)))

    def get(
        self, view: str, keys: Sequence[bytes | None], *, most: int | None = None
    ) -> tuple[ServedTable, Sequence[bytes | None]]:
        if view in self._failed:
            raise self._failed[view].with_traceback(None)
        table, entries = self._held.get(view, (None, {}))
        if table is None or any(key not in entries for key in keys if key is not None):
            return self._reader.get(view, keys, most=most)
        return table, [None if key is None else entries[key] for key in keys]

    def refresh(self) -> None:
        self._reader.refresh()

    def close(self) -> None:
        self._reader.close()
