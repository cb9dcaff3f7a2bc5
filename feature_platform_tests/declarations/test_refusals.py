"""A wrong declaration fails when it is made, in a sentence with the culprit, what was found and what would do."""

# ruff: noqa: E501  (one wrong declaration to a line)

from datetime import datetime
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import (
    DuplicateName,
    InvalidDeclaration,
    MissingColumns,
    NotUtc,
    PartitionOutOfRange,
    UnknownName,
    WrongColumnType,
)
from feature_platform.parts.sources import Csv, Delta, Frame, Parquet

ROWS = pl.DataFrame({"k": [1], "at": [datetime(2013, 1, 1)]})
NOT_NULL = "expect_column_values_to_not_be_null"
DURATIONS = ["1 day", "0d", "-1d", "1mo", 1, "", "1.5d", "999999999d", "7D", "d", " 1d"]
NAMES = ["", "carrier delays", "carrier/delays", "café", "航", "7d", "a-b", "a\n", "x" * 101, 1, ["a"]]

source = fp.Source("orders", Frame(ROWS), event_time="at")
facts = fp.Source("facts", Frame(ROWS))
lagging = fp.Source("lagging", Frame(ROWS), event_time="at", known_at="seen_at")
entity = fp.Entity("customer", ["k"])
daily = [fp.Count(windows=["1d"])]


def view(function=lambda rows: rows, **changes):
    fields: dict[str, Any] = {"entity": entity, "source": source, "name": "spending"} | changes
    return fp.feature_view(**fields)(function)


def label(function=lambda rows: rows, **changes):
    fields: dict[str, Any] = {"entity": entity, "source": source, "name": "churned"} | changes
    return fp.label(**fields)(function)


def service(*features, **changes):
    return fp.FeatureService("shop_v1", list(features), **changes)


def training(**changes):
    return fp.TrainingSet("shop_training", **{"service": service(row), "spine": source} | changes)


row = view(name="last_order")
windowed = view(name="spending", aggregations=daily)
other = view(name="visits", aggregations=daily)
months = fp.Partitions("monthly", start="2013-01-01", end="2013-03-01")

WRONG = {
    "an entity without join keys": (lambda: fp.Entity("route", []), InvalidDeclaration, ["Entity `route`", "no join keys", "entity=None"]),
    "an entity with a bare string": (lambda: fp.Entity("route", "dest"), InvalidDeclaration, ["`route`", "join_keys='dest'", "list"]),
    "an entity with a set": (lambda: fp.Entity("route", {"dest"}), InvalidDeclaration, ["`route`", "{'dest'}", "list"]),
    "an entity with a number": (lambda: fp.Entity("route", [1]), InvalidDeclaration, ["`route`", "[1]", "column names"]),
    "an entity with one key twice": (lambda: fp.Entity("route", ["a", "a"]), InvalidDeclaration, ["`route`", "['a', 'a']", "once"]),
    "a join key named as the clock of a spine": (lambda: fp.Entity("route", ["event_timestamp"]), InvalidDeclaration, ["`route`", "`event_timestamp`", "Rename"]),
    "a join key named as the clock of windows": (lambda: fp.Entity("route", ["as_of"]), InvalidDeclaration, ["`route`", "`as_of`", "Rename"]),
    "a source without a connector": (lambda: fp.Source("s", "flights.csv"), InvalidDeclaration, ["Source `s`", "'flights.csv'", "fp.sources.Csv"]),
    "a source with the class of a connector": (lambda: fp.Source("s", Csv), InvalidDeclaration, ["Source `s`", "Csv", "fp.sources.Csv(path)"]),
    "a source with a frame": (lambda: fp.Source("s", ROWS), InvalidDeclaration, ["Source `s`", "shape: (1, 2)", "fp.sources.Frame(df)"]),
    "known_at without event_time": (lambda: fp.Source("s", Frame(ROWS), known_at="at"), InvalidDeclaration, ["Source `s`", "no event_time", "when a row happened"]),
    "partitions without event_time": (lambda: fp.Source("s", Frame(ROWS), partitioned=True), InvalidDeclaration, ["Source `s`", "no event_time"]),
    "an event time that is no name": (lambda: fp.Source("s", Frame(ROWS), event_time=5), InvalidDeclaration, ["Source `s`", "event_time=5", "name of a column"]),
    "an event time without a name": (lambda: fp.Source("s", Frame(ROWS), event_time=""), InvalidDeclaration, ["Source `s`", "event_time=''"]),
    "a known-at that is no name": (lambda: fp.Source("s", Frame(ROWS), event_time="at", known_at=pl.col("x")), InvalidDeclaration, ["Source `s`", "known_at="]),
    "a prepare that is no function": (lambda: fp.Source("s", Frame(ROWS), prepare="parse"), InvalidDeclaration, ["Source `s`", "prepare='parse'", "function"]),
    "a view over text": (lambda: view(source="orders"), InvalidDeclaration, ["Feature view `spending`", "source='orders'", "fp.Source"]),
    "a view over a selection": (lambda: view(source=windowed["count_1d"]), InvalidDeclaration, ["`spending`", "another feature view"]),
    "a view of an entity's name": (lambda: view(entity="customer"), InvalidDeclaration, ["`spending`", "entity='customer'", "fp.Entity"]),
    "a view of two entities": (lambda: view(entity=[entity]), InvalidDeclaration, ["`spending`", "entity=[", "global view"]),
    "a view whose join key is its clock": (lambda: view(entity=fp.Entity("instant", ["at"])), InvalidDeclaration, ["`spending`", "`at`", "another column"]),
    "a view that is no function": (lambda: view(5), InvalidDeclaration, ["`spending`", "the function=5", "LazyFrame"]),
    "a view without a name": (lambda: fp.feature_view(entity=entity, source=source)(lambda rows: rows), InvalidDeclaration, ["<lambda>", "letters"]),
    "one aggregation without a list": (lambda: view(aggregations=fp.Count(windows=["1d"])), InvalidDeclaration, ["`spending`", "aggregations=Count", "list"]),
    "the class of an aggregation": (lambda: view(aggregations=[fp.Mean]), InvalidDeclaration, ["`spending`", "Mean", "fp.Mean("]),
    "an expression as aggregation": (lambda: view(aggregations=[pl.col("x").mean()]), InvalidDeclaration, ["`spending`", "fp.Mean("]),
    "a cadence in text": (lambda: view(aggregations=daily, cadence="1d"), InvalidDeclaration, ["`spending`", "cadence='1d'", "fp.Cadence"]),
    "a monitor in text": (lambda: view(monitor="90d"), InvalidDeclaration, ["`spending`", "monitor='90d'", "fp.Monitor"]),
    "a monitor of an undeclared feature": (lambda: view(aggregations=daily, monitor=fp.Monitor(columns=["mean_2d"])), UnknownName, ["`spending`", "`mean_2d`", "count_1d"]),
    "a monitor of a reference that ends before it begins": (lambda: fp.Monitor(reference=("2013-04-01", "2013-01-01")), InvalidDeclaration, ["Monitor", "reference=('2013-04-01', '2013-01-01')", "earlier"]),
    "a monitor of one time": (lambda: fp.Monitor(reference=("2013-04-01",)), InvalidDeclaration, ["Monitor", "two times"]),
    "a monitor of no time": (lambda: fp.Monitor(reference=("2013-04-01", "May")), InvalidDeclaration, ["Monitor, reference,", "'May'", "ISO"]),
    "a monitor of a season and a fixed reference": (lambda: fp.Monitor(reference=("2013-01-01", "2013-04-01"), season="364d"), InvalidDeclaration, ["Monitor", "season", "Drop one"]),
    "a monitor of a season that overlaps its reference": (lambda: fp.Monitor(reference="90d", season="7d"), InvalidDeclaration, ["Monitor", "season='7d'", "90d", "half as long"]),
    "a monitor of a source without partitions": (lambda: fp.Source("register", fp.sources.Csv("a.csv"), monitor=fp.Monitor()), InvalidDeclaration, ["Source `register`", "no partitions", "event_time"]),
    "a monitor of a source in text": (lambda: fp.Source("rides", fp.sources.Csv("a.csv"), event_time="at", monitor="90d"), InvalidDeclaration, ["Source `rides`", "monitor='90d'", "fp.Monitor"]),
    "a monitor with a rule in text": (lambda: fp.Monitor(rule="strict"), InvalidDeclaration, ["Monitor", "rule='strict'", "fp.DriftRule"]),
    "a drift rule of more windows than there are": (lambda: fp.DriftRule(sustained=(4, 3)), InvalidDeclaration, ["DriftRule", "sustained=(4, 3)", "(2, 3)"]),
    "a drift rule of one number": (lambda: fp.DriftRule(sustained=2), InvalidDeclaration, ["DriftRule", "sustained=2"]),
    "a drift rule without rows": (lambda: fp.DriftRule(least_rows=0), InvalidDeclaration, ["DriftRule", "least_rows=0"]),
    "a drift rule that believes everything": (lambda: fp.DriftRule(false_discovery=1), InvalidDeclaration, ["DriftRule", "false_discovery=1"]),
    "a drift rule without a margin": (lambda: fp.DriftRule(margin=0), InvalidDeclaration, ["DriftRule", "margin=0"]),
    "a monitor with a bare string": (lambda: fp.Monitor(columns="a"), InvalidDeclaration, ["Monitor", "columns='a'", "list"]),
    "exact without aggregations": (lambda: view(accuracy="exact"), InvalidDeclaration, ["`spending`", "exact", "no aggregations", "Add"]),
    "a cadence in a zone that is not": (lambda: fp.Cadence(tz="America/New_Yrok"), InvalidDeclaration, ["Cadence, tz,", "'America/New_Yrok'", "`America/New_York`"]),
    "a cadence of hours in a zone": (lambda: fp.Cadence(every="6h", tz="Asia/Tokyo"), InvalidDeclaration, ["Cadence, every,", "'6h'", "Asia/Tokyo", "`1d`", "tz"]),
    "a cadence of a day's hours in a zone": (lambda: fp.Cadence(every="24h", tz="Asia/Tokyo"), InvalidDeclaration, ["Cadence, every,", "'24h'"]),
    "a cadence without aggregations": (lambda: view(cadence=fp.Cadence()), InvalidDeclaration, ["`spending`", "cadence", "no aggregations"]),
    "a wrong accuracy": (lambda: view(accuracy="precise"), InvalidDeclaration, ["`spending`", "'precise'", '"snapshot" or "exact"']),
    "a ttl without event time": (lambda: view(source=facts, ttl="1d"), InvalidDeclaration, ["`spending`", "no event_time", "Drop the ttl"]),
    "windows without event time": (lambda: view(source=facts, aggregations=daily), InvalidDeclaration, ["`spending`", "without event_time", "when rows happened"]),
    "one feature twice": (lambda: view(aggregations=[*daily, *daily]), InvalidDeclaration, ["`spending`", "`count_1d` twice"]),
    "a feature named as a join key": (lambda: view(entity=fp.Entity("e", ["count_1d"]), aggregations=daily), InvalidDeclaration, ["`spending`", "`count_1d` twice", "join keys"]),
    "an undeclared feature": (lambda: windowed["mean_2d"], UnknownName, ["Feature view `spending`", "`mean_2d`", "count_1d"]),
    "an undeclared feature among declared ones": (lambda: windowed["count_1d", "mean_2d"], UnknownName, ["`mean_2d`"]),
    "no feature": (lambda: windowed[()], InvalidDeclaration, ["`spending`", "no feature", 'view["a"]']),
    "a feature by number": (lambda: windowed[1], InvalidDeclaration, ["`spending`", "features=1"]),
    "a feature asked for twice": (lambda: row["a", "a"], InvalidDeclaration, ["`last_order`", "once"]),
    "a join key as a feature": (lambda: row["k"], InvalidDeclaration, ["`last_order`", "`k`", "join key or clock"]),
    "a clock as a feature": (lambda: row["at"], InvalidDeclaration, ["`last_order`", "`at`", "join key or clock"]),
    "an aggregation without windows": (lambda: fp.Mean("x", windows=[]), InvalidDeclaration, ["Mean('x')", "windows=[]", '["1d", "7d"]']),
    "an aggregation with a bare string": (lambda: fp.Mean("x", windows="7d"), InvalidDeclaration, ["Mean('x')", "'7d'", "list"]),
    "an aggregation with a number": (lambda: fp.Mean("x", windows=7), InvalidDeclaration, ["Mean('x')", "windows=7", "list"]),
    "an aggregation with one window twice": (lambda: fp.Mean("x", windows=["1d", "1d"]), InvalidDeclaration, ["Mean('x')", "once"]),
    "an aggregation of nothing": (lambda: fp.Mean(None, windows=["1d"]), InvalidDeclaration, ["Mean", "None", "name of a column"]),
    "an aggregation of an expression": (lambda: fp.Mean(pl.col("x"), windows=["1d"]), InvalidDeclaration, ["Mean", "name of a column"]),
    "a quantile above 1": (lambda: fp.Quantile("x", 90, windows=["1d"]), InvalidDeclaration, ["Quantile('x')", "q=90", "0 to 1"]),
    "a quantile below 0": (lambda: fp.Quantile("x", -0.1, windows=["1d"]), InvalidDeclaration, ["Quantile('x')", "q=-0.1"]),
    "a rate without a name": (lambda: fp.Rate(pl.col("x") > 1, windows=["1d"]), InvalidDeclaration, ["Rate", "no name", "name="]),
    "a rate of a number": (lambda: fp.Rate(3, windows=["1d"]), InvalidDeclaration, ["Rate", "condition 3", "boolean"]),
    "an expectation in text": (lambda: view(expectations=[NOT_NULL]), InvalidDeclaration, ["`spending`", NOT_NULL, "fp.Expect"]),
    "an expectation without a list": (lambda: view(expectations=fp.Expect(NOT_NULL, column="x")), InvalidDeclaration, ["`spending`", "list of fp.Expect"]),
    "no expectations": (lambda: view(expectations=None), InvalidDeclaration, ["`spending`", "expectations=None"]),
    "one expectation twice": (lambda: fp.Source("s", Frame(ROWS), expectations=[fp.Expect(NOT_NULL, column="x", severity=s) for s in ("info", "warning")]), InvalidDeclaration, ["Source `s`", f"{NOT_NULL}__x twice", "Join them"]),
    "a wrong severity": (lambda: fp.Expect(NOT_NULL, column="x", severity="fatal"), InvalidDeclaration, [NOT_NULL, "`fatal`", "critical, warning, info"]),
    "an expectation in camel case": (lambda: fp.Expect("ExpectColumnToExist", column="x"), InvalidDeclaration, ["`ExpectColumnToExist`", "snake-case"]),
    "an expectation that is no text": (lambda: fp.Expect(None), InvalidDeclaration, ["`None`", "snake-case"]),
    "an owner without team": (lambda: view(owner="bob"), InvalidDeclaration, ["`spending`", "'bob'", "team:name"]),
    "an owner without a name": (lambda: label(owner="team:"), InvalidDeclaration, ["`churned`", "'team:'"]),
    "an owner that Dagster would refuse": (lambda: service(row, owner="bob@"), InvalidDeclaration, ["`shop_v1`", "'bob@'", "e-mail"]),
    "an owner that is no text": (lambda: training(owner=5), InvalidDeclaration, ["`shop_training`", "owner 5"]),
    "a label of no entity": (lambda: label(entity=None), InvalidDeclaration, ["Label `churned`", "entity=None", "fp.Entity"]),
    "a label over a view": (lambda: label(source=row), InvalidDeclaration, ["`churned`", "FeatureView `last_order`", "fp.Source"]),
    "a label without event time": (lambda: label(source=facts), InvalidDeclaration, ["`churned`", "Source `facts`", "no event_time"]),
    "a label known at a number": (lambda: label(known_at=5), InvalidDeclaration, ["`churned`", "known_at=5"]),
    "a label that is no function": (lambda: label("rows"), InvalidDeclaration, ["`churned`", "the function='rows'"]),
    "a service without features": (lambda: service(), InvalidDeclaration, ["Feature service `shop_v1`", "features=[]", "list of views"]),
    "a service with a bare view": (lambda: fp.FeatureService("shop_v1", row), InvalidDeclaration, ["`shop_v1`", "FeatureView `last_order`", "list"]),
    "a service with a number": (lambda: fp.FeatureService("shop_v1", 5), InvalidDeclaration, ["`shop_v1`", "features=5"]),
    "a service with a name": (lambda: service("last_order"), InvalidDeclaration, ["`shop_v1`", "'last_order'", 'view["a"]']),
    "a service with a label": (lambda: service(label()), InvalidDeclaration, ["`shop_v1`", "Label `churned`", "feature views"]),
    "a service whose views share a feature": (lambda: service(windowed, other), InvalidDeclaration, ["`shop_v1`", "`count_1d`", "`spending`", "`visits`", "full_names=True"]),
    "a service with a view twice": (lambda: service(row, row["a"]), InvalidDeclaration, ["`shop_v1`", "`last_order`", "once"]),
    "a service with two views of one name": (lambda: service(row["a"], view(name="last_order")["b"]), DuplicateName, ["`last_order`", "Rename"]),
    "a feature named as another view's join key": (lambda: service(row["amount"], view(name="v", entity=fp.Entity("e", ["amount"]))["b"]), InvalidDeclaration, ["`amount`", "join keys of `v`", "`last_order`"]),
    "a feature named as the clock of the spine": (lambda: service(row["event_timestamp"]), InvalidDeclaration, ["`event_timestamp`", "the spine", "`last_order`"]),
    "an imputation that is a value": (lambda: service(row, impute={"amount": 0}), InvalidDeclaration, ["`shop_v1`", "`amount` by 0", "fp.Impute.constant(0)"]),
    "an imputation that is a class": (lambda: service(row, impute={"amount": fp.Impute.mean}), InvalidDeclaration, ["`shop_v1`", "`amount`", "Mean"]),
    "imputations in a list": (lambda: service(row, impute=["amount"]), InvalidDeclaration, ["`shop_v1`", "impute=['amount']"]),
    "an imputation of an undeclared feature": (lambda: service(windowed, impute={"mean_2d": fp.Impute.constant(0)}), UnknownName, ["`shop_v1`", "`mean_2d`", "count_1d"]),
    "a training set of a view": (lambda: training(service=row), InvalidDeclaration, ["`shop_training`", "FeatureView `last_order`", "fp.FeatureService"]),
    "a training set with a label's name": (lambda: training(label="churned"), InvalidDeclaration, ["`shop_training`", "label='churned'", "@fp.label"]),
    "a training set with a spine's name": (lambda: training(spine="orders"), InvalidDeclaration, ["`shop_training`", "spine, is a str", "`event_timestamp`"]),
    "a spine without event time": (lambda: training(spine=facts), InvalidDeclaration, ["`shop_training`", "Source `facts`", "event_time"]),
    "a spine frame without its clock": (lambda: training(spine=ROWS), MissingColumns, ["`shop_training`", "`event_timestamp`", "k, at"]),
    "a spine frame without a zone": (lambda: training(spine=ROWS.rename({"at": "event_timestamp"})), NotUtc, ["`shop_training`", "`event_timestamp`", "zone"]),
    "a spine frame without a join key": (lambda: training(spine=ROWS.select(event_timestamp=pl.col("at").dt.replace_time_zone("UTC"))), MissingColumns, ["`shop_training`", "`k`"]),
    "a horizon without a label": (lambda: training(horizon="1d"), InvalidDeclaration, ["`shop_training`", "no label", "drop the horizon"]),
    "an unknown grain": (lambda: fp.Partitions("yearly"), InvalidDeclaration, ["Partitions", "'yearly'", "hourly, daily, weekly, monthly"]),
    "a start inside a partition": (lambda: fp.Partitions("monthly", start="2013-01-02"), InvalidDeclaration, ["start 2013-01-02", "monthly", "2013-01-01"]),
    "an end inside a partition": (lambda: fp.Partitions("daily", end="2013-01-02T01:00"), InvalidDeclaration, ["end 2013-01-02T01", "daily"]),
    "a week that starts on a Tuesday": (lambda: fp.Partitions("weekly", start="2013-01-01"), InvalidDeclaration, ["weekly", "2012-12-31"]),
    "a start without a zone": (lambda: fp.Partitions("daily", start=datetime(2013, 1, 1)), InvalidDeclaration, ["start", "without a zone", "tzinfo"]),
    "a start that is no time": (lambda: fp.Partitions("daily", start="yesterday"), InvalidDeclaration, ["start", "'yesterday'", "ISO"]),
    "an end at the start": (lambda: fp.Partitions("daily", start="2013-01-02", end="2013-01-02"), InvalidDeclaration, ["end", "not after its start"]),
    "an end before the start": (lambda: fp.Partitions("daily", start="2013-01-02", end="2013-01-01"), InvalidDeclaration, ["end", "not after its start"]),
    "all keys of open partitions": (lambda: fp.Partitions("daily").keys(), InvalidDeclaration, ["open-ended", "start and end"]),
    "a key before the start": (lambda: months.bounds("2012-12-01"), PartitionOutOfRange, ["`2012-12-01`", "monthly", "2013-01-01 to before 2013-03-01"]),
    "a key at the end": (lambda: months.bounds("2013-03-01"), PartitionOutOfRange, ["`2013-03-01`"]),
    "a key of another grain": (lambda: months.bounds("2013-01-01-00:00"), InvalidDeclaration, ["'2013-01-01-00:00'", "monthly key"]),
    "a key inside a partition": (lambda: months.bounds("2013-01-02"), InvalidDeclaration, ["'2013-01-02'", "monthly key"]),
    "a key in another spelling": (lambda: months.bounds("2013-1-1"), InvalidDeclaration, ["'2013-1-1'", "monthly key"]),
    "a key that is no text": (lambda: months.bounds(None), InvalidDeclaration, ["'None'", "monthly key"]),
    "a frame that is no frame": (lambda: Frame([1]), InvalidDeclaration, ["Frame", "list", "Polars"]),
    "a file without a path": (lambda: Csv(None), InvalidDeclaration, ["Csv", "None", "path"]),
    "a folder without a path": (lambda: Parquet(""), InvalidDeclaration, ["Parquet", "''", "path"]),
    "a separator of two characters": (lambda: Csv("a.csv", separator="||"), InvalidDeclaration, ["Csv", "'||'", "one character"]),
    "null values in a bare string": (lambda: Csv("a.csv", null_values="NA"), InvalidDeclaration, ["Csv", "'NA'", "list"]),
    "a version in text": (lambda: Delta("lake", version="3"), InvalidDeclaration, ["Delta", "'3'", "whole number"]),
    "a version below 0": (lambda: Delta("lake", version=-1), InvalidDeclaration, ["Delta", "-1"]),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_it_is_refused_when_it_is_made(wrong):
    declare, error, words = WRONG[wrong]
    with pytest.raises(error) as raised:
        declare()
    message = str(raised.value)
    assert [word for word in words if word not in message] == [], message
    assert message.endswith(".")
    assert "object at 0x" not in message
    assert len(message) < 400


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:20])
@pytest.mark.parametrize(
    ("kind", "declare"),
    [
        ("Entity", lambda name: fp.Entity(name, ["k"])),
        ("Source", lambda name: fp.Source(name, Frame(ROWS))),
        ("Feature view", lambda name: view(name=name)),
        ("Label", lambda name: label(name=name)),
        ("Feature service", lambda name: fp.FeatureService(name, [row])),
        ("Training set", lambda name: fp.TrainingSet(name, service=service(row), spine=source)),
    ],
)
def test_a_name_is_letters_digits_and_underscores(kind, declare, name):
    with pytest.raises(InvalidDeclaration) as raised:
        declare(name)
    assert str(raised.value).startswith(f"{kind} ")
    assert "letters, digits and underscores" in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("duration", DURATIONS, ids=repr)
@pytest.mark.parametrize(
    ("culprit", "declare"),
    [
        ("Cadence, every,", lambda duration: fp.Cadence(every=duration)),
        ("Cadence, delay,", lambda duration: fp.Cadence(delay=duration)),
        ("Cadence, lateness,", lambda duration: fp.Cadence(lateness=duration)),
        ("Monitor, reference,", lambda duration: fp.Monitor(reference=duration)),
        ("Monitor, every,", lambda duration: fp.Monitor(every=duration)),
        ("Monitor, season,", lambda duration: fp.Monitor(season=duration)),
        ("Feature view `spending`, ttl,", lambda duration: view(ttl=duration)),
        ("Source `s`, freshness,", lambda duration: fp.Source("s", Frame(ROWS), freshness=duration)),
        ("Training set `shop_training`, horizon,", lambda duration: training(label=label(), horizon=duration)),
    ],
)
def test_a_duration_is_a_whole_number_and_a_unit(culprit, declare, duration):
    with pytest.raises(InvalidDeclaration) as raised:
        declare(duration)
    assert str(raised.value).startswith(f"{culprit} has the duration {duration!r}. Write a whole number and one of")


@pytest.mark.parametrize("duration", [each for each in DURATIONS if isinstance(each, str)])
def test_a_window_is_a_whole_number_and_a_unit(duration):
    with pytest.raises(InvalidDeclaration, match=r"^A window of Mean\('x'\) has the duration .* Write a whole number"):
        fp.Mean("x", windows=[duration])


@pytest.mark.parametrize("made", [lambda: fp.Entity("e"), lambda: fp.Mean("x"), lambda: fp.Cadence(each="1d")])
def test_a_missing_or_unknown_argument_is_pythons_own_error(made):
    with pytest.raises(TypeError, match=r"join_keys|windows|each"):
        made()


def test_a_column_of_the_wrong_type_is_refused_when_rows_are_known():
    with pytest.raises(WrongColumnType, match=r"`spending`, Mean.*`name` is String, but a number or boolean.*Cast"):
        fp.testing.values_at(
            view(aggregations=[fp.Mean("name", windows=["1d"])]),
            {"orders": ROWS.with_columns(pl.col("at").dt.replace_time_zone("UTC"), name=pl.lit("a"))},
            ROWS.select("k", event_timestamp=pl.col("at").dt.replace_time_zone("UTC")),
        )


def test_full_names_make_views_with_the_same_features_live_together():
    assert service(windowed, other, full_names=True).views == (windowed, other)


def test_parts_of_one_view_may_be_listed_apart():
    assert service(row["a"], windowed, row["b"]).views == (row, windowed)


def test_a_view_takes_the_name_of_its_function():
    @fp.feature_view(entity=entity, source=source, owner="ann@example.com")
    def orders_of(rows):
        """What was ordered."""
        return rows

    assert (orders_of.name, orders_of.asset, orders_of.description) == (
        "orders_of",
        "views/orders_of",
        "What was ordered.",
    )


def test_clocks_come_from_the_source_or_the_cadence():
    assert (view(source=lagging).event_time, view(source=lagging).known_at) == ("at", "seen_at")
    assert (windowed.event_time, windowed.known_at) == ("as_of", "known_at")
    assert label(source=lagging).known_at == "seen_at"
    assert label(source=lagging, known_at="at").known_at == "at"
