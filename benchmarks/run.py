"""The suite: make the data, ingest it, measure every engine in turn, compare the answers, write the report.

    .venv/bin/python -m benchmarks.run --cases shared,windows --scale 0.01 --repeats 3 --engines ours,raw

At full size the figures go into `docs/benchmarks.md`, at another beside the data. Results are kept as they
come: a run that was stopped can be rendered, and a case that is run again replaces only its own figures.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from benchmarks.cases import cases
from benchmarks.cases.base import Case, Engine
from benchmarks.peers import ROOT
from benchmarks.place import Place
from benchmarks.report import GROWTH, bars_table, growth_plot, report, written
from benchmarks.results import disagreements, newest
from benchmarks.session import Session

ENGINES: tuple[Engine, ...] = get_args(Engine)
PAGE = ROOT / "docs" / "benchmarks.md"
IMAGE = Path("images") / "growth.svg"


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 1 when a measurement failed, 2 when answers differ."""
    asked = _arguments(words)
    data, known = Path(asked.data).resolve(), cases(asked.scale)
    results, place = data / "results.jsonl", Place(data / f"scale-{asked.scale:g}")
    failed = False
    if not asked.render:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        session = Session(now, asked.scale, asked.engines, asked.repeats, place, results, keep_stores=asked.keep_stores)
        for name in asked.cases:
            session.run(known[name])
        failed = session.failed
    records = newest(results, asked.scale)
    page = render(known, results, asked.scale, place)
    print(f"\n{bars_table(known.values(), records)}\n\nWritten to {page}")
    apart = disagreements(known.values(), records)
    for each in apart:
        print(f"ANSWERS DIFFER: {each}", file=sys.stderr)
    return 2 if apart else int(failed)


def render(known: dict[str, Case], results: Path, scale: float, place: Place) -> Path:
    """Write what is known; at full size into the documentation, else beside the data."""
    page = PAGE if scale == 1 else place.folder / "report.md"
    records = newest(results, scale)
    plot = growth_plot(known[GROWTH], records)
    page.parent.mkdir(parents=True, exist_ok=True)
    if plot:
        (page.parent / IMAGE).parent.mkdir(exist_ok=True)
        (page.parent / IMAGE).write_text(plot)
    part = report(known, records, scale, IMAGE.as_posix() if plot else None)
    if page == PAGE:
        written(page, part)
    else:
        page.write_text(part + "\n")
    return page


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    known = tuple(cases(1))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(known), help=f"of {', '.join(known)}; all when not said")
    parser.add_argument("--engines", default=",".join(ENGINES), help=f"of {', '.join(ENGINES)}; all when not said")
    parser.add_argument("--scale", type=float, default=1.0, help="what all sizes are multiplied by (1)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each work; the median counts (3)")
    default = os.environ.get("BENCH_DIR", str(ROOT / "benchmarks" / ".data"))
    parser.add_argument("--data", default=default, help="where data and results are kept (BENCH_DIR, benchmarks/.data)")
    parser.add_argument("--keep-stores", action="store_true", help="use tables ingested by other code of the platform")
    parser.add_argument("--render", action="store_true", help="measure nothing, write the report of what there is")
    asked = parser.parse_args(words)
    asked.cases, asked.engines = (_chosen(parser, *each) for each in ((asked.cases, known), (asked.engines, ENGINES)))
    if asked.scale <= 0 or asked.repeats < 1:
        parser.error("scale and repeats are above 0")
    return asked


def _chosen(parser: argparse.ArgumentParser, text: str, known: Sequence[str]) -> list[str]:
    wanted = text.split(",")
    if unknown := sorted({*wanted} - {*known}):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    return wanted


if __name__ == "__main__":
    sys.exit(main())
