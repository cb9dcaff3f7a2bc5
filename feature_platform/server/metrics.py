"""Metrics for Prometheus: how many requests there are, how long they take, how many entities were found.

Requests only add to plain numbers of their own thread, which costs half a microsecond; about every second, and before
they are read, the numbers go to prometheus_client. With several workers they are added up by way of files, see
`shared_metrics`; one that is killed loses its last second.
"""

from bisect import bisect_left
from collections import Counter as Numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from feature_platform.compute.serving.served_rows import ServedRows
from feature_platform.declarations.view import FeatureView
from feature_platform.server.logs import logger
from feature_platform.server.shared_metrics import SharedMetrics

BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Watch = Callable[[Mapping[FeatureView, Any]], None]


class _Times(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: list[int], seconds: float) -> None:
        """Add the counts of each bucket, and the sum of the seconds."""
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(seconds)


@dataclass(slots=True)
class Tally:
    """The answers of one route since they were last added to the metrics."""

    statuses: Numbers[int] = field(default_factory=Numbers)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, status: int, seconds: float) -> None:
        """Count an answer."""
        self.statuses[status] += 1
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


class _LookupCounts:
    """Counts of the entities that one thread has looked up in each view, and has found; only that thread adds."""

    def __init__(self) -> None:
        self.views: dict[str, list[int]] = {}  # all, not found, expired
        self.settled: dict[str, list[int]] = {}

    def count_rows(self, answer: Mapping[FeatureView, tuple[Any, ServedRows]]) -> None:
        """Count the rows that an answer is made from."""
        for view, (_, lookup) in answer.items():
            counts = self.views.get(view.name)
            if counts is None:
                counts = self.views[view.name] = [0, 0, 0]
            counts[0] += len(lookup.rows)
            counts[1] += lookup.rows.count(None)
            counts[2] += len(lookup.expired)


class Metrics:
    """The metrics of a process.

    Args:
        folder: where several workers share their metrics; None for a process without others.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._registry = CollectorRegistry()
        self._shared = CollectorRegistry(auto_describe=False)
        self._files = None if folder is None else SharedMetrics(self._registry, folder)
        if self._files is not None:
            self._shared.register(self._files)
        self._refused: OSError | None = None
        name, registry = "feature_platform", self._registry
        self._requests = Counter(
            f"{name}_requests", "Requests that were answered.", ["route", "status"], registry=registry
        )
        self._times = _Times(
            f"{name}_request_seconds", "Time to an answer.", ["route"], buckets=BOUNDS, registry=registry
        )
        self._rows = Counter(
            f"{name}_rows", "Entities that were looked up in a view.", ["view", "found"], registry=registry
        )
        self._failures = Counter(f"{name}_failures", "What failed in the server itself.", ["error"], registry=registry)
        self._pushes = Counter(f"{name}_pushes", "Pushes that were taken.", ["source", "to"], registry=registry)
        self._pushed = Counter(f"{name}_pushed_rows", "Rows that were pushed.", ["source", "to"], registry=registry)
        self._clipped = Counter(
            f"{name}_clipped_request_values",
            "Values of request fields that were replaced by the nearest bound.",
            ["field"],
            registry=registry,
        )
        self._spooled = Gauge(
            f"{name}_spooled_pushes",
            "Pushes that wait in the spool.",
            registry=registry,
        )
        self._noticed = Counter(
            f"{name}_spool_noticed",
            "What was noticed about the spool: pushes set aside, a spool that is a copy.",
            ["kind"],
            registry=registry,
        )
        self._aside = Gauge(
            f"{name}_pushes_set_aside",
            "Pushes that no log can take, or that cannot be read; they are kept beside the spool.",
            registry=registry,
        )
        self._tallies: dict[str, Tally] = {}
        self._looked: list[_LookupCounts] = []

    def tally(self, route: str) -> Tally:
        """Return the tally that the answers of a route are counted in."""
        return self._tallies.setdefault(route, Tally())

    def add_watcher(self) -> Watch:
        """Return a function that counts, for one thread, the rows that answers are made from."""
        looked = _LookupCounts()
        self._looked.append(looked)
        return looked.count_rows

    def count_failure(self, error: str) -> None:
        """Count a failure of the server."""
        self._failures.labels(error).inc()

    def count_clipped(self, field: str, values: int) -> None:
        """Count values of a request field that lay outside its bounds and were replaced by the nearest."""
        self._clipped.labels(field).inc(values)

    def count_push(self, source: str, to: str, rows: int) -> None:
        """Count a push."""
        self._pushes.labels(source, to).inc()
        self._pushed.labels(source, to).inc(rows)

    def set_spooled(self, pushes: int, aside: int) -> None:
        """Set how many pushes wait, and how many were set aside."""
        self._spooled.set(pushes)
        self._aside.set(aside)

    def count_notice(self, kind: str) -> None:
        """Count what was noticed about the spool."""
        self._noticed.labels(kind).inc()

    def settle(self) -> None:
        """Add what was counted to the metrics."""
        for route, tally in self._tallies.items():
            if tally.statuses:
                self._times.labels(route).add(tally.buckets, tally.seconds)
                for status, count in tally.statuses.items():
                    self._requests.labels(route, str(status)).inc(count)
                tally.statuses, tally.buckets, tally.seconds = Numbers(), [0] * (len(BOUNDS) + 1), 0.0
        for looked in self._looked:
            for view, counts in list(looked.views.items()):
                now, before = list(counts), looked.settled.get(view, [0, 0, 0])
                looked.settled[view] = now
                every, missing, expired = (a - b for a, b in zip(now, before, strict=True))
                self._rows.labels(view, "present").inc(max(every - missing - expired, 0))
                self._rows.labels(view, "not_found").inc(missing)
                self._rows.labels(view, "outside_max_age").inc(expired)

    def share(self) -> None:
        """Settle, and share the metrics with the other workers; where the disk refuses, log that once and try again."""
        self.settle()
        if self._files is None:
            return
        try:
            self._files.write()
        except OSError as error:
            if self._refused is None:
                self.count_failure("metrics")
                logger().error("metrics cannot be written for the other workers", message=str(error))
            self._refused = error
        else:
            self._refused = None

    def text(self) -> bytes:
        """Return all metrics, of all workers, as Prometheus reads them."""
        self.settle()
        return generate_latest(self._registry if self._files is None else self._shared)
