"""Emptying the spool of a machine: what a crash left is applied online, and all pushes go to the offline logs.

Several processes may share a spool; one of them empties it at a time. A failure is reported, and loses nothing, since a
push stays in the spool until it is in the log.
"""

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from feature_platform.declarations.source import Source
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.offline.soundness import UNREADABLE
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform.serving.applying import Target, apply_again, never, recover

FAILURES = (FeaturePlatformError, *UNREADABLE)
"""Errors of an emptying; a panic of Polars over a damaged file ends no thread."""


class SpoolEmptying:
    """Empties the spool again and again, and remembers what the tables were made with.

    Args:
        report: gets what failed, in words, and the error.
    """

    def __init__(self, sources: Sequence[Source], target: Target, report: Callable[[str, BaseException], None]) -> None:
        self._sources = {source.name: source for source in sources}
        self._target = target
        self._report = report
        self._known: Mapping[str, int] | None = None  # the generations at the start of the time before

    def empty(self, now: datetime, *, upto: int | None = None, stopping: Callable[[], bool] = never) -> int | None:
        """Empty the spool once.

        Args:
            upto: the last push that a crash may have left; later ones may be those of a process that lives.
            stopping: asked between steps whether to leave the rest for another time.

        Returns:
            How many pushes were applied that a crash had left; None when another process empties the spool.
        """
        with self._lock_spool() as alone:
            if not alone:
                return None
            return self._empty(now, upto, stopping)

    def _empty(self, now: datetime, upto: int | None, stopping: Callable[[], bool]) -> int:
        spool, applied = self._target.spool, 0
        try:
            applied = recover(self._sources.values(), self._target, now=now, upto=upto, stopping=stopping)
        except FAILURES as error:
            self._report("a push cannot be applied", error)

        def apply_before_leaving(source: str, last: int) -> bool:
            return self._apply_before_leaving(source, last, now, stopping)

        try:
            before = self._generations()
            if spool.sources():
                flush(spool, self._target.store, leaving=apply_before_leaving, stopping=stopping)
            self._known = before
        except FAILURES as error:
            self._known = None
            self._report("the spool cannot be emptied", error)
        return applied

    def _apply_before_leaving(self, source: str, last: int, now: datetime, stopping: Callable[[], bool]) -> bool:
        """Apply pushes to tables that were built since they came, perhaps without them, before they leave the spool."""
        if source not in self._sources or self._known == self._generations():
            return True
        return apply_again(self._sources[source], last, self._target, now=now, stopping=stopping)

    def _generations(self) -> Mapping[str, int]:
        self._target.refresh()
        tables = [self._target.served_table(view) for view in self._target.served_parts()]
        return {table.view: table.generation for table in tables if table is not None}

    @contextmanager
    def _lock_spool(self) -> Iterator[bool]:
        """Lock the spool against other processes; yield False where another one has it."""
        folder = self._target.spool.folder
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "empty.lock").open("wb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
