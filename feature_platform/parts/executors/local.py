"""On this machine: one task after the other in this process, or several at once in processes of their own."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

from feature_platform.ground.errors import InvalidDeclaration, WorkerLost
from feature_platform.parts.executors.base import Executor, Progress, R, T

_HEED = 0.1  # seconds between looks for an interrupt: Polars' signal handler lets a wait without end go on
_AHEAD = 2  # tasks for each process that are handed out before results are taken, so that none waits for work


@dataclass(frozen=True)
class Local(Executor):
    """Tasks on this machine.

    With one process, which is the default, they run in this one: Polars uses all cores already. More pay where the
    work is not Polars'. Processes are started afresh (spawned), which takes half a second each, and share nothing;
    a script that asks for them needs `if __name__ == "__main__":`.

    >>> Local(processes=2)
    Local(processes=2)
    """

    processes: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.processes, bool) or not isinstance(self.processes, int) or self.processes < 1:
            raise InvalidDeclaration("Local", f"has processes={self.processes!r}", "Give a whole number from 1 on.")

    def results(self, kernel: Callable[[T], R], tasks: Sequence[T], progress: Progress) -> Iterator[R]:
        if self.processes == 1:
            return _run_in_this_process(kernel, tasks, progress)
        return _run_in_processes(self.processes, kernel, tasks, progress)


def _run_in_this_process(kernel: Callable[[T], R], tasks: Sequence[T], progress: Progress) -> Iterator[R]:
    for finished, task in enumerate(tasks, start=1):
        result = kernel(task)
        progress(finished, len(tasks))
        yield result


def _run_in_processes(processes: int, kernel: Callable[[T], R], tasks: Sequence[T], progress: Progress) -> Iterator[R]:
    pool = ProcessPoolExecutor(min(processes, len(tasks) or 1), multiprocessing.get_context("spawn"))
    done = False
    try:
        yield from _run_in_order(pool, processes, kernel, tasks, progress)
        done = True
    except BrokenProcessPool as error:
        raise WorkerLost(kernel.__qualname__) from error
    finally:
        if not done:
            _stop(pool)
        pool.shutdown(wait=True, cancel_futures=True)


def _run_in_order(
    pool: ProcessPoolExecutor, processes: int, kernel: Callable[[T], R], tasks: Sequence[T], progress: Progress
) -> Iterator[R]:
    waiting = enumerate(tasks)
    running: dict[Future[R], int] = {}
    results: dict[int, R] = {}
    finished = 0
    for place in range(len(tasks)):
        while place not in results:
            free = _AHEAD * processes - len(running) - len(results)
            running |= {pool.submit(kernel, task): number for number, task in islice(waiting, max(free, 0))}
            for future in wait(running, timeout=_HEED, return_when=FIRST_COMPLETED).done:
                results[running.pop(future)] = future.result()
                finished += 1
                progress(finished, len(tasks))
        yield results.pop(place)


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the workers at once: their work is not needed any more."""
    for worker in list((pool._processes or {}).values()):  # noqa: SLF001 - `terminate_workers` comes with Python 3.14
        worker.terminate()
