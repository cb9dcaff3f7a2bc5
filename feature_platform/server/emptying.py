"""Emptying the spool: pushes that a crash left are applied, and all go to the offline logs every few seconds.

Several processes may share a spool; one of them empties it at a time. A failure is logged, and tried again; it ends no
process and loses nothing, since a push stays in the spool until it is in the log.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic

from feature_platform.declarations.source import Source
from feature_platform.server.answering import Answerer
from feature_platform.server.applied import AppliedPushes
from feature_platform.server.logs import logger
from feature_platform.server.metrics import Metrics
from feature_platform.serving.applying import Target
from feature_platform.serving.emptying import FAILURES, SpoolEmptying

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
        self._emptying = SpoolEmptying(sources, target, self._report_failure)
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
            applied = self._emptying.empty(self._answering.clock.now(), upto=upto, stopping=self._stopping)
            if applied:
                self._log.warning("pushes of a process that ended were applied", pushes=applied)
            self._look()
        except FAILURES as error:
            self._report_failure("the spool cannot be read", error)
            return True
        return applied is not None

    def _look(self) -> None:
        spool = self._target.spool
        waiting, aside = sum(spool.sources().values()), len(spool.aside())
        self._metrics.set_spooled(waiting, aside)
        kinds = Counter(each.kind for each in spool.notices())
        self._report = {"waiting": waiting, "set_aside": aside, "noticed": dict(kinds)}

    def _stopping(self) -> bool:
        return self._end is not None and monotonic() > self._end

    def _report_failure(self, what: str, error: BaseException) -> None:
        self._metrics.count_failure("flush")
        self._log.error(what, error=type(error).__name__, message=str(error))
