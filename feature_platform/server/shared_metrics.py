"""Metrics of several workers as one: each writes its counts into a file, and the worker that is asked adds all up.

The files are in a folder of the server's own, not in `TMPDIR`, and are plain: one that cannot be written (a full disk,
a folder that somebody removed) is written a second later, and no worker is killed, as one that maps files into memory
is when the disk is full. A worker's file stays when it is gone, so that counters never fall; all are removed when the
server ends.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time
from uuid import uuid4

import msgspec
from prometheus_client import Metric
from prometheus_client.registry import Collector

_LOCK = "server.lock"
_LAST = ("gauge",)  # types of which the newest value counts; of all others the sum does


_Labels = tuple[tuple[str, str], ...]
_Place = tuple[str, _Labels]
"""The name of a sample and its labels."""


class _Sample(msgspec.Struct, array_like=True):
    name: str
    labels: dict[str, str]
    value: float


class _Family(msgspec.Struct, array_like=True):
    name: str
    documentation: str
    type: str
    samples: list[_Sample]


class _WorkerCounts(msgspec.Struct, array_like=True):
    """The counts of a worker, and when it wrote them."""

    at: float
    families: list[_Family]


_decode = msgspec.json.Decoder(_WorkerCounts).decode


class SharedMetrics(Collector):
    """The metrics of all workers together.

    Args:
        own: the metrics of this worker.
        folder: the folder of all workers; made again where it is gone.
    """

    def __init__(self, own: Collector, folder: Path) -> None:
        self._own = own
        self._folder = folder
        self._file = folder / f"{os.getpid()}-{uuid4().hex[:8]}.json"
        self._written = b""

    def write(self) -> None:
        """Share what was counted with the other workers.

        Raises:
            OSError: the disk refused; the other workers see what was written before.
        """
        families = _families(self._own.collect())
        content = msgspec.json.encode(families)
        if content == self._written and self._file.exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = self._file.with_suffix(".next")
        aside.write_bytes(msgspec.json.encode(_WorkerCounts(time(), families)))
        aside.replace(self._file)
        self._written = content

    def collect(self) -> Iterable[Metric]:
        """Return what all have counted, with what this one counted just now."""
        counted = [_WorkerCounts(time(), _families(self._own.collect())), *self._read_others()]
        return _add_up(sorted(counted, key=lambda each: each.at))

    def _read_others(self) -> Iterator[_WorkerCounts]:
        for path in self._folder.glob("*.json"):
            if path == self._file:
                continue
            try:
                yield _decode(path.read_bytes())
            except (OSError, msgspec.DecodeError):
                continue  # it is gone, or was cut short by a power cut: what it counted is not known


def _families(metrics: Iterable[Metric]) -> list[_Family]:
    """Return the metrics that can be added up: all but the moments at which counters were made."""
    return [
        _Family(
            each.name,
            each.documentation,
            each.type,
            [
                _Sample(sample.name, dict(sample.labels), sample.value)
                for sample in each.samples
                if not sample.name.endswith("_created")
            ],
        )
        for each in metrics
    ]


def _add_up(counted: Iterable[_WorkerCounts]) -> list[Metric]:
    """Add up what was counted; of a gauge the last value counts."""
    metrics: dict[str, Metric] = {}
    values: dict[str, dict[_Place, float]] = {}
    for one in counted:
        for family in one.families:
            metrics.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            known = values.setdefault(family.name, {})
            for sample in family.samples:
                place = (sample.name, tuple(sorted(sample.labels.items())))
                before = 0.0 if family.type in _LAST else known.get(place, 0.0)
                known[place] = before + sample.value
    for name, metric in metrics.items():
        for (sample_name, labels), value in _group_by_labels(values[name]):
            metric.add_sample(sample_name, dict(labels), value)
    return list(metrics.values())


def _group_by_labels(values: Mapping[_Place, float]) -> Iterator[tuple[_Place, float]]:
    """Yield the samples of one set of labels together, as Prometheus wants the buckets of a histogram."""
    groups: dict[_Labels, list[tuple[_Place, float]]] = {}
    for (name, labels), value in values.items():
        without_bucket = tuple(pair for pair in labels if pair[0] != "le")
        groups.setdefault(without_bucket, []).append(((name, labels), value))
    for group in groups.values():
        yield from group


@contextmanager
def metrics_folder(state: Path) -> Iterator[Path]:
    """Give a server a folder for its workers' metrics while it runs; remove those of servers that were killed.

    Args:
        state: the folder of servers' own files. Where it cannot be written, each worker knows of itself only.
    """
    folder = state / "metrics" / f"{os.getpid()}-{uuid4().hex[:8]}"
    lock: int | None = None
    try:
        folder.mkdir(parents=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_left(folder)
    except OSError:
        pass  # workers try again every second, and say what is wrong
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _remove_left(mine: Path) -> None:
    """Remove the folders of servers that are gone: nobody holds their locks."""
    for lock in mine.parent.glob(f"*/{_LOCK}"):
        if lock.parent == mine:
            continue
        with lock.open("r+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(lock.parent, ignore_errors=True)
