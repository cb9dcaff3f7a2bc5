"""Answers from a remote store: requests that come while others are read are read together, in one round trip.

One thread reads and answers, batch after batch; the event loop is called once for each batch. So an answer costs a
share of a round trip and of a hand-over between threads, where most of the time goes otherwise.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import msgspec

from feature_platform.ground.errors import FeaturePlatformError, ServerBusy
from feature_platform.online.read_ahead import ReadAhead
from feature_platform.server.catalogue import Catalogue
from feature_platform.server.limits import Limits

R = TypeVar("R")
_ENTITIES = 2_000  # of one batch, so that the first of it does not wait long for the last

Keys = Mapping[str, Sequence[bytes | None]]
_Made = tuple[asyncio.Future[Any], Any, BaseException | None]
"""The future that waits for an answer, the answer, and the error instead of it."""


class _Waiting(msgspec.Struct, Generic[R]):
    """An answer that somebody waits for."""

    height: int
    keys: Callable[[Catalogue], Keys]
    work: Callable[[Catalogue], R]
    future: asyncio.Future[R]


class Batches:
    """The part of a process that makes answers from a remote store, batch after batch."""

    def __init__(self, open_reader: Callable[[], tuple[ReadAhead, Catalogue]], limits: Limits) -> None:
        """Begin with nothing open.

        Args:
            open_reader: opens the reader of the thread, and the catalogue that reads with it.
        """
        self._open_reader, self._limits = open_reader, limits
        self._open: tuple[ReadAhead, Catalogue] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[Any]] = []
        self._count = 0  # that are not answered yet
        self._runs = False

    async def answer(self, height: int, keys: Callable[[Catalogue], Keys], work: Callable[[Catalogue], R]) -> R:
        """Run some work on the newest state of the store, in the next batch; raises as the work, and `ServerBusy`.

        Args:
            height: how many entities it is for.
            keys: returns the keys of each view that the work will look up, as far as they are known before.
        """
        if self._count >= self._limits.waiting:
            raise ServerBusy(f"has {self._count} answers to compute already")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(height, keys, work, loop.create_future())
        late = loop.call_later(self._limits.answer, _refuse, waiting.future, self._limits.answer)
        with self._lock:
            self._count += 1
            self._waiting.append(waiting)
            begins, self._runs = not self._runs, True
        if begins:
            self._pool.submit(self._run)
        try:
            answer: R = await waiting.future
            return answer
        finally:
            late.cancel()

    def close(self) -> None:
        """Finish what runs."""
        self._pool.shutdown()

    def _run(self) -> None:
        """Answer batch after batch, until nobody waits."""
        while batch := self._take_batch():
            made: list[_Made] = []
            try:
                self._make(batch, made)
            finally:  # a fault of the server ends this thread, and is the answer to all requests left
                fault = sys.exc_info()[1]
                made += [(each.future, None, fault) for each in batch[len(made) :]]
                self._end(len(batch), fault)
                _tell(made)

    def _end(self, count: int, fault: BaseException | None) -> None:
        """Take note that some are answered; after a fault others are answered by a new thread."""
        with self._lock:
            self._count -= count
            if fault is not None:
                self._runs = bool(self._waiting)
                if self._runs:
                    self._pool.submit(self._run)

    def _take_batch(self) -> Sequence[_Waiting[Any]]:
        """Take the next batch; where nobody waits it is empty, and the thread ends."""
        with self._lock:
            entities, size = 0, 0
            while size < len(self._waiting) and entities < _ENTITIES:
                entities += self._waiting[size].height
                size += 1
            batch, self._waiting = self._waiting[:size], self._waiting[size:]
            self._runs = bool(batch)
        return batch

    def _make(self, batch: Sequence[_Waiting[Any]], made: list[_Made]) -> None:
        """Make the answers of a batch, or say what is wrong with each."""
        if self._open is None:
            self._open = self._open_reader()
        reader, catalogue = self._open
        reader.refresh()
        reader.load(_keys_by_view(batch, catalogue))
        for each in batch:
            try:
                made.append((each.future, None if each.future.done() else each.work(catalogue), None))
            except FeaturePlatformError as error:
                made.append((each.future, None, error))


def _keys_by_view(batch: Sequence[_Waiting[Any]], catalogue: Catalogue) -> Mapping[str, Sequence[bytes]]:
    """Return all keys of each view, each once; a request that cannot be answered adds none."""
    wanted: dict[str, dict[bytes, None]] = {}
    for each in batch:
        try:
            keys_of_views = each.keys(catalogue)
        except FeaturePlatformError:  # which the work raises again
            continue
        for view, keys in keys_of_views.items():
            wanted.setdefault(view, {}).update(dict.fromkeys(key for key in keys if key is not None))
    return {view: list(keys) for view, keys in wanted.items()}


def _tell(made: Sequence[_Made]) -> None:
    """Pass answers to the event loops that wait for them."""
    for loop in {future.get_loop() for future, _, _ in made}:
        if not loop.is_closed():
            loop.call_soon_threadsafe(_set, [each for each in made if each[0].get_loop() is loop])


def _set(made: Sequence[_Made]) -> None:
    for future, answer, error in made:
        if future.done():  # nobody waits any more
            continue
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)


def _refuse(future: asyncio.Future[Any], seconds: float) -> None:
    if not future.done():
        future.set_exception(ServerBusy(f"did not get done in {seconds:g} seconds"))
