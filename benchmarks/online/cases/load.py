"""Bulk load: a Delta table into the embedded store, by a process of its own."""

import shutil

from benchmarks.online import data
from benchmarks.online.base import Bench, Case, value
from benchmarks.online.children import told
from benchmarks.online.processes import settings
from benchmarks.online.stores import store_views

GB = 1e9
LOAD_S = 900
WORK = "10M rows x 20 features"


def run(bench: Bench) -> None:
    """Publish a table that was never published."""
    folder, rows = bench.folder / "load", bench.sizes.load
    data.make_features(folder, "twenties", rows, 20, seed=12)
    store_views(bench, folder, ("twenty",), {"rows": rows})
    for _ in range(min(bench.repeats, 2)):
        shutil.rmtree(folder / "store" / "online", ignore_errors=True)
        found = told("publishing", ["--view", "twenty"], LOAD_S, settings(folder))
        bench.note(WORK, _figures(found, rows))
    shutil.rmtree(folder / "store" / "online", ignore_errors=True)


def _figures(found: dict[str, float], rows: int) -> dict[str, float]:
    return {
        "rows": rows / found["wall"],
        "wall": found["wall"],
        "cpu": found["cpu"],
        "anonymous": found["anonymous"] / GB,
        "peak": found["peak"] / GB,
        "disk": found["disk"] / GB,
    }


CASE = Case(
    "load",
    "Delta to LMDB, 10M rows x 20 features; memory of the process: private (RssAnon) and all resident (VmHWM)",
    {
        "rows": "rows/s",
        "wall": "wall s",
        "cpu": "CPU s",
        "anonymous": "private peak GB",
        "peak": "resident peak GB",
        "disk": "on disk GB",
    },
    (
        value("rows/s", (WORK, "rows"), at_least=250_000),
        value("resident peak (VmHWM), GB", (WORK, "peak"), at_most=1.5),
    ),
    run,
)
