"""Emptying the spool: pushes that a crash left are applied, and all go to the offline logs every few seconds.

Of several processes over one spool one does it at a time. What fails is logged and tried again; it ends no process and
loses nothing, since a push stays in the spool until it is in the log.
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
from feature_platform.pipelines.flushing import flush
from feature_platform.server.answering import Answering
from feature_platform.server.applied import Applied
from feature_platform.server.logs import logger
from feature_platform.server.metrics import Metrics
from feature_platform.serving.pushing import Target, apply_again, recover

_FAILURES = (FeaturePlatformError, *UNREADABLE)  # a panic over a damaged file ends no thread
_TRIED_AGAIN = 0.05  # seconds
GRACE = 5.0  # seconds; those who stop servers give them ten or more


class Emptying:
    """Empties the spool of one process, between `start` and `stop`.

    Args:
        every: seconds between two times.
        grace: seconds that stopping may take, and a batch of pushes more.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        target: Target,
        applied: Applied,
        answering: Answering,
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
        """Empty it once more, as far as it gets within the grace; what is left stays in the spool."""
        self._end = monotonic() + self._grace
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        loop = asyncio.get_running_loop()
        while not await loop.run_in_executor(self._thread, self.empty) and not self._stopping():
            await asyncio.sleep(_TRIED_AGAIN)  # another process is at it, and may have begun before ours told its own
        await asyncio.to_thread(self._thread.shutdown)

    async def _run(self) -> None:
        while True:
            [failed] = await asyncio.gather(self._in_thread(), return_exceptions=True)
            if failed is not None:  # what nobody foresaw: it is told, and tried again as everything else
                self._metrics.failed("flush")
                self._log.error("emptying the spool failed", exc_info=failed)
            await asyncio.sleep(self._every)

    async def _in_thread(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self.empty)

    def report(self) -> Mapping[str, object]:
        """How pushes do, as of the last time that the spool was emptied: how many wait, what was noticed, by kind."""
        return self._report

    def empty(self) -> bool:
        """Do it now, unless another process is at it; whether none was."""
        try:
            self._applied.settle()
            self._target.refresh()
            upto, self._last = self._last, self._target.spool.last()
            with self._alone() as alone:
                if alone and self._last >= 0:
                    self._empty(upto)
            self._look()
        except _FAILURES as error:
            self._failed("the spool cannot be read", error)
            return True
        return alone

    def _empty(self, upto: int | None) -> None:
        """Apply what a crash left, up to a push: later ones are of processes that live, and tell of them soon."""
        spool, now = self._target.spool, self._answering.clock.now()
        try:
            if count := recover(self._sources.values(), self._target, now=now, upto=upto, stopping=self._stopping):
                self._log.warning("pushes of a process that ended were applied", pushes=count)
        except _FAILURES as error:
            self._failed("a push cannot be applied", error)
        if spool.sources():
            before = self._generations()
            try:
                flush(spool, self._target.store, leaving=self._leaving, stopping=self._stopping)
                self._known = before
            except _FAILURES as error:
                self._known = None
                self._failed("the spool cannot be emptied", error)

    def _look(self) -> None:
        spool = self._target.spool
        waiting, aside = sum(spool.sources().values()), len(spool.aside())
        self._metrics.spooled(waiting, aside)
        kinds = Counter(each.kind for each in spool.notices())
        self._report = {"waiting": waiting, "set_aside": aside, "noticed": dict(kinds)}

    def _leaving(self, source: str, upto: int) -> bool:
        """Before pushes leave the spool: apply them to tables that were built since they came, perhaps without them."""
        if source not in self._sources or self._known == self._generations():
            return True
        now = self._answering.clock.now()
        return apply_again(self._sources[source], upto, self._target, now=now, stopping=self._stopping)

    def _stopping(self) -> bool:
        return self._end is not None and monotonic() > self._end

    def _generations(self) -> Mapping[str, int]:
        self._target.refresh()
        tables = [self._target.served(view) for view in self._target.views]
        return {table.view: table.generation for table in tables if table is not None}

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other process is at it; none begins meanwhile."""
        folder = self._target.spool.folder
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "empty.lock").open("wb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _failed(self, what: str, error: BaseException) -> None:
        self._metrics.failed("flush")
        self._log.error(what, error=type(error).__name__, message=str(error))
