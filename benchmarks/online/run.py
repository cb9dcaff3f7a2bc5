"""The online suite: make the data, publish it, put servers under load, write the report.

    .venv/bin/python -m benchmarks.online.run --cases serve,paced --scale 0.01 --repeats 3

At full size the figures go into `docs/benchmarks.md`, at another beside the data. Results are kept as they come: a
case that is run again replaces only its own figures.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from benchmarks.online.answers import AnswersDiffer
from benchmarks.online.base import Bench, Case, number
from benchmarks.online.cases import CASES
from benchmarks.online.clients import LoadFailed
from benchmarks.online.data import Sizes, today
from benchmarks.online.processes import Missing, NotStarted
from benchmarks.online.report import BEGIN, END, bars_table, report
from benchmarks.online.results import Record, newest
from benchmarks.peers import REQUIREMENTS, ROOT
from benchmarks.report import written
from benchmarks.session import code_hash
from benchmarks.stored_results import append
from feature_platform.ground.errors import FeaturePlatformError

FAILURES = (
    *(AnswersDiffer, LoadFailed, Missing, NotStarted, FeaturePlatformError),
    *(OSError, RuntimeError, ValueError, subprocess.SubprocessError),
)
"""What ends a case and is told in the report; a mistake in the suite's own code ends the suite."""

PAGE = ROOT / "docs" / "benchmarks.md"
FULL_S = 5.0  # of one run under load at full size
_PACKAGES = ("lmdb", "msgspec", "polars", "redis", "uvicorn", "uvloop")
_PROGRAMS = {"wrk": ("wrk", "-v"), "redis-server": ("redis-server", "--version")}


@dataclass
class Session:
    """One run of the suite.

    Attributes:
        name: when it began.
        failed: whether a case was not completed.
    """

    name: str
    scale: float
    repeats: int
    seconds: float
    folder: Path
    results: Path
    versions: Mapping[str, str] = field(default_factory=dict)
    failed: bool = field(default=False, init=False)

    def run(self, case: Case) -> None:
        """Measure a case; one that fails is told and the next is begun."""
        print(f"\n{case.name}: {case.title}", flush=True)
        begun = time.monotonic()

        def note(work: str, figures: Mapping[str, float]) -> None:
            append(Record(self.name, self.scale, case.name, work, dict(figures), self.versions), self.results)
            headings = {**case.columns, **case.facts}
            told = ", ".join(f"{headings.get(name, name)} {number(found)}" for name, found in figures.items())
            print(f"  {work:<34} {told}", flush=True)

        place = self.folder / f"scale-{self.scale:g}"
        bench = Bench(place, Sizes.of(self.scale), self.repeats, self.seconds, code_hash(), note)
        try:
            case.run(bench)
        except FAILURES as error:
            self.failed = True
            words = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
            append(Record(self.name, self.scale, case.name, "", {}, self.versions, words), self.results)
            print(f"  FAILED {words}", file=sys.stderr, flush=True)
        print(f"  ({time.monotonic() - begun:.0f} s)", flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 1 when a case failed."""
    asked = _arguments(words)
    data = Path(asked.data).resolve() / "online"
    results, failed = data / "results.jsonl", False
    if not asked.render:
        signal.signal(signal.SIGTERM, _leave)  # so that what was started is ended
        session = Session(today(), asked.scale, asked.repeats, asked.seconds, data, results, versions())
        for name in asked.cases:
            session.run(CASES[name])
        failed = session.failed
    page = render(results, asked.scale, data)
    print(f"\n{bars_table(CASES.values(), newest(results, asked.scale))}\n\nWritten to {page}")
    return int(failed)


def render(results: Path, scale: float, data: Path) -> Path:
    """Write what is known; at full size into the documentation, else beside the data."""
    part = report(CASES, newest(results, scale), scale)
    if scale == 1:
        written(PAGE, part, (BEGIN, END))
        return PAGE
    page = data / f"scale-{scale:g}" / "report.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(part + "\n")
    return page


def versions() -> dict[str, str]:
    """What the figures were made with."""
    pinned = dict(line.split("==") for line in REQUIREMENTS.read_text().splitlines() if line.startswith("feast=="))
    found = {"python": platform.python_version(), **pinned, **{name: version(name) for name in _PACKAGES}}
    return {**found, **{name: told for name, words in _PROGRAMS.items() if (told := _version_of(words))}}


def _version_of(words: Sequence[str]) -> str | None:
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        return None
    text = (said.stdout + said.stderr).split()
    return next((word.removeprefix("v=").removeprefix("debian/") for word in text if any(map(str.isdigit, word))), None)


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what signals call
    raise SystemExit(128 + number)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    known = tuple(CASES)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.online.run", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(known), help=f"of {', '.join(known)}; all when not said")
    parser.add_argument("--scale", type=float, default=1.0, help="what all sizes are multiplied by (1)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each work; the median counts (3)")
    parser.add_argument("--seconds", type=float, default=0, help="of one run under load (5; 1 below full size)")
    default = os.environ.get("BENCH_DIR", str(ROOT / "benchmarks" / ".data"))
    parser.add_argument("--data", default=default, help="where data and results are kept (BENCH_DIR, benchmarks/.data)")
    parser.add_argument("--render", action="store_true", help="measure nothing, write the report of what there is")
    asked = parser.parse_args(words)
    asked.cases = asked.cases.split(",")
    if unknown := sorted({*asked.cases} - {*known}):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    if asked.scale <= 0 or asked.repeats < 1 or asked.seconds < 0:
        parser.error("scale and repeats are above 0, seconds not below")
    asked.seconds = asked.seconds or (FULL_S if asked.scale == 1 else 1.0)
    return asked


if __name__ == "__main__":
    sys.exit(main())
