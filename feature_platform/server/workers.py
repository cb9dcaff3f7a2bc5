"""The workers of a server and the process that watches them: it logs when a worker ends, and replaces it.

uvicorn's supervisor does the starting and stopping. Its health check is not used: it kills a worker that does not
answer for five seconds, which one that imports a large project does not, and waits for each worker in turn.
"""

import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from feature_platform.ground.errors import CannotStart
from feature_platform.server.logs import logger

START, HANG = 300.0, 60.0  # seconds a worker may need until it answers, and may be silent after that
_LOOK_EVERY = 0.25  # seconds
_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before a worker that never answered is replaced: doubled each time
_ENDINGS = (signal.SIGTERM, signal.SIGINT)


class WorkerProcess(Process):
    """A worker as its parent sees it: asked again and again whether it answers, without ever waiting for it.

    Attributes:
        started: whether it has answered that it takes requests.
        ended: whether it is gone; it is replaced at the moment `replace_at` (monotonic seconds).
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], failures: int) -> None:
        super().__init__(config, sockets)
        self.failures = failures  # of those in its place that ended before they answered
        self.started = False
        self.ended = False
        self.replace_at = 0.0
        self._heard_at = time.monotonic()
        self._asked = False

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Run; in the worker. The server is made before the thread that answers for it, which else makes another."""
        _ = self.server
        super().target(sockets)

    def look(self, now: float) -> None:
        """Read its answers and ask again; `is_up` shows when a worker has ended and does not answer."""
        try:
            while self.parent_conn.poll(0):
                self.started = self.parent_conn.recv() is True or self.started
                self._heard_at = now if self.started else self._heard_at
                self._asked = False
            if not self._asked:
                self.parent_conn.send(b"ping")
                self._asked = True
        except (OSError, EOFError):
            return

    def is_up(self) -> bool:
        """Tell whether the process runs."""
        return self.process.is_alive()

    def silence(self, now: float) -> float | None:
        """Return the seconds of its silence when they are too many; None otherwise."""
        seconds = now - self._heard_at
        return seconds if seconds > (HANG if self.started else START) else None


class Supervisor(Multiprocess):
    """A supervisor that keeps a number of workers running until it is stopped.

    Args:
        fresh: returns the configuration of a worker; called for each one that is started.
        ready: called once, when the first worker answers.
    """

    def __init__(
        self,
        fresh: Callable[[], uvicorn.Config],
        sockets: list[socket.socket],
        ready: Callable[[], None],
    ) -> None:
        super().__init__(fresh(), sockets)
        self._fresh = fresh
        self._ready: Callable[[], None] | None = ready
        self._workers: list[WorkerProcess] = []
        self._failed: int | None = None
        self._log = logger()

    def run(self) -> None:
        """Run until SIGINT or SIGTERM.

        Raises:
            CannotStart: a worker ended by itself before any had answered; all others would.
        """
        self.init_processes()
        while not self.should_exit.wait(_LOOK_EVERY):
            self.handle_signals()
            self.keep_subprocess_alive()
        self.terminate_all()
        self.join_all()
        if self._failed is not None:
            raise CannotStart(self._failed)

    def init_processes(self) -> None:
        for _ in range(self.processes_num):
            self._workers.append(self._start_worker())
        self._tell_uvicorn()

    def keep_subprocess_alive(self) -> None:
        """Look at each worker once."""
        now = time.monotonic()
        for place, worker in enumerate(self._workers):
            if self.should_exit.is_set():
                return
            if not worker.ended:
                self._look_at(worker, now)
            elif now >= worker.replace_at:
                self._workers[place] = self._start_worker(worker.failures)
                self._log.info("worker replaced", process=worker.pid, by=self._workers[place].pid)
        self._tell_uvicorn()

    def restart_all(self) -> None:
        """Replace each worker by one that answers already."""
        for place, old in enumerate(self._workers):
            new = self._start_worker()
            if not self._wait_until_up(new):
                new.kill()
                new.join()
                self._log.error("the new worker does not answer; the old ones stay", process=new.pid)
                return
            old.terminate()
            old.join()
            self._workers[place] = new
            self._tell_uvicorn()

    def handle_ttin(self) -> None:
        """Start one worker more."""
        self.processes_num += 1
        self._workers.append(self._start_worker())
        self._tell_uvicorn()

    def handle_ttou(self) -> None:
        """Stop one worker, but never the last."""
        if self.processes_num > 1:
            self.processes_num -= 1
            worker = self._workers.pop()
            worker.terminate()
            worker.join()
            self._tell_uvicorn()

    def _start_worker(self, failures: int = 0) -> WorkerProcess:
        worker = WorkerProcess(self._fresh(), self.sockets, failures)
        worker.start()
        return worker

    def _tell_uvicorn(self) -> None:
        """Give uvicorn the list of workers, which it stops and waits for."""
        self.processes = list(self._workers)

    def _look_at(self, worker: WorkerProcess, now: float) -> None:
        if worker.is_up():
            worker.look(now)
            if worker.started:
                self._tell_ready(worker)
            seconds = worker.silence(now)
            if seconds is None:
                return
            self._log.error("a worker does not answer and is killed", process=worker.pid, seconds=round(seconds))
            worker.kill()
        worker.join()
        self._count_as_ended(worker, now)

    def _tell_ready(self, worker: WorkerProcess) -> None:
        worker.failures = 0
        if self._ready is not None:
            self._ready()
            self._ready = None

    def _count_as_ended(self, worker: WorkerProcess, now: float) -> None:
        worker.ended = True
        code = worker.exitcode or 0
        if self._ready is not None and code > 0:
            self._log.error("a worker could not start", process=worker.pid, exit=code)
            self._failed = code
            self.should_exit.set()
            return
        pause = 0.0 if worker.started else min(_PAUSE * 2**worker.failures, _LONGEST_PAUSE)
        worker.failures += 0 if worker.started else 1
        worker.replace_at = now + pause
        self._log.error("a worker died", process=worker.pid, **_ending_of(code), started=worker.started)

    def _wait_until_up(self, worker: WorkerProcess) -> bool:
        """Wait until a worker answers; not when it ends, takes too long, or the server is to stop."""
        while worker.is_up() and not any(each in self.signal_queue for each in _ENDINGS):
            now = time.monotonic()
            worker.look(now)
            if worker.started:
                return True
            if worker.silence(now) is not None:
                return False
            time.sleep(_LOOK_EVERY)
        return False


class AnnouncingServer(uvicorn.Server):
    """A server of one process that says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Start, then call `ready`."""
        await super().startup(None if sockets is None else list(sockets))
        if self.started:
            self._ready()


def _ending_of(code: int) -> dict[str, Any]:
    """Return how a process ended: by a signal, or by itself with a code."""
    if code >= 0:
        return {"exit": code}
    known = code + signal.NSIG > 0 and -code in list(signal.Signals)
    return {"signal": signal.Signals(-code).name if known else -code}
