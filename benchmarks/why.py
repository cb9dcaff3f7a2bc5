"""What an answer of `fp.why` costs, in CPU milliseconds.

    .venv/bin/python -m benchmarks.why [folder]

Two months of the flights of 2013, in monthly partitions as the project declares them, and in daily ones. Each question
is asked of several keys at several moments, after one answer that is not counted: median, and the most. A folder keeps
the stores, so that the next run does not make them again.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.examples.flights import project as flights
from feature_platform.verification.why import Explainable

START, END = datetime(2013, 1, 1, tzinfo=timezone.utc), datetime(2013, 3, 1, tzinfo=timezone.utc)
GRIDS = {
    "monthly": fp.Partitions("monthly", start=START, end=END),
    "daily": fp.Partitions("daily", start=START, end=END),
}
PLANES = [{"tailnum": name, "scheduled_departure": END} for name in ("N14228", "N24211", "N619AA", "N804JB")]
CARRIERS = [{"carrier": name} for name in ("UA", "B6", "HA")]
ROUTES = [{"origin": "JFK", "dest": "LAX"}, {"origin": "LGA", "dest": "ATL"}]
ORIGINS = [{"origin": name} for name in ("EWR", "JFK", "LGA")]
QUESTIONS: dict[str, tuple[Explainable, str, list[dict[str, object]]]] = {
    "a row": (flights.plane_last_flight, "last_arr_delay", [dict(each) for each in PLANES]),
    "no row": (flights.plane_last_flight, "last_arr_delay", [{"tailnum": "N00000"}]),
    "a row of every hour, with a known-at clock": (flights.origin_weather, "temp", [dict(each) for each in ORIGINS]),
    "a mean over 30 days": (flights.carrier_delays, "dep_delay_mean_30d", [dict(each) for each in CARRIERS]),
    "a quantile over 30 days": (flights.route_delays, "arr_delay_p90_30d", [dict(each) for each in ROUTES]),
    "a derived trend": (flights.route_delays, "arr_delay_trend", [dict(each) for each in ROUTES]),
    "an enriched mean over 30 days": (
        flights.carrier_departures,
        "windy_dep_delay_mean_30d",
        [dict(each) for each in CARRIERS],
    ),
    "an exact window of 3 hours": (flights.origin_congestion, "dep_delay_mean_3h", [dict(each) for each in ORIGINS]),
    "an on-demand feature": (flights.turnaround, "turnaround_minutes", [dict(each) for each in PLANES]),
}


def main(words: list[str]) -> None:
    """Print a table of CPU milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(words[0] if words else folder)
        stores = {name: _store(root / name, grid) for name, grid in GRIDS.items()}
        print("| value | answers | monthly: median, most ms | daily: median, most ms |\n|---|---|---|---|")
        for name, (declared, feature, keys) in QUESTIONS.items():
            figures = [list(_milliseconds(declared, feature, keys, store)) for store in stores.values()]
            cells = " | ".join(f"{median(each):.0f}, {max(each):.0f}" for each in figures)
            print(f"| {name} | {len(figures[0])} | {cells} |", flush=True)


def _store(folder: Path, grid: fp.Partitions) -> fp.OfflineStore:
    store = fp.OfflineStore(folder)
    for declared, _, _ in QUESTIONS.values():
        for view in [declared] if isinstance(declared, FeatureView) else declared.views:
            if not store.exists(view.asset):
                fp.materialize(view, store, START, END, partitions=grid)
    return store


def _milliseconds(
    declared: Explainable, feature: str, keys: list[dict[str, object]], store: fp.OfflineStore
) -> Iterator[float]:
    moments = [START + timedelta(days=days, hours=7) for days in (9, 24, 38, 52)]
    fp.why(declared, feature, keys[0], moments[0], store)
    for key in keys:
        for moment in moments:
            begun = time.process_time()
            fp.why(declared, feature, key, moment, store)
            yield 1_000 * (time.process_time() - begun)


if __name__ == "__main__":
    main(sys.argv[1:])
