"""Emptying the spool: pushes that a crash left are applied, and all go to the offline logs every few seconds.

Several processes may share a spool; one of them empties it at a time. A failure is logged, and tried again; it ends no
process and loses nothing, since a push stays in the spool until it is in the log.
"""

import asyncio
import fcntl
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from time import monotonic

from feature_platform.declarations.source import Source
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.offline.soundness import UNREADABLE
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform.server.answering import Answerer
from feature_platform.server.applied import AppliedPushes
from feature_platform.server.logs import logger
from feature_platform.server.metrics import Metrics
from feature_platform.serving.applying import Target, apply_again, recover

_FAILURES = (FeaturePlatformError, *UNREADABLE)  # a panic over a damaged file ends no thread
_TRIED_AGAIN = 0.05  # seconds
GRACE = 5.0  # seconds; a server that is stopped usually has ten or more


class SpoolEmptier:
    """The task that empties the spool of one process, between `start` and `stop`.

    Args:
        every: seconds from one emptying to the next.
        grace: seconds that stopping may take, apart from the batch of pushes that is under way.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        target: Target,
        applied: AppliedPushes,
        answering: Answerer,
        metrics: Metrics,
        every: float,
        grace: float = GRACE,
    ) -> None:
        self._sources = {each.name: each for each in sources}
        self._target = target
        self._applied = applied
        self._last: int | None = None  # the newest push at the time before; None before the first
        self._answering = answering
        self._metrics = metrics
        self._every = every
        self._grace = grace
        self._end: float | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._task: asyncio.Task[None] | None = None
        self._known: Mapping[str, int] | None = None  # the generations at the start of the time before
        self._report: Mapping[str, object] = {}
        self._log = logger()

    def start(self) -> None:
        """Begin, with what a crash left; on the event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Empty the spool once more, as far as that gets within the grace; the rest stays in the spool."""
        self._end = monotonic() + self._grace
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        loop = asyncio.get_running_loop()
        while not await loop.run_in_executor(self._thread, self.empty) and not self._stopping():
            await asyncio.sleep(
                _TRIED_AGAIN
            )  # another process empties it, and may have begun before this one noted its last pushes
        await asyncio.to_thread(self._thread.shutdown)

    async def _run(self) -> None:
        while True:
            [failed] = await asyncio.gather(self._empty_in_thread(), return_exceptions=True)
            if failed is not None:  # an unknown failure: it is logged and tried again, as all others are
                self._metrics.count_failure("flush")
                self._log.error("emptying the spool failed", exc_info=failed)
            await asyncio.sleep(self._every)

    async def _empty_in_thread(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self.empty)

    def report(self) -> Mapping[str, object]:
        """Return how many pushes wait and what was noticed, by kind, as of the last time that the spool was emptied."""
        return self._report

    def empty(self) -> bool:
        """Empty the spool now, unless another process does; return False where another one does."""
        try:
            self._applied.settle()
            self._target.refresh()
            upto, self._last = self._last, self._target.spool.last()
            with self._lock_spool() as alone:
                if alone and self._last >= 0:
                    self._empty(upto)
            self._look()
        except _FAILURES as error:
            self._report_failure("the spool cannot be read", error)
            return True
        return alone

    def _empty(self, upto: int | None) -> None:
        """Apply what a crash left, up to a push (later ones are of processes that live), and write all to the log."""
        spool, now = self._target.spool, self._answering.clock.now()
        try:
            if count := recover(self._sources.values(), self._target, now=now, upto=upto, stopping=self._stopping):
                self._log.warning("pushes of a process that ended were applied", pushes=count)
        except _FAILURES as error:
            self._report_failure("a push cannot be applied", error)
        if spool.sources():
            before = self._generations()
            try:
                flush(spool, self._target.store, leaving=self._apply_before_leaving, stopping=self._stopping)
                self._known = before
            except _FAILURES as error:
                self._known = None
                self._report_failure("the spool cannot be emptied", error)

    def _look(self) -> None:
        spool = self._target.spool
        waiting, aside = sum(spool.sources().values()), len(spool.aside())
        self._metrics.set_spooled(waiting, aside)
        kinds = Counter(each.kind for each in spool.notices())
        self._report = {"waiting": waiting, "set_aside": aside, "noticed": dict(kinds)}

    def _apply_before_leaving(self, source: str, upto: int) -> bool:
        """Apply pushes to tables that were built since they came, perhaps without them, before they leave the spool."""
        if source not in self._sources or self._known == self._generations():
            return True
        now = self._answering.clock.now()
        return apply_again(self._sources[source], upto, self._target, now=now, stopping=self._stopping)

    def _stopping(self) -> bool:
        return self._end is not None and monotonic() > self._end

    def _generations(self) -> Mapping[str, int]:
        self._target.refresh()
        tables = [self._target.served_table(view) for view in self._target.views]
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

    def _report_failure(self, what: str, error: BaseException) -> None:
        self._metrics.count_failure("flush")
        self._log.error(what, error=type(error).__name__, message=str(error))
