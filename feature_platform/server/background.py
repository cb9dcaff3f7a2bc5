"""The background of a process: follow the generations of the store, settle metrics, look at the keys.

It costs less than a percent of one core. A failure of an unknown kind ends the process, since a worker that does not
follow the store any more would serve the past.
"""

import asyncio
import os
import signal

from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.offline.soundness import UNREADABLE
from feature_platform.server.answering import Answerer
from feature_platform.server.auth import Gate
from feature_platform.server.logs import logger
from feature_platform.server.metrics import Metrics

FOLLOW_EVERY, SETTLE_EVERY = 0.1, 1.0  # seconds


class Background:
    """The tasks of one process, between `start` and `stop`.

    Args:
        parent: the process after whose end this one ends, too; None for a server without workers.
    """

    def __init__(self, answering: Answerer, metrics: Metrics, gate: Gate, parent: int | None) -> None:
        self._answering = answering
        self._metrics = metrics
        self._gate = gate
        self._parent = parent
        self._log = logger()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; on the event loop."""
        self._log.info("started", process=os.getpid())
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._settle())]
        for task in self._tasks:
            task.add_done_callback(self._end_on_failure)

    async def stop(self) -> None:
        """End, and settle what was counted last."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._metrics.share()
        self._log.info("stopped", process=os.getpid())

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_EVERY)
            try:
                self._answering.refresh()
            except (FeaturePlatformError, ValueError, *UNREADABLE) as error:
                self._metrics.count_failure("refresh")
                self._log.error("cannot follow the online store", error=type(error).__name__, message=str(error))

    async def _settle(self) -> None:
        while True:
            await asyncio.sleep(SETTLE_EVERY)
            self._metrics.share()
            self._gate.look()
            if self._parent is not None and os.getppid() != self._parent:
                self._log.error("the parent process is gone", process=os.getpid())
                signal.raise_signal(signal.SIGTERM)
                return

    def _end_on_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("background failed", exc_info=error)
            signal.raise_signal(signal.SIGTERM)
