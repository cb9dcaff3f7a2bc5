"""Answering: from a question to its answer, on the event loop when it is quick and in a thread when it is not.

Reading LMDB and joining texts takes microseconds and never waits, so it is done where the request is, as are windows of
a few events and simple request-time features of a few entities. An answer that computes more or fills gaps, that is
very large, or whose store is behind a network, is made in one of a few threads, each with a reader of its own.
`Answerer.on_answer` is called with every answer, however it was made.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

import msgspec

from feature_platform.compute.serving.answers import AnswerColumns
from feature_platform.compute.serving.served_rows import NotQuick
from feature_platform.ground.errors import ServerBusy
from feature_platform.online.base import OnlineStore, Reader
from feature_platform.online.lmdb import Lmdb
from feature_platform.online.read_ahead import ReadAhead
from feature_platform.server.batches import Batches, Keys
from feature_platform.server.catalogue import AD_HOC, Catalogue, Offer, ServingPlan, Wanted
from feature_platform.server.limits import Limits
from feature_platform.server.metrics import Metrics
from feature_platform.server.now import Clock
from feature_platform.serving.service import WorkBounds

A = TypeVar("A", bytes, AnswerColumns)
R = TypeVar("R")
_THREADS = 4
_AT_ONCE = 20_000  # values of one answer that are still quick
_EVENTS_AT_ONCE = 2_000  # that windows are computed from without a thread: less than 1 ms
_BYTES_AT_ONCE = 4 * 2**20  # of entries that are looked through for one answer: at most 20 ms


@dataclass(frozen=True, slots=True)
class FeatureAnswer:
    """An answer and the question that it answers.

    Attributes:
        service: the name of the service; `request` for a list of features.
        entities: join keys and request fields, one value for each entity.
        now: the moment that the values are of.
        answer: the rows as the native endpoint writes them, or columns as Feast's does.
    """

    service: str
    entities: Mapping[str, Sequence[object]]
    height: int
    now: datetime
    answer: bytes | AnswerColumns


class Question(msgspec.Struct, Generic[A], frozen=True):
    """A computation, and how its result is written; both run where the answer is made.

    Attributes:
        compute: computes the answer; such as `ServedService.rows`.
        write: writes the body, given the plan, the question, the moment and the answer.
    """

    wanted: Wanted
    entities: Mapping[str, Sequence[object]]
    height: int
    compute: Callable[[ServingPlan, Mapping[str, Sequence[object]], int, datetime], A]
    write: Callable[[ServingPlan, "Question[A]", datetime, A], bytes]


class Answerer:
    """The part of a process that answers its requests.

    Attributes:
        on_answer: is called on the event loop with every answer to features, such as a request log. Must be quick.
        is_remote: whether every answer waits for a network, since the store is not on this machine.
    """

    def __init__(self, offer: Offer, store: OnlineStore, clock: Clock, limits: Limits, metrics: Metrics) -> None:
        self.offer = offer
        self.clock = clock
        self.on_answer: Callable[[FeatureAnswer], None] | None = None
        self._store = store
        self._limits = limits
        self._metrics = metrics
        self.is_remote = not isinstance(store, Lmdb)
        self._local = threading.local()
        self._readers: list[Catalogue] = []
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="answers")
        self._waiting = 0
        self._lock = threading.Lock()
        self.catalogue = self._open_catalogue(
            self._store.reader(), WorkBounds(_BYTES_AT_ONCE, limits.events, _EVENTS_AT_ONCE)
        )
        self._batches = Batches(self._open_read_ahead, limits)

    async def answer_body(self, question: Question[A]) -> bytes:
        """Answer a question and return the body; raises as `ServedService.rows`, and `ServerBusy`."""
        body = self.answer_body_at_once(question)
        return body if body is not None else self._tell(question, await self._answer_in_thread(question))

    def answer_body_at_once(self, question: Question[A]) -> bytes | None:
        """Answer a quick question and return the body; None for one that needs a thread. Raises as `answer_body`."""
        plan = self.catalogue.plan(question.wanted)
        if plan.is_heavy or self.is_remote or question.height * max(_width(plan), plan.weight) > _AT_ONCE:
            return None
        try:
            result = _make_answer(plan, question, self.clock.now())
        except NotQuick:
            return None
        return self._tell(question, result)

    def _tell(self, question: Question[A], result: tuple[datetime, A, bytes]) -> bytes:
        """Pass an answer to `on_answer` and return its body; every answer comes through here."""
        now, answer, body = result
        if self.on_answer is not None:
            name = question.wanted if isinstance(question.wanted, str) else AD_HOC
            self.on_answer(FeatureAnswer(name, question.entities, question.height, now, answer))
        return body

    def refresh(self) -> None:
        """Follow the generations of the store."""
        self.catalogue.reader.refresh()

    def close(self) -> None:
        """Finish what runs and release the store."""
        self._pool.shutdown()
        self._batches.close()
        for catalogue in self._readers:
            catalogue.reader.close()

    async def run_aside(self, work: Callable[[Catalogue], R]) -> R:
        """Run some work on the newest state of the store in a thread; raises as the work, and `ServerBusy`."""
        if self._waiting >= self._limits.waiting:
            raise ServerBusy(f"has {self._waiting} answers to compute already")
        with self._lock:
            self._waiting += 1
        future = self._pool.submit(self._run_on_catalogue, work)
        future.add_done_callback(lambda _: self._leave_queue())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._limits.answer)
        except TimeoutError:
            raise ServerBusy(f"did not get done in {self._limits.answer:g} seconds") from None

    async def _answer_in_thread(self, question: Question[A]) -> tuple[datetime, A, bytes]:
        def work(catalogue: Catalogue) -> tuple[datetime, A, bytes]:
            return _make_answer(catalogue.plan(question.wanted), question, self.clock.now())

        plan = self.catalogue.plan(question.wanted)
        if self.is_remote and not plan.is_heavy and plan.knows_keys:
            result = await self._batches.answer(question.height, partial(_keys, question), work)
        else:
            result = await self.run_aside(work)
        self.refresh()  # so that no later answer is older than this one
        return result

    def _run_on_catalogue(self, work: Callable[[Catalogue], R]) -> R:
        catalogue: Catalogue | None = getattr(self._local, "catalogue", None)
        if catalogue is None:
            bounds = WorkBounds(events=self._limits.events)
            catalogue = self._local.catalogue = self._open_catalogue(self._store.reader(), bounds)
        catalogue.reader.refresh()
        return work(catalogue)

    def _leave_queue(self) -> None:
        with self._lock:  # called by the thread that is done
            self._waiting -= 1

    def _open_read_ahead(self) -> tuple[ReadAhead, Catalogue]:
        reader = ReadAhead(self._store.reader())
        return reader, self._open_catalogue(reader, WorkBounds(events=self._limits.events))

    def _open_catalogue(self, reader: Reader, bounds: WorkBounds) -> Catalogue:
        metrics = self._metrics
        catalogue = Catalogue(self.offer, reader, metrics.add_watcher(), metrics.count_clipped, bounds)
        self._readers.append(catalogue)
        return catalogue


def _keys(question: Question[A], catalogue: Catalogue) -> Keys:
    return catalogue.plan(question.wanted).served.keys(question.entities, question.height)


def _make_answer(plan: ServingPlan, question: Question[A], now: datetime) -> tuple[datetime, A, bytes]:
    answer = question.compute(plan, question.entities, question.height, now)
    return now, answer, question.write(plan, question, now, answer)


def _width(plan: ServingPlan) -> int:
    """Return how many features the last answer had."""
    width: int = plan.notes.get("width", 1)
    return width
