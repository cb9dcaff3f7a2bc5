"""The progress of long work: a bar on a terminal or in a notebook, lines in a log, and nothing anywhere else.

Work counts its steps with `count_steps`, and `report_to` says who receives them. Without it there is a bar on standard
error when that is a terminal, and below the cell in a notebook.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from html import escape
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")

_SHORT = 1.0  # seconds; shorter work gets no bar


class Reporter(Protocol):
    """Receives the steps of some work; `done == total` is the last of them."""

    def __call__(self, work: str, done: int, total: int) -> None: ...


_reporter: ContextVar[Reporter | None] = ContextVar("reporter", default=None)


@contextmanager
def report_to(reporter: Reporter) -> Iterator[None]:
    """Send the steps of the work in this block to a reporter.

    >>> lines = []
    >>> with report_to(lambda work, done, total: lines.append(f"{work}: {done} of {total}")):
    ...     letters = list(count_steps("ab", "reading", 2))
    >>> lines
    ['reading: 0 of 2', 'reading: 1 of 2', 'reading: 2 of 2']
    """
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)


def count_steps(things: Iterable[T], work: str, total: int) -> Iterator[T]:
    """Yield the same things; each counts as done when the next is asked for."""
    report = _reporter.get() or _default_reporter()
    done = 0
    try:
        report(work, 0, total)
        for thing in things:
            yield thing
            done += 1
            if done < total:
                report(work, done, total)
    finally:
        report(work, total, total)


class ProgressLines:
    """A reporter that writes a line from time to time, for logs.

    Args:
        write: takes one line.
        every: the seconds between two lines about the same work.
    """

    def __init__(self, write: Callable[[str], object], every: float = 10.0) -> None:
        self._write, self._every = write, every
        self._last: dict[str, float] = {}

    def __call__(self, work: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total:
            self._last.pop(work, None)
        elif now - self._last.setdefault(work, now) >= self._every:
            self._last[work] = now
            self._write(f"{work}: {done} of {total} done ({100 * done // total} %)")


class TerminalBar:
    """A reporter that shows a bar for each work that takes longer than a moment."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self._shown: Progress | None = None
        self._lock = Lock()

    def __call__(self, work: str, done: int, total: int) -> None:
        with self._lock:
            if done >= total:
                self._end(work)
            elif time.monotonic() - self._started.setdefault(work, time.monotonic()) > _SHORT:
                self._show(work, done, total)

    def _show(self, work: str, done: int, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        if self._shown is None:
            self._shown = Progress(console=Console(stderr=True), transient=True)
            self._shown.start()
        if work not in self._tasks:
            self._tasks[work] = self._shown.add_task(work, total=total)
        self._shown.update(self._tasks[work], completed=done)

    def _end(self, work: str) -> None:
        self._started.pop(work, None)
        task = self._tasks.pop(work, None)
        if self._shown is not None and task is not None:
            self._shown.remove_task(task)
            if not self._tasks:
                self._shown.stop()
                self._shown = None


class NotebookBar:
    """A reporter that shows a bar below the cell of a notebook for each work that takes longer than a moment.

    Args:
        display: IPython's function of that name.
    """

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._started: dict[str, float] = {}
        self._shown: dict[str, Any] = {}
        self._lock = Lock()

    def __call__(self, work: str, done: int, total: int) -> None:
        with self._lock:
            now = time.monotonic()
            if done >= total:
                self._started.pop(work, None)
                if (shown := self._shown.pop(work, None)) is not None:
                    shown.update({"text/plain": f"{work}: {total} of {total}"}, raw=True)
            elif now - self._started.setdefault(work, now) > _SHORT:
                self._show(work, done, total)

    def _show(self, work: str, done: int, total: int) -> None:
        text = f"{work}: {done} of {total}"
        page = f'{escape(text)} <progress value="{done}" max="{total}"></progress>'
        data = {"text/plain": text, "text/html": page}
        if work in self._shown:
            self._shown[work].update(data, raw=True)
        else:
            self._shown[work] = self._display(data, raw=True, display_id=True)


def _default_reporter() -> Reporter:
    if sys.stderr.isatty():
        return _terminal_bar()
    ipython = sys.modules.get("IPython")  # not imported here: only a notebook has it
    shell = ipython.get_ipython() if ipython is not None else None
    return _notebook_bar(ipython.display.display) if ipython and hasattr(shell, "kernel") else _report_to_nobody


@cache
def _terminal_bar() -> TerminalBar:
    """Return the one bar of the process: a terminal shows one set of bars at a time."""
    return TerminalBar()


@cache
def _notebook_bar(display: Callable[..., Any]) -> NotebookBar:
    return NotebookBar(display)


def _report_to_nobody(work: str, done: int, total: int) -> None:
    """Report to nobody."""
