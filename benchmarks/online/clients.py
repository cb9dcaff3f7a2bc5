"""Load from compiled clients: `wrk` as fast as it goes, `hey` at a pace; what they say, in numbers.

Bodies are made before the clock starts, so that a client only sends them.
"""

import csv
import io
import json
import os
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.online.processes import Server, program
from benchmarks.shapes import KEY

SCRIPT = Path(__file__).with_name("wrk.lua")
SPARE_S = 30  # that a client may take longer than it was told
RESULT = "RESULT "
SEED = 20250101


class LoadFailed(Exception):
    """A client did not do what it was told."""


@dataclass(frozen=True)
class Load:
    """What came of a run.

    Attributes:
        failed: requests that got no answer, or another than 200.
        p50, p99: milliseconds from a request to its answer, as the client saw it.
        cpu: seconds of the server.
    """

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Requests in a second."""
        return self.requests / self.seconds

    @property
    def cpu_each(self) -> float:
        """Milliseconds of the server's CPU for a request."""
        return self.cpu / max(self.requests, 1) * 1000

    def figures(self, entities: int = 0) -> dict[str, float]:
        """As they are kept."""
        found = {"rate": self.rate, "cpu": self.cpu_each, "p50": self.p50, "p99": self.p99, "failed": self.failed}
        return found | ({"entity_rows": self.rate * entities} if entities else {})


def write_bodies(file: Path, count: int, entities: int, keys: int, body: Callable[[Sequence[int]], object]) -> Path:
    """Requests for random keys of all there are, one a line."""
    rng = random.Random(SEED + entities)
    lines = [json.dumps(body(rng.choices(range(keys), k=entities)), separators=(",", ":")) for _ in range(count)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    return file


def native_body(service: str, **fields: object) -> Callable[[Sequence[int]], object]:
    """What the native endpoint is asked; `fields` are the same for every entity."""
    return lambda keys: {"service": service, "entities": [{KEY: key, **fields} for key in keys]}


def feast_body(view: str, features: Sequence[str]) -> Callable[[Sequence[int]], object]:
    """What Feast's endpoint is asked."""
    names = [f"{view}:{feature}" for feature in features]
    return lambda keys: {"features": names, "entities": {KEY: list(keys)}}


def wrk(server: Server, path: str, bodies: Path | None, *, connections: int, seconds: float, warm: float = 1) -> Load:
    """As many requests as connections take in turn, after some to warm up.

    Raises:
        LoadFailed: the client failed, or nothing was answered.
    """
    if warm:
        wrk(server, path, bodies, connections=connections, seconds=warm, warm=0)
    words = [program("wrk"), "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "--timeout", "10s"]
    more = {"BENCH_BODIES": str(bodies), "BENCH_PATH": path} if bodies else {}
    before = server.cpu()
    said = _said([*words, "-s", str(SCRIPT), server.url + path], seconds, more)
    cpu = server.cpu() - before
    return wrk_load(said, cpu)


def wrk_load(said: str, cpu: float) -> Load:
    """What the script says."""
    lines = [line.removeprefix(RESULT) for line in said.splitlines() if line.startswith(RESULT)]
    if not lines:
        raise LoadFailed(f"wrk does not say what came of it: {said[-300:]}")
    load = Load(**json.loads(lines[-1]), cpu=cpu)
    if not load.requests:
        raise LoadFailed("Nothing was answered.")
    return load


@dataclass(frozen=True)
class Paced:
    """What came of a paced run, but for its first second.

    Attributes:
        asked: the pace, in requests a second; `rate`: the one that was kept.
        p50, p99, p999, most: milliseconds.
    """

    asked: float
    rate: float
    failed: int
    p50: float
    p99: float
    p999: float
    most: float


def hey(server: Server, path: str, body: Path, *, pace: int, workers: int, seconds: int) -> Paced:
    """The same request at a pace.

    Raises:
        LoadFailed: the client failed.
    """
    each = pace // workers
    words = [program("hey"), "-z", f"{seconds}s", "-c", str(workers), "-q", str(each), "-m", "POST", "-o", "csv"]
    words += ["-T", "application/json", "-D", str(body), server.url + path]
    return paced(_said(words, seconds), each * workers)


def paced(said: str, asked: float, warm: float = 1) -> Paced:
    """What the lines of `hey -o csv` say: for each request how long it took, its status, and when it was sent."""
    rows = [row for row in csv.DictReader(io.StringIO(said)) if float(row["offset"]) >= warm]
    if not rows:
        raise LoadFailed(f"hey says of no request: {said[:300]}")
    took = sorted(float(row["response-time"]) * 1000 for row in rows)
    sent = [float(row["offset"]) for row in rows]
    span = max(sent) - min(sent) or 1
    failed = sum(row["status-code"] != "200" for row in rows)
    p50, p99, p999, most = (quantile(took, share) for share in (0.5, 0.99, 0.999, 1))
    return Paced(asked, len(rows) / span, failed, p50, p99, p999, most)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of some sorted values that this share of them does not exceed."""
    return ordered[max(-(-len(ordered) * round(share * 1000) // 1000) - 1, 0)]


def _said(words: Sequence[str], seconds: float, more: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            words, env={**os.environ, **(more or {})}, capture_output=True, text=True, timeout=seconds + SPARE_S,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"{words[0]} did not end in time.") from error
    if done.returncode:
        raise LoadFailed(f"{words[0]}: exit code {done.returncode} {done.stderr[-300:]}")
    return done.stdout
