"""One measurement in a process of its own: `python -m benchmarks.measured ... ` prints `RESULT {json}`.

Wall and CPU are of the work alone; the peak is the highest resident memory of the process up to its end.
"""

import argparse
import json
import os
import platform
import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.cases import INGEST, cases, ingestion
from benchmarks.engines.base import Prepared
from benchmarks.limits import entered
from benchmarks.place import Place
from benchmarks.shapes import Work

RESULT = "RESULT "
_PACKAGES = {
    "ours": ("polars", "deltalake"),
    "raw": ("polars", "numpy"),
    "duckdb": ("duckdb", "pyarrow"),
    "feast": ("feast", "duckdb", "ibis-framework", "pandas", "pyarrow"),
}


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("case", "task", "engine", "folder"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--scale", type=float, required=True)
    parser.add_argument("--limit")
    asked = parser.parse_args()
    Path("/proc/self/oom_score_adj").write_text("1000")  # when memory runs out, this process goes and no other
    known = cases(asked.scale)
    case = ingestion(known) if asked.case == INGEST else known[asked.case]
    result = measured(asked.engine, case.task(asked.task).work, Place(Path(asked.folder)), asked.limit)
    print(RESULT + json.dumps({**result, "versions": versions(asked.engine)}))


def measured(engine: str, work: Work, place: Place, limit: str | None = None) -> dict[str, object]:
    """Wall and CPU seconds, peak bytes, and the digest of the answer where there is one to compare."""
    with entered(limit):
        prepared: Prepared[object] = import_module(f"benchmarks.engines.{engine}").prepare(work, place)
        begun, busy = time.perf_counter(), _cpu_seconds()
        result = prepared.run()
        figures: dict[str, object] = {
            "wall": time.perf_counter() - begun,
            "cpu": _cpu_seconds() - busy,
            "peak": _peak_bytes(),
        }
    if prepared.answer is None:
        return figures
    from benchmarks.digest import digest  # only now: it brings Polars into processes that do without

    return {**figures, "digest": digest(prepared.answer(result))}


def versions(engine: str) -> dict[str, str]:
    """The versions of what an engine is made of."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES[engine]}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _cpu_seconds() -> float:
    return sum(os.times()[:4])


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
