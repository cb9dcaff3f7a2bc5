"""The reference project: its clocks are right, and no feature knows what came after its moment."""

from datetime import datetime, timedelta, timezone
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.project import project_of
from feature_platform.examples.flights import data, project
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform.training.sets import BuiltTrainingSet

SPAN = (datetime(2013, 1, 1, tzinfo=timezone.utc), datetime(2013, 3, 1, tzinfo=timezone.utc))
T = datetime(2013, 2, 8, 20, 17, tzinfo=timezone.utc)  # in the snow storm of that week, and not on a round minute
CARRIER = ["dep_delay_mean_7d", "arr_late_rate_30d", "count_7d", "seats_sum_1d", "windy_dep_delay_mean_30d"]
ROUTE = ["arr_delay_mean_30d", "arr_delay_std_30d", "arr_delay_p90_30d"]
PLANE = ["air_time_sum_7d", "arr_delay_max_7d", "last_arr_delay", "turnaround_minutes"]
ORIGIN = ["dep_delay_mean_1h", "dep_delay_mean_3h", "count_1h", "dep_very_late_rate_3h"]
WEATHER = ["temp", "wind_speed", "precip", "visib"]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    """All flights of the year, with their instants."""
    return data.with_times(project.flights_csv.scan("flights")).collect()


# ---------------------------------------------------------------- clocks


def test_every_flight_has_a_name_of_its_own_and_a_scheduled_departure(flights: pl.DataFrame) -> None:
    assert flights.height == 336_776
    assert flights["flight_id"].n_unique() == 336_776
    assert flights["scheduled_departure"].null_count() == 0


def test_a_schedule_is_the_wall_clock_of_new_york_all_year(flights: pl.DataFrame) -> None:
    there = pl.col("scheduled_departure").dt.convert_time_zone("America/New_York").dt
    wall = [getattr(there, part)() == pl.col(part) for part in ("hour", "minute", "month", "day")]
    assert flights.filter(~pl.all_horizontal(wall)).is_empty()


def test_every_landed_flight_arrives_after_it_departed_and_took_longer_than_it_was_in_the_air(
    flights: pl.DataFrame,
) -> None:
    landed = flights.filter(pl.col("arr_time").is_not_null())
    assert landed["arrived_at"].null_count() == 0
    assert landed.filter(pl.col("arrived_at") <= pl.col("departed_at")).is_empty()
    on_ground = landed.select(minutes=pl.col("elapsed") - pl.col("air_time"))["minutes"].drop_nulls()
    assert len(on_ground) == 327_346
    assert (on_ground.min(), on_ground.max()) == (5, 235)
    assert (on_ground > 180).sum() == 5


@pytest.mark.parametrize("change", ["2013-03-10T07:00", "2013-11-03T06:00"])
def test_flights_in_the_air_when_the_clocks_change_are_not_an_hour_off(flights: pl.DataFrame, change: str) -> None:
    moment = instant(change)
    flying = flights.filter((pl.col("departed_at") < moment) & (pl.col("arrived_at") > moment))
    assert flying.height >= 8
    assert flying.filter(~(pl.col("elapsed") - pl.col("air_time")).is_between(5, 60)).is_empty()


@pytest.mark.parametrize(
    ("flight", "scheduled", "departed", "arrived"),
    [
        ("2013-03-09/B635/JFK", "2013-03-10T02:45", "2013-03-10T04:06", "2013-03-10T07:03"),
        ("2013-11-02/VX413/JFK", "2013-11-02T20:55", "2013-11-03T02:17", "2013-11-03T08:14"),
        ("2013-11-02/B61503/JFK", "2013-11-03T03:59", "2013-11-03T03:58", "2013-11-03T07:50"),
    ],
)
def test_flights_of_the_nights_when_the_clocks_change(
    flights: pl.DataFrame, flight: str, scheduled: str, departed: str, arrived: str
) -> None:
    row = flights.row(by_predicate=pl.col("flight_id") == flight, named=True)
    found = (row["scheduled_departure"], row["departed_at"], row["arrived_at"])
    assert found == (instant(scheduled), instant(departed), instant(arrived))


# ---------------------------------------------------------------- the leak test


def wintry(name: str) -> pl.DataFrame:
    """January and February of a raw file."""
    file = fp.sources.Csv(data.data_file(name), null_values=["NA"])
    return file.scan("raw").filter(pl.col("month") <= 2).collect()


def altered_flights(raw: pl.DataFrame) -> pl.DataFrame:
    """Flights in which all that became known after `T` is other, and still became known after `T`.

    Who had not departed leaves later, or never; who had not arrived arrives later.
    """
    timed = data.with_times(raw.lazy()).collect()
    left_after = ~(timed["departed_at"] <= T).fill_null(value=False)
    landed_after = ~(timed["arrived_at"] <= T).fill_null(value=False)
    never = left_after & pl.Series((timed["flight"] % 10 == 0) & (timed["scheduled_departure"] > T))
    late = pl.when(left_after).then(17).otherwise(0)
    later = late + pl.when(landed_after).then(23).otherwise(0)
    minutes = (pl.col("arr_time") // 100 * 60 + pl.col("arr_time") % 100 + later) % 1440
    moved = timed.with_columns(
        pl.col("dep_delay") + late,
        pl.when(landed_after).then(minutes // 60 * 100 + minutes % 60).otherwise("arr_time").alias("arr_time"),
        pl.col("arr_delay") + later,
        pl.col("air_time") + pl.when(landed_after).then(9).otherwise(0),
    )
    outcome = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
    return moved.with_columns(pl.when(~never).then(pl.col(outcome))).select(raw.columns)


def altered_weather(raw: pl.DataFrame) -> pl.DataFrame:
    """Weather in which all reports from after `T` say something else."""
    after = data.with_weather_times(raw.lazy()).collect()["reported_at"] > T
    return raw.with_columns(
        pl.when(after).then(pl.col("temp") + 11).otherwise("temp"),
        pl.when(after).then(pl.col("wind_speed") / 2 + 1).otherwise("wind_speed"),
        pl.when(after).then(pl.col("precip") + 0.5).otherwise("precip"),
        pl.when(after).then(10 - pl.col("visib")).otherwise("visib").alias("visib"),
    )


def project_over(folder: Path) -> ModuleType:
    """A fresh copy of the project that reads the files of a folder, where it has them."""
    packaged = data.data_file

    def here(name: str) -> Path:
        plain = folder / name.removesuffix(".zip")
        return plain if plain.exists() else packaged(name)

    spec = spec_from_file_location(f"flights_over_{folder.name}", str(project.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(data, "data_file", here)
        spec.loader.exec_module(module)
    return module


def built(folder: Path, flown: pl.DataFrame, weather: pl.DataFrame) -> BuiltTrainingSet:
    """The training set of raw rows, by way of every table of the project."""
    folder.mkdir()
    flown.write_csv(folder / "flights.csv", null_value="NA")
    weather.write_csv(folder / "weather.csv", null_value="NA")
    module, store = project_over(folder), fp.OfflineStore(folder / "store")
    for asset in project_of(module).assets:
        if not isinstance(asset, fp.TrainingSet):
            span = SPAN if asset.partitioned else None
            materialize_asset(asset, store, span, module.partitions).raise_if_refused()
    return fp.build_training_set(module.delay_training, store)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two months are, as they were and as they would be had all gone otherwise."""
    return tmp_path_factory.mktemp("leak")


@pytest.fixture(scope="module")
def true_and_altered(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The training rows of two months as they were, and as they would be had all gone otherwise after `T`."""
    flown, weather = wintry("flights.csv.zip"), wintry("weather.csv")
    true = built(folder / "true", flown, weather).rows.collect()
    return true, built(folder / "altered", altered_flights(flown), altered_weather(weather)).rows.collect()


@pytest.mark.slow
def test_what_came_after_a_moment_is_in_no_feature_at_or_before_it(
    true_and_altered: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    true, altered = (rows.filter(pl.col("event_timestamp") <= T).drop("arrived_late") for rows in true_and_altered)
    assert true.height > 30_000
    assert {*CARRIER, *ROUTE, *PLANE, *ORIGIN, *WEATHER} <= set(true.columns)
    assert_frame_equal(altered, true, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("feature", [*CARRIER, *ROUTE, *PLANE, *ORIGIN, *WEATHER])
def test_what_came_after_a_moment_is_in_the_features_after_it(
    true_and_altered: tuple[pl.DataFrame, pl.DataFrame], feature: str
) -> None:
    true, altered = (rows.filter(pl.col("event_timestamp") > T)[feature] for rows in true_and_altered)
    assert not true.equals(altered, null_equal=True)


@pytest.mark.slow
def test_a_turnaround_is_counted_from_the_last_arrival_of_the_plane_within_half_a_day(
    true_and_altered: tuple[pl.DataFrame, pl.DataFrame], flights: pl.DataFrame
) -> None:
    plane = "N328AA"
    landed = flights.filter((pl.col("tailnum") == plane) & (pl.col("arrived_at") < SPAN[1]))["arrived_at"].drop_nulls()
    rows = true_and_altered[0].filter((pl.col("tailnum") == plane) & (pl.col("event_timestamp") < SPAN[1]))
    expected = []
    for moment in rows["event_timestamp"]:
        minutes = [(moment - arrival).total_seconds() // 60 for arrival in landed if arrival <= moment]
        expected.append(min(minutes) if minutes and min(minutes) <= 12 * 60 else None)
    assert rows["turnaround_minutes"].to_list() == expected
    assert 10 < rows["turnaround_minutes"].null_count() < rows.height - 10
    assert rows["scheduled_departure"].equals(rows["event_timestamp"])


@pytest.mark.slow
def test_the_label_is_known_at_arrival_only(
    true_and_altered: tuple[pl.DataFrame, pl.DataFrame], flights: pl.DataFrame
) -> None:
    facts = flights.select("flight_id", "arrived_at", "arr_time", "arr_delay")
    rows = true_and_altered[0].select("flight_id", "event_timestamp", "arrived_late").join(facts, on="flight_id")
    assert rows.filter(pl.col("arr_time").is_null())["arrived_late"].is_not_null().sum() == 0
    landed = rows.filter(pl.col("arrived_at") < SPAN[1])
    assert landed.height > 49_000
    assert landed.filter(pl.col("arrived_at") <= pl.col("event_timestamp")).is_empty()
    expected = landed.select(arrived_late=pl.col("arr_delay") > 15)
    assert_frame_equal(landed.select("arrived_late"), expected)
    assert rows.filter(pl.col("arrived_at") >= SPAN[1])["arrived_late"].is_not_null().sum() == 0


@pytest.mark.slow
@pytest.mark.usefixtures("true_and_altered")
def test_the_next_week_of_an_airline_begins_tomorrow_and_is_known_once_late_arrivals_are_in(folder: Path) -> None:
    store = fp.OfflineStore(folder / "true" / "store")
    training = fp.build_training_set(project.outlook_training, store, stale="ignore")
    rows = training.rows.collect()
    landed = store.read("sources/flights").select("carrier", "arrived_at", "arr_delay").collect()

    assert rows["event_timestamp"].dt.convert_time_zone("America/New_York").dt.weekday().unique().to_list() == [1]
    assert rows["event_timestamp"].max() == datetime(2013, 2, 18, 5, tzinfo=timezone.utc)  # ten days before March
    for row in rows.iter_rows(named=True):
        start = row["event_timestamp"] + timedelta(days=1)
        week = landed.filter(pl.col("arrived_at").is_between(start, start + timedelta(days=7), closed="left"))
        delays = week.filter(carrier=row["carrier"])["arr_delay"]
        assert row["arr_delay_mean_next_7d"] == pytest.approx(delays.mean(), abs=1e-9)
        assert row["six_hours_late_any_next_7d"] == bool((delays > 360).any())
        assert row["label_known_at"] == start + timedelta(days=9)
    assert training.manifest["rows_not_final"] == 16
