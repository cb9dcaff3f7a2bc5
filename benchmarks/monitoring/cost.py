"""Cost: drift of a million new rows against a stored reference, ours beside Evidently's default report.

Each side runs in a process of its own; Evidently in an environment of its own, `.tools/evidently`.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from benchmarks.peers import NO_TELEMETRY, ROOT, environment_python
from benchmarks.report import table

REQUIREMENTS = Path(__file__).with_name("requirements-evidently.txt")
ENVIRONMENT = ROOT / ".tools" / "evidently"
RESULT = "RESULT "
_SIDES = {"ours": "cost_ours.py", "Evidently": "cost_evidently.py"}


@dataclass(frozen=True)
class Cost:
    """What one side needed: the work alone in seconds, the highest memory of its process in bytes."""

    side: str
    seconds: float
    peak: float
    drifted: int


def costs(rows: int, repeats: int, data: Path) -> list[Cost]:
    """Medians of some repeats, the sides in turn."""
    folder = data / f"drift-{rows}"
    make_data(rows, folder)
    runs = [(side, _run(side, script, folder)) for _ in range(repeats) for side, script in _SIDES.items()]
    found = []
    for side in _SIDES:
        own = [run for each, run in runs if each == side]
        found.append(
            Cost(side, median(run["wall"] for run in own), median(run["peak"] for run in own), int(own[0]["drifted"]))
        )
    return found


def cost_table(found: list[Cost]) -> str:
    """Both sides and their ratio."""
    ours = found[0]
    rows = [
        (
            each.side,
            f"{each.seconds:.2f}",
            f"{each.peak / 1e6:,.0f}",
            str(each.drifted),
            f"{each.seconds / ours.seconds:.1f}",
            f"{ours.peak / each.peak:.2f}",
        )
        for each in found
    ]
    return table(("side", "wall s", "peak MB", "columns drifted", "wall / ours", "memory of ours / its"), rows)


def make_data(rows: int, folder: Path) -> None:
    """A reference and new rows of nine floats, an integer and two categories; two columns are shifted."""
    if (folder / "current.parquet").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for side, name in enumerate(("reference", "current")):
        rng = np.random.default_rng(side)
        columns: dict[str, np.ndarray] = {
            f"x{at}": rng.standard_normal(rows) + (0.5 * side if at == 0 else 0.0) for at in range(6)
        }
        columns |= {f"g{at}": rng.standard_gamma(2.0, rows) for at in range(3)}
        columns["n"] = rng.poisson(20, rows)
        frame = pl.DataFrame(columns).with_columns(
            c=pl.Series([f"k{at}" for at in range(20)]).gather(rng.integers(0, 20, rows)),
            d=pl.Series(["a", "b", "c"]).gather(rng.choice(3, rows, p=[0.6 - 0.2 * side, 0.3, 0.1 + 0.2 * side])),
        )
        frame.write_parquet(folder / f"{name}.parquet", row_group_size=122_880)


def _run(side: str, script: str, folder: Path) -> dict[str, float]:
    python = sys.executable if side == "ours" else environment_python(ENVIRONMENT, REQUIREMENTS, "Evidently")
    command = [python, str(Path(__file__).with_name(script)), str(folder)]
    if side == "ours":
        subprocess.run([*command, "store"], check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    environment = {**os.environ, **NO_TELEMETRY, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    said = next(line for line in done.stdout.splitlines() if line.startswith(RESULT))
    return dict(json.loads(said.removeprefix(RESULT)))
