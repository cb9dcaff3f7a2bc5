"""One run of the suite: each measurement in a fresh process, the engines in turn, results kept as they come."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.cases import INGEST, ingestion
from benchmarks.cases.base import Case, Engine, Task
from benchmarks.limits import offered
from benchmarks.measured import RESULT
from benchmarks.peers import NO_TELEMETRY, ROOT, interpreter
from benchmarks.place import Place
from benchmarks.results import Record
from benchmarks.shapes import Join, Windows, tables_of
from benchmarks.stored_results import append

TIMEOUT_S = 3600
LAST_WORDS = 300  # characters
_ERROR = re.compile(r"^[\w.]+: ", re.MULTILINE)  # the line of a traceback that names the error
PACKAGE = ROOT / "feature_platform"


@dataclass
class Session:
    """What one run of the suite was asked for.

    Attributes:
        name: when it began.
        keep_stores: whether tables that other code of the platform ingested will do.
        failed: whether any measurement was not completed.
    """

    name: str
    scale: float
    engines: Sequence[Engine]
    repeats: int
    place: Place
    results: Path
    keep_stores: bool = False
    failed: bool = field(default=False, init=False)

    def run(self, case: Case) -> None:
        """Make what a case needs, then measure its tasks and engines in turn, as often as asked."""
        print(f"\n{case.name}: {case.title}", flush=True)
        for engine in {each for task in case.tasks for each in task.engines if each in self.engines}:
            interpreter(engine)  # so that nothing is installed between two measurements
        self._make_data(case)
        if "ours" in self.engines:
            self._ingest(case)
        for repeat in range(self.repeats):
            for task in case.tasks:
                for engine in task.engines:
                    if engine in self.engines:
                        self._measure(case.name, task, engine, f"{repeat + 1}/{self.repeats}")
        self.place.clear()

    def _make_data(self, case: Case) -> None:
        tables = {table: None for task in case.tasks for table in tables_of(task.work)}
        spines = {task.work.spine: None for task in case.tasks if isinstance(task.work, (Join, Windows))}
        for table in tables:
            if data.make_table(table, self.place):
                print(f"  made {table.name}: {table.rows:,} rows", flush=True)
        for spine in spines:
            data.make_spine(spine, self.place)

    def _ingest(self, case: Case) -> None:
        """What this state of the platform's code has ingested already is used again."""
        for task in ingestion({case.name: case}).tasks:
            note = self.place.ingested(task.name)
            made_from = {"table": json.loads(json.dumps(asdict(tables_of(task.work)[0]))), "code": code_hash()}
            known = json.loads(note.read_text()) if note.exists() else {}
            if known == made_from or (self.keep_stores and known.get("table") == made_from["table"]):
                continue
            note.unlink(missing_ok=True)
            if self._measure(INGEST, task, "ours", "1/1").failed is None:
                note.parent.mkdir(parents=True, exist_ok=True)
                note.write_text(json.dumps(made_from))

    def _measure(self, case: str, task: Task, engine: Engine, which: str) -> Record:
        shutil.rmtree(self.place.answers, ignore_errors=True)
        print(f"  {task.name:<12} {engine:<7} {which}  ", end="", flush=True)
        with ExitStack() as stack:
            limit = stack.enter_context(offered(task.limit)) if task.limit and engine == "ours" else None
            found = _in_a_process(_command(engine, case, task.name, self.scale, self.place, limit))
        record = Record(self.name, self.scale, case, task.name, engine, **found, limited=_kind_of(limit, task.limit))
        append(record, self.results)
        self.failed = self.failed or record.failed is not None
        print(_told(record), flush=True)
        return record


def _command(engine: Engine, case: str, task: str, scale: float, place: Place, limit: str | None) -> list[str]:
    named = {"case": case, "task": task, "engine": engine, "scale": str(scale), "folder": str(place.folder)}
    named |= {"limit": limit} if limit else {}
    options = [word for name, value in named.items() for word in (f"--{name}", value)]
    return [interpreter(engine), "-m", "benchmarks.measured", *options]


def _in_a_process(command: list[str]) -> dict[str, Any]:
    """What the process said of its work, or its last words when it was not completed."""
    environment = {**os.environ, **NO_TELEMETRY, "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {TIMEOUT_S} s"}
    said = [line.removeprefix(RESULT) for line in done.stdout.splitlines() if line.startswith(RESULT)]
    if done.returncode or not said:
        return {"failed": _last_words(done.returncode, done.stderr)}
    return dict(json.loads(said[-1]))


def _last_words(exit_code: int, stderr: str) -> str:
    """The error that ended a process, without its traceback."""
    errors = list(_ERROR.finditer(stderr))
    said = " ".join(stderr[errors[-1].start() :].split()) if errors else stderr.strip()
    return f"exit code {exit_code} {said[:LAST_WORDS]}".strip()


def code_hash() -> str:
    """Tells states of the platform's code apart."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _kind_of(limit: str | None, size: int | None) -> str | None:
    if limit is None or size is None:
        return None
    return f"{'a memory cgroup' if limit.startswith('cgroup') else 'RLIMIT_DATA'} of {size / 1e9:g} GB"


def _told(record: Record) -> str:
    if record.wall is None or record.cpu is None or record.peak is None:
        return f"FAILED {record.failed}"
    return f"{record.wall:8.2f} s wall {record.cpu:8.2f} s CPU {record.peak / 1e6:8,.0f} MB"
