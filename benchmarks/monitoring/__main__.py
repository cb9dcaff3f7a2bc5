"""The simulations of drift monitoring: `python -m benchmarks.monitoring clean-year | detection | planted | ...`.

Each prints the table that stands in `docs/monitoring.md`; `planted` and `flights` write their own into
`docs/benchmarks.md`. Seeds from 100 on are for reporting; the rule was tuned on others.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.monitoring import flights, planted
from benchmarks.monitoring.clean_year import clean_year, year_table
from benchmarks.monitoring.cost import cost_table, costs
from benchmarks.monitoring.detection import detection, detection_table
from benchmarks.peers import ROOT
from benchmarks.report import written


def main(words: Sequence[str] | None = None) -> int:
    """Print what was asked for."""
    asked = _arguments(words)
    if asked.what == "clean-year":
        years = [clean_year(seed, asked.columns, asked.rows[0], asked.days) for seed in asked.seeds]
        print(year_table(years))
        for year in years:
            for day, column, metrics in year.alerts:
                print(f"seed {year.seed}, day {day}: {column} by {metrics}")
    elif asked.what == "detection":
        print(detection_table([each for rows in asked.rows for each in detection(asked.seeds, rows)]))
    elif asked.what == "planted":
        _write(planted.planted_table(planted.planted(asked.seeds[0])), (planted.BEGIN, planted.END))
    elif asked.what == "flights":
        _write(flights.flights_table(flights.flights_year()), (flights.BEGIN, flights.END))
    else:
        print(cost_table(costs(asked.rows[0], asked.repeats, Path(asked.data))))
    return 0


def _write(part: str, marks: tuple[str, str]) -> None:
    written(ROOT / "docs" / "benchmarks.md", part, marks)
    print(part)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["clean-year", "detection", "cost", "planted", "flights"])
    parser.add_argument("--seeds", type=_numbers, default=[101, 102], help="worlds, e.g. 101,102")
    parser.add_argument("--rows", type=_numbers, help="a day, or in all for the cost")
    parser.add_argument("--columns", type=int, default=200, help="of a clean year (200)")
    parser.add_argument("--days", type=int, default=365, help="of a clean year (365)")
    parser.add_argument("--repeats", type=int, default=3, help="of the cost (3)")
    default = os.environ.get("BENCH_DIR", str(ROOT / "benchmarks" / ".data"))
    parser.add_argument("--data", default=default, help="where the data of the cost is kept")
    asked = parser.parse_args(words)
    sizes = {
        "clean-year": [2000],
        "detection": [1000, 20_000, 100_000],
        "cost": [1_000_000],
        "planted": [],
        "flights": [],
    }
    asked.rows = asked.rows or sizes[asked.what]
    return asked


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
