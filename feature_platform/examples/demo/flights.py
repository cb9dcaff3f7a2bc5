"""What the demonstration on flights shows and asks: rows of training sets, and the features of the next flights."""

from datetime import datetime

import polars as pl

from feature_platform.examples.demo.serving import DemoQuestion
from feature_platform.examples.demo.summary import Peek
from feature_platform.examples.flights.project import delay_features, delay_training, outlook_training
from feature_platform.ground.clock import UTC, shift_moment
from feature_platform.offline import OfflineStore

_MINUTE = 60_000_000
_SHOWN = (
    "dep_delay_mean_7d",
    "arr_delay_mean_30d",
    "last_arr_delay",
    "turnaround_minutes",
    "dep_delay_mean_1h",
    "temp",
)


FLIGHT_PEEKS = {
    delay_training.asset: Peek(
        "A peek at a training set: what was known at that minute, and how it turned out",
        pl.col("precip") > 0.1,
        {
            "event_timestamp": "at (UTC)",
            "carrier": "carrier",
            "origin": "origin",
            "dep_delay_mean_7d": "carrier 7d",
            "last_arr_delay": "plane last",
            "dep_delay_mean_1h": "origin 1h",
            "arrived_late": "late?",
        },
    ),
    outlook_training.asset: Peek(
        "Another: the week after tomorrow, who learns from it, and from when on it is known",
        (pl.col("carrier") == "UA") & (pl.col("event_timestamp").dt.month() >= 8),
        {
            "event_timestamp": "at (UTC)",
            "carrier": "carrier",
            "dep_delay_mean_7d": "last 7d",
            "arr_delay_mean_next_7d": "next 7d",
            "label_known_at": "known at",
            "training_part": "part",
        },
    ),
}

FLIGHT_HINTS = {
    "make dev": "all of it in the Dagster UI on http://127.0.0.1:3000",
    ".venv/bin/feature-platform status": "what is up to date, and why not",
    ".venv/bin/feature-platform serve --now 2014-01-01": "the feature server",
    ".venv/bin/feature-platform history views/carrier_delays": "its versions",
    "feature_platform/examples/flights/project.py": "what was declared",
}


def question_about_flights(store: OfflineStore, now: datetime) -> DemoQuestion:
    """Return what is asked about the next departures after a moment."""
    asked = _next_flights(store, now)
    titles = [
        f"{who['carrier']} {who['origin']}-{who['dest']}\n{who['tailnum']}" for who in asked.iter_rows(named=True)
    ]
    return DemoQuestion(delay_features, asked, titles, _SHOWN)


def _next_flights(store: OfflineStore, now: datetime) -> pl.DataFrame:
    """Make up the next departures after a moment, one for each airline, of aircraft that have just landed."""
    landed = store.pieces("sources/flights", "arrived_at")[-1].rows.filter(pl.col("arrived_at") <= now)
    newest = landed.sort("arrived_at", descending=True).unique("carrier", keep="first", maintain_order=True).head(4)
    at = [shift_moment(now, minutes * _MINUTE) for minutes in (45, 60, 75, 90)]
    flights = newest.select("carrier", "origin", "dest", "tailnum").collect()
    return flights.with_columns(pl.Series("scheduled_departure", at[: flights.height], UTC))
