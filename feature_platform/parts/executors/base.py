"""What an executor is: it runs one function over many tasks, wherever it likes.

A task is a small frozen value that names what to work on, such as a file of one bucket of keys; the data itself
stays on disk or in an object store. So a task can be sent to another process or machine, and be run again there.
"""

import dataclasses
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from feature_platform.ground.errors import InvalidDeclaration

T = TypeVar("T")
R = TypeVar("R")

Progress = Callable[[int, int], None]


class Executor(ABC):
    """One way to run tasks; a frozen value that holds nothing open.

    Every executor keeps the same contract: each task is run once, results come in the order of the tasks whatever
    order they finish in, and the first error ends the run.
    """

    def run(self, kernel: Callable[[T], R], tasks: Sequence[T], *, progress: Progress | None = None) -> Iterator[R]:
        """Yield the result of each task, in their order, each as soon as it and those before it are there.

        An error of a task is raised as it is, and no further task is begun; those under way are stopped. So are they
        when the caller is interrupted or stops asking. What a stopped task has written stays unnamed: see
        `write_atomically`.

        Args:
            kernel: a function of a module, which other processes can import.
            tasks: frozen dataclasses of plain values: paths, names, declarations.
            progress: called after each task with the number of finished tasks and the number of all.

        Raises:
            InvalidDeclaration: a kernel or task that cannot be sent elsewhere.
            WorkerLost: a worker ended without an answer, as when memory runs out.
        """
        _check_kernel(kernel)
        for task in tasks:
            _check_task(task)
        return self.results(kernel, tasks, progress or _ignore_progress)

    @abstractmethod
    def results(self, kernel: Callable[[T], R], tasks: Sequence[T], progress: Progress) -> Iterator[R]:
        """Return what `run` gives, for a kernel and tasks that are known to be fit."""


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Write a file elsewhere, and give it its name once it is whole; whatever goes wrong, nothing has the name.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with write_atomically(Path(folder, "a.txt")) as unfinished:
    ...         _ = unfinished.write_text("whole")
    ...     [file.name for file in Path(folder).iterdir()]
    ['a.txt']
    """
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        yield unfinished
        os.replace(unfinished, path)  # noqa: PTH105 - replaces on every system
    finally:
        unfinished.unlink(missing_ok=True)


def _ignore_progress(_finished: int, _of: int) -> None:
    """Ignore progress, where no one asked for it."""


def _check_kernel(kernel: Callable[[T], R]) -> None:
    module, name = getattr(kernel, "__module__", None), getattr(kernel, "__qualname__", "")
    if getattr(sys.modules.get(str(module)), name, None) is not kernel:
        raise InvalidDeclaration(
            f"The kernel {kernel!r}", "cannot be found by other processes", "Give a function of a module."
        )


def _check_task(task: object) -> None:
    options = getattr(task, "__dataclass_params__", None)
    if isinstance(task, type) or not dataclasses.is_dataclass(task) or not getattr(options, "frozen", False):
        raise InvalidDeclaration(f"The task {task!r}", "is not a frozen dataclass", "Name its inputs in one.")
