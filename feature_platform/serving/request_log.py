"""The request log: requests to a service and their answers, kept in the Delta table `requests/<service>`.

A request never waits for it: answers go into a bounded queue, and a thread of its own writes them. An answer that finds
the queue full is dropped and counted. A killed process loses what it had not written yet, some seconds at most.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from types import TracebackType
from uuid import uuid4

import msgspec
import polars as pl

from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import CommitStamp, OfflineStore

CAPACITY = 2_000  # answers
CAPACITY_BYTES = 64 * 2**20
FLUSH_SECONDS = 5.0
LOGGED = pl.Schema(
    {
        "request_id": pl.String(),
        "at": UTC,
        "entities": pl.String(),
        "features": pl.String(),
        "values": pl.String(),
        "statuses": pl.String(),
        "event_times": pl.String(),
        "stamps": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One answer to log, as the JSON that the server has made already.

    Attributes:
        at: the moment that the values are of (UTC).
        entities: a JSON object, from each join key and request field to the array of its values.
        features: their names, in the order of the values of a row.
        rows: objects with the arrays `values`, `statuses` and `event_times`, one for each entity, separated by
            commas, as `ServedService.rows` gives them.
        stamps: the state of each view that was answered from.
    """

    request_id: str
    service: str
    at: datetime
    entities: bytes
    features: Sequence[str]
    rows: bytes
    stamps: Mapping[str, str]

    @property
    def size(self) -> int:
        """Return about how many bytes it holds."""
        return len(self.entities) + len(self.rows)


class RequestLog:
    """A queue of answers, and the thread that writes them out, which starts with the first. Close it when all is done.

    Args:
        sample: the share of requests that is kept, from 0.0 (none) to 1.0. Its rows hold the values of
            entities and features.
        capacity: how many answers may wait to be written; they are dropped beyond 64 MiB, too.
        flush_seconds: how long an answer waits at most while storage works.

    Attributes:
        written, dropped: how many answers, since the log was opened.
        last_failure: why the last write failed; None when it did not. What could not be written waits for the next.
    """

    def __init__(
        self,
        store: OfflineStore,
        *,
        sample: float,
        capacity: int = CAPACITY,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self.store = store
        self.capacity = capacity
        self.written = 0
        self.dropped = 0
        self.last_failure: str | None = None
        self._below = round(sample * 2**64)
        self._seconds = flush_seconds
        self._waiting: deque[LoggedAnswer] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def wants(self, request_id: str) -> bool:
        """Tell whether the answer to a request is in the sample: the same on every server, for the same id."""
        if not self._below:
            return False
        return int.from_bytes(blake2b(request_id.encode(), digest_size=8).digest(), "big") < self._below

    def record(self, answer: LoggedAnswer) -> bool:
        """Put an answer into the queue; False where that is full and the answer is dropped. Never waits for storage."""
        with self._lock:
            full = len(self._waiting) >= self.capacity or self._bytes + answer.size > CAPACITY_BYTES
            if full or self._stop.is_set():
                self.dropped += 1
                return False
            self._waiting.append(answer)
            self._bytes += answer.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="feature_platform-request-log", daemon=True)
                self._thread.start()
        return True

    def flush(self) -> bool:
        """Write the answers that wait now; False when storage refuses, and then they go on waiting."""
        with self._writing:
            with self._lock:
                batch = list(self._waiting)
            by_service: dict[str, list[LoggedAnswer]] = {}
            for each in batch:
                by_service.setdefault(each.service, []).append(each)
            failures = [failure for some in by_service.values() if (failure := self._write(some)) is not None]
            self.last_failure = failures[-1] if failures else None
        return not failures

    def close(self, timeout: float = 10.0) -> None:
        """Write the answers that wait, and stop; those that storage does not take within the timeout are lost."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def __enter__(self) -> "RequestLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self.flush()
        self.flush()

    def _write(self, batch: Sequence[LoggedAnswer]) -> str | None:
        """Append the answers of one service and take them out of the queue; return why, where they stay."""
        rows = [row for row in map(_row, batch) if row is not None]
        name = TableKind.REQUESTS.of(batch[0].service)
        try:
            frame = pl.DataFrame(rows, schema=LOGGED, orient="row")
            self.store.append(name, frame, stamp=CommitStamp(uuid4().hex, name, ""))
        except (FeaturePlatformError, OSError) as error:
            return str(error)
        done = set(map(id, batch))
        with self._lock:
            self._waiting = deque(each for each in self._waiting if id(each) not in done)
            self._bytes -= sum(each.size for each in batch)
            self.written += len(rows)
            self.dropped += len(batch) - len(rows)
        return None


class _AnsweredRow(msgspec.Struct):
    values: msgspec.Raw
    statuses: msgspec.Raw
    event_times: msgspec.Raw


def _row(answer: LoggedAnswer) -> tuple[object, ...] | None:
    """Return an answer as a row of the table; None where its rows are not the JSON that they should be."""
    try:
        rows = msgspec.json.decode(b"[%b]" % answer.rows, type=list[_AnsweredRow])
    except msgspec.DecodeError:
        return None
    parts = [b"[%b]" % b",".join(bytes(getattr(row, name)) for row in rows) for name in _AnsweredRow.__struct_fields__]
    return (
        answer.request_id,
        answer.at,
        answer.entities.decode(),
        msgspec.json.encode(list(answer.features)).decode(),
        *(part.decode() for part in parts),
        msgspec.json.encode(dict(answer.stamps)).decode(),
    )
