"""What is known about a flight from New York before it departs, and whether it arrived late."""

import polars as pl

import feature_platform as fp
from feature_platform.examples.flights.data import data_file, with_schedule, with_times, with_weather_times

partitions = fp.Partitions("monthly", start="2013-01-01", end="2014-01-01")

carrier = fp.Entity("carrier", join_keys=["carrier"], description="An airline, by its two-letter code.")
plane = fp.Entity("plane", join_keys=["tailnum"], description="An aircraft, by its tail number.")
origin = fp.Entity("origin", join_keys=["origin"], description="One of the three airports of New York.")
route = fp.Entity("route", join_keys=["origin", "dest"], description="A pair of airports.")
airport = fp.Entity("airport", join_keys=["faa"], description="An airport, by its three-letter code.")
flight = fp.Entity("flight", join_keys=["flight_id"], description="One scheduled flight.")

CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]
AIRPORTS = ["EWR", "JFK", "LGA"]
NEW_YORK = "America/New_York"
CRITICAL_KEYS = [
    fp.Expect("expect_column_values_to_not_be_null", column="flight_id"),
    fp.Expect("expect_column_values_to_be_unique", column="flight_id"),
    fp.Expect("expect_column_values_to_be_in_set", column="carrier", value_set=CARRIERS),
    fp.Expect("expect_column_values_to_be_in_set", column="origin", value_set=AIRPORTS),
]
FLIGHT_COLUMNS = ["flight_id", "carrier", "tailnum", "origin", "dest", "distance", "scheduled_departure"]


# ---------------------------------------------------------------- sources


def arrivals(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Select flights that have landed, each at the instant of its arrival; cancelled ones never do."""
    landed = with_times(raw).filter(pl.col("arr_time").is_not_null())
    return landed.select(*FLIGHT_COLUMNS, "departed_at", "arrived_at", "dep_delay", "arr_delay", "air_time")


def takeoffs(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Select flights that have left the gate, each at the instant when it did."""
    left = with_times(raw).filter(pl.col("dep_time").is_not_null())
    return left.select(*FLIGHT_COLUMNS, "departed_at", "dep_delay")


def schedule(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Select all scheduled flights, with what the timetable says and nothing that came later."""
    hour = pl.col("hour").cast(pl.Int32).alias("local_hour")
    weekday = pl.date("year", "month", "day").dt.weekday().cast(pl.Int32).alias("weekday")
    return with_schedule(raw).select(*FLIGHT_COLUMNS, hour, weekday)


flights_csv = fp.sources.Csv(data_file("flights.csv.zip"), null_values=["NA"])

flights = fp.Source(
    "flights",
    flights_csv,
    event_time="arrived_at",
    prepare=arrivals,
    expectations=[
        *CRITICAL_KEYS,
        fp.Expect("expect_table_row_count_to_be_between", min_value=1),
        fp.Expect("expect_column_values_to_be_between", column="air_time", min_value=10, max_value=720),
        fp.Expect("expect_column_values_to_be_between", column="arr_delay", min_value=-120, max_value=1440),
        fp.Expect(
            "expect_column_mean_to_be_between",
            column="dep_delay",
            min_value=-5,
            max_value=60,
            severity="warning",
        ),
        fp.Expect(
            "expect_column_values_to_match_regex",
            column="tailnum",
            regex=r"^N[0-9A-Z]{2,5}$",
            mostly=0.99,
            severity="warning",
        ),
    ],
    freshness="36h",
    monitor=fp.Monitor(
        reference="90d", columns=["carrier", "origin", "distance", "dep_delay", "arr_delay", "air_time"]
    ),
    owner="team:flight-data",
)

departed = fp.Source(
    "departed",
    flights_csv,
    event_time="departed_at",
    prepare=takeoffs,
    expectations=[
        *CRITICAL_KEYS,
        fp.Expect("expect_column_values_to_be_between", column="dep_delay", min_value=-120, max_value=1440),
    ],
    freshness="36h",
    owner="team:flight-data",
)

weather = fp.Source(
    "weather",
    fp.sources.Csv(data_file("weather.csv"), null_values=["NA"]),
    entity=origin,
    event_time="observed_at",
    known_at="reported_at",
    prepare=with_weather_times,
    expectations=[
        fp.Expect("expect_column_values_to_be_in_set", column="origin", value_set=AIRPORTS),
        fp.Expect("expect_compound_columns_to_be_unique", column_list=["origin", "observed_at"]),
        fp.Expect("expect_column_values_to_be_between", column="visib", min_value=0, max_value=10),
        fp.Expect(
            "expect_column_values_to_be_between", column="temp", min_value=-20, max_value=120, severity="warning"
        ),
        fp.Expect(
            "expect_column_values_to_be_between",
            column="wind_speed",
            min_value=0,
            max_value=120,
            mostly=0.999,
            severity="warning",
        ),
        fp.Expect("expect_column_values_to_not_be_null", column="pressure", mostly=0.95, severity="warning"),
    ],
    # Of temperatures winter says nothing about summer: they need the same weeks of another year (`season="364d"`).
    monitor=fp.Monitor(("2013-01-01", "2013-04-01"), ["humid", "wind_speed", "visib"], every="7d"),
    owner="team:weather",
)

planes = fp.Source(
    "planes",
    fp.sources.Csv(data_file("planes.csv"), null_values=["NA"]),
    entity=plane,
    expectations=[
        fp.Expect("expect_column_values_to_be_unique", column="tailnum"),
        fp.Expect("expect_column_values_to_be_between", column="seats", min_value=1, max_value=600),
    ],
    owner="team:fleet",
    description="The register of aircraft: facts without a date.",
)

airports = fp.Source(
    "airports",
    fp.sources.Csv(data_file("airports.csv"), null_values=["NA"]),
    expectations=[fp.Expect("expect_column_values_to_be_unique", column="faa")],
    owner="team:network",
    description="The register of airports: facts without a date.",
)

departures = fp.Source(
    "departures",
    flights_csv,
    event_time="scheduled_departure",
    prepare=schedule,
    partitioned=False,
    expectations=CRITICAL_KEYS,
    owner="team:flight-data",
)


# ---------------------------------------------------------------- features


@fp.feature_view(
    entity=carrier,
    source=flights,
    aggregations=[
        fp.Mean("dep_delay", windows=["1d", "7d", "30d"]),
        fp.Rate(pl.col("arr_delay") > 15, name="arr_late", windows=["7d", "30d"]),
        fp.Count(windows=["1d", "7d"]),
    ],
    cadence=fp.Cadence(every="1d", delay="1h", lateness="2d"),
    ttl="3d",
    expectations=[
        fp.Expect("expect_column_values_to_be_in_set", column="carrier", value_set=CARRIERS),
        fp.Expect(
            "expect_column_values_to_be_between",
            column="dep_delay_mean_7d",
            min_value=-60,
            max_value=600,
            mostly=0.99,
            severity="warning",
        ),
        fp.Expect("expect_column_values_to_be_between", column="arr_late_rate_7d", min_value=0, max_value=1),
    ],
    monitor=fp.Monitor(reference="120d", every="7d", rule=fp.DriftRule(least_rows=100, margin=3.0)),
    owner="team:punctuality",
)
def carrier_delays(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Measure how late each airline has been in the last days."""
    return flights.filter(pl.col("dep_delay").is_not_null())


@fp.feature_view(
    entity=route,
    source=flights,
    aggregations=[
        fp.Mean("arr_delay", windows=["7d", "30d"]),
        fp.Std("arr_delay", windows=["30d"]),
        fp.Quantile("arr_delay", 0.9, windows=["30d"]),
        fp.CountDistinct("carrier", windows=["30d"]),
        fp.Mean("arr_delay", windows=["7d"], lag="7d"),
        fp.Count(windows=["month_to_date"], where=pl.col("arr_delay") > 60, name="hour_late", tz=NEW_YORK),
    ],
    derive={"arr_delay_trend": pl.col("arr_delay_mean_7d") - pl.col("arr_delay_mean_7d_lag_7d")},
    cadence=fp.Cadence(every="1d", tz=NEW_YORK, delay="1h", lateness="2d"),
    ttl="3d",
    expectations=[fp.Expect("expect_compound_columns_to_be_unique", column_list=["origin", "dest", "as_of"])],
    owner="team:network",
)
def route_delays(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Measure how late flights between two airports arrive, by days of New York, and how widely that varies."""
    return flights


@fp.feature_view(
    entity=plane,
    source=flights,
    aggregations=[
        fp.Count(windows=["1d", "7d"]),
        fp.Sum("air_time", windows=["7d"]),
        fp.Max("arr_delay", windows=["7d"]),
        fp.Last("dest", windows=["7d"]),
    ],
    cadence=fp.Cadence(every="1d", delay="1h", lateness="2d"),
    ttl="3d",
    owner="team:fleet",
)
def plane_usage(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Measure how much an aircraft has flown in the past days."""
    return flights


@fp.feature_view(
    entity=carrier,
    source=departed,
    enrich=[planes["seats"], weather["wind_speed"]],
    aggregations=[
        fp.Sum("seats", windows=["1d"]),
        fp.Mean("dep_delay", windows=["30d"], where=pl.col("wind_speed") > 20, name="windy_dep_delay"),
        fp.Count(windows=["30d"], where=pl.col("wind_speed") > 20, name="windy"),
    ],
    cadence=fp.Cadence(every="1d", delay="1h", lateness="2d"),
    ttl="3d",
    owner="team:operations",
)
def carrier_departures(departed: pl.LazyFrame) -> pl.LazyFrame:
    """Measure the seats that an airline flies, and how late it leaves in strong wind: as the reports said by then."""
    return departed


@fp.feature_view(entity=plane, source=flights, ttl="12h", monitor=fp.Monitor("90d"), owner="team:fleet")
def plane_last_flight(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Give the aircraft's last arrival, so that a late inbound plane is seen."""
    return flights.select("tailnum", "arrived_at", last_arr_delay="arr_delay", last_air_time="air_time")


@fp.feature_view(
    entity=origin,
    source=departed,
    aggregations=[
        fp.Mean("dep_delay", windows=["1h", "3h"]),
        fp.Count(windows=["1h"]),
        fp.Rate(pl.col("dep_delay") > 30, name="dep_very_late", windows=["3h"]),
    ],
    cadence=fp.Cadence(every="1h", lateness="2d"),
    accuracy="exact",
    owner="team:operations",
)
def origin_congestion(departed: pl.LazyFrame) -> pl.LazyFrame:
    """Measure how late flights leave the airport in the hours before the scheduled departure, to the minute."""
    return departed


@fp.feature_view(
    entity=origin,
    source=weather,
    ttl="3h",
    expectations=[fp.Expect("expect_column_values_to_be_between", column="precip", min_value=0, max_value=5)],
    owner="team:weather",
)
def origin_weather(weather: pl.LazyFrame) -> pl.LazyFrame:
    """Give the last weather report of the airport; none is better than an old one."""
    return weather.select("origin", "observed_at", "reported_at", "temp", "humid", "wind_speed", "precip", "visib")


@fp.feature_view(entity=plane, source=planes, owner="team:fleet")
def aircraft(planes: pl.LazyFrame) -> pl.LazyFrame:
    """Give the facts of an aircraft that do not change."""
    return planes.select("tailnum", "seats", "engines", "manufacturer", built="year")


@fp.feature_view(entity=airport, source=airports, owner="team:network")
def airport_place(airports: pl.LazyFrame) -> pl.LazyFrame:
    """Give the height of an airport in feet, and the hours of its clock from UTC in winter."""
    return airports.select("faa", altitude="alt", utc_offset="tz")


@fp.on_demand(
    inputs=[plane_last_flight, fp.Request({"scheduled_departure": pl.Datetime("us", "UTC")})], owner="team:fleet"
)
def turnaround(row: fp.Row) -> dict[str, pl.Expr]:
    """Count the minutes between the last arrival and the scheduled departure."""
    return {"turnaround_minutes": (row["scheduled_departure"] - row["plane_last_flight.event_time"]).dt.total_minutes()}


# ---------------------------------------------------------------- labels, services, training sets


@fp.label(entity=flight, source=flights, known_at="arrived_at", monitor=fp.Monitor("90d"), owner="team:punctuality")
def arrived_late(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Tell whether the flight arrived more than 15 minutes late."""
    return flights.select("flight_id", "arrived_at", arrived_late=pl.col("arr_delay") > 15)


delay_features = fp.FeatureService(
    "delay_v1",
    features=[
        carrier_delays["dep_delay_mean_7d", "arr_late_rate_30d", "count_7d"],
        route_delays["arr_delay_mean_30d", "arr_delay_std_30d", "arr_delay_p90_30d"],
        carrier_departures["seats_sum_1d", "windy_dep_delay_mean_30d"],
        plane_usage["air_time_sum_7d", "arr_delay_max_7d"],
        plane_last_flight["last_arr_delay"],
        turnaround,
        origin_congestion["dep_delay_mean_1h", "dep_delay_mean_3h", "count_1h", "dep_very_late_rate_3h"],
        origin_weather["temp", "wind_speed", "precip", "visib"],
        aircraft["seats", "built"],
        airport_place.alias("from", keys={"faa": "origin"})["altitude"],
        airport_place.alias("to", keys={"faa": "dest"})["altitude", "utc_offset"],
    ],
    impute={
        "last_arr_delay": fp.Impute.constant(0),
        "arr_delay_mean_30d": fp.Impute.mean(by="carrier"),
        "temp": fp.Impute.forward_fill(by="origin"),
        "seats": fp.Impute.median(),
    },
    owner="team:punctuality",
    description="What a model of late arrivals reads before a flight departs.",
)

delay_training = fp.TrainingSet(
    "delay_training",
    service=delay_features,
    spine=departures,
    label=arrived_late,
    horizon="3d",
    owner="team:punctuality",
    description="Every scheduled departure of 2013: what was known at that minute, and how it turned out.",
)


@fp.label(
    entity=carrier,
    source=flights,
    start="1d",
    lateness="2d",
    aggregations=[
        fp.Mean("arr_delay", windows=["7d"]),
        fp.Any(pl.col("arr_delay") > 360, name="six_hours_late", windows=["7d"]),
    ],
    owner="team:punctuality",
)
def next_week(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Measure how late an airline arrives in the week after tomorrow."""
    return flights


carriers_weekly = fp.Spine.every_key(
    "carriers_weekly", source=flights, entity=carrier, every="7d", active="28d", tz=NEW_YORK, owner="team:punctuality"
)

outlook_features = fp.FeatureService(
    "outlook_v1",
    features=[
        carrier_delays["dep_delay_mean_7d", "dep_delay_mean_30d", "count_7d"],
        carrier_departures["windy_dep_delay_mean_30d"],
    ],
    owner="team:punctuality",
    description="What a model of the coming week of an airline reads.",
)

outlook_training = fp.TrainingSet(
    "outlook_training",
    service=outlook_features,
    spine=carriers_weekly,
    label=next_week,
    where=pl.col("count_7d") > 0,
    split=fp.Split(validate_from="2013-09-02", test_from="2013-11-04"),
    owner="team:punctuality",
    description="Every airline at the beginning of each week of 2013: its last weeks, and how the next one turned out.",
)
