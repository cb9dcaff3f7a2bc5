"""Running: reads the topics of sources without end, takes their messages, and moves them to the offline log.

One process reads a topic. It may be killed at any moment: the next one, on this machine or another, goes on where the
spool and the log end, and a message that is read again has the same name as before.
"""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from time import monotonic, sleep

from feature_platform.declarations.source import Source
from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import OnlineConflict, OnlineStoreFailed, SourceUnreadable, SpoolFailed
from feature_platform.parts.sources import Kafka
from feature_platform.serving.applying import Target
from feature_platform.serving.emptying import SpoolEmptying
from feature_platform.streaming.places import find_positions
from feature_platform.streaming.taking import MessageTaker
from feature_platform.streaming.topic import Topic, open_topic

MOST_AT_ONCE = 10_000  # messages that are taken together
_WAIT = 0.2  # seconds until the other topics, the log and a stop have their turn
_PAUSE = 1.0  # seconds after a store refused
_TRANSIENT = (OnlineStoreFailed, OnlineConflict, SpoolFailed)
Report = Callable[[str], None]


def stream_sources(sources: Sequence[Source]) -> list[tuple[Source, Kafka]]:
    """Return the sources that read a topic, with it."""
    return [(source, source.connector) for source in sources if isinstance(source.connector, Kafka)]


class StreamRun:
    """A run over the topics of sources, until it is stopped.

    Args:
        every: all sources of the project, whose pushes may wait in the spool.
        read: the sources whose topics are read.
        target: where messages go to.
        now: returns the present.
        report: gets what goes wrong and is tried again, in words.
        skip_lost: see `find_positions`.
    """

    def __init__(
        self,
        every: Sequence[Source],
        read: Sequence[Source],
        target: Target,
        now: Callable[[], datetime],
        report: Report,
        *,
        skip_lost: bool = False,
    ) -> None:
        self._read, self._target, self._now, self._report = stream_sources(read), target, now, report
        self._skip_lost = skip_lost
        self._emptying = SpoolEmptying(every, target, self._report_failure)
        self._lag = min((microseconds(words.lag, "lag") / 1e6 for _, words in self._read), default=1.0)
        self.takers = [MessageTaker(source, words, target) for source, words in self._read]

    def run(self, stopping: Callable[[], bool], *, upto_end: bool = False) -> None:
        """Read, take and log messages until it is to stop, or all have been read that were there at the start.

        Raises:
            SourceUnreadable: a topic cannot be read, or another process reads it. What was taken is kept.
        """
        with ExitStack() as stack:
            for source, _ in self._read:
                stack.enter_context(_lock(self._target, source))
            self._emptying.empty(self._now())
            topics = [stack.enter_context(open_topic(words, source.name)) for source, words in self._read]
            fed = zip(topics, self.takers, strict=True)
            readers = [_Reader(topic, taker, self._now(), skip_lost=self._skip_lost) for topic, taker in fed]
            stack.callback(lambda: self._emptying.empty(self._now()))
            self._loop(readers, stopping, upto_end=upto_end)

    def _loop(self, readers: "Sequence[_Reader]", stopping: Callable[[], bool], *, upto_end: bool) -> None:
        emptied = monotonic()
        while not stopping() and not (upto_end and all(reader.is_at_end() for reader in readers)):
            for reader in readers:
                try:
                    reader.read(self._now, _WAIT / len(readers))
                except _TRANSIENT as error:
                    self._report_failure(f"messages of source `{reader.source.name}` wait", error)
                    sleep(_PAUSE)
                    reader.rewind()
                if trouble := reader.topic.trouble:
                    self._report(f"{reader.topic.words.location}: {trouble}; it is tried again")
            if monotonic() - emptied >= self._lag:
                self._emptying.empty(self._now())
                emptied = monotonic()

    def _report_failure(self, what: str, error: BaseException) -> None:
        self._report(f"{what}: {error}")


class _Reader:
    """Reads one topic into one source."""

    def __init__(self, topic: Topic, taker: MessageTaker, now: datetime, *, skip_lost: bool) -> None:
        self.topic, self.taker, self.source = topic, taker, taker.source
        target = taker.target
        self._begun = find_positions(topic, taker.source, taker.words, target.spool, target.store, skip_lost=skip_lost)
        target.spool.append_all([], now, self._begun)  # where it began is known to the next run, even without a message
        self._ends = {stream: end for stream, (_, end) in topic.bounds().items()}
        topic.go_to(self._begun)

    def read(self, now: Callable[[], datetime], wait: float) -> None:
        """Read and take the next messages."""
        messages = self.topic.read(MOST_AT_ONCE, wait)
        if messages.height:
            self.taker.take(messages, now())
        places = self._next_places()
        behind = {stream: end for stream, end in self.topic.ends.items() if end > places[stream]}
        if behind:  # between there are only marks of transactions, which are no messages
            self.taker.target.spool.append_all([], now(), behind)

    def rewind(self) -> None:
        """Return to the first message that was not taken."""
        self.topic.go_to(self._next_places())

    def is_at_end(self) -> bool:
        """Tell whether all messages were taken that were there at the start."""
        places = self._next_places()
        return all(places[stream] >= end for stream, end in self._ends.items())

    def _next_places(self) -> dict[str, int]:
        """Return the number of the first message of each partition that was not taken; the log may be ahead."""
        taken = self.taker.target.spool.positions()
        return {stream: max(place, taken.get(stream, 0)) for stream, place in self._begun.items()}


@contextmanager
def _lock(target: Target, source: Source) -> Iterator[None]:
    """Lock a topic against other processes of this machine.

    Raises:
        SourceUnreadable: another process reads it.
    """
    folder = target.spool.folder
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"stream-{source.name}.lock").open("wb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reason, remedy = "another process of this machine reads it", "Stop that one first, or let it go on."
            raise SourceUnreadable(source.name, source.connector.location, reason, remedy) from None
        yield
