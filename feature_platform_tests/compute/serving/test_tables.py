"""Served tables: what is written is read, whatever the types, names and numbers."""

import json
from dataclasses import replace

import polars as pl

from feature_platform.compute.serving.tables import Instant, ServedTable
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.clock import UTC

TABLE = ServedTable(
    view="carriers",
    kind=ViewKind.SNAPSHOT,
    keys={"carrier": pl.String(), 'day of "week"\n': pl.Int8()},
    features={
        "delay": pl.Float32(),
        "codes": pl.List(pl.Struct({"a": pl.Datetime("ms", "Europe/Oslo"), "b": pl.Array(pl.Int64, 3)})),
        "choice": pl.Enum(["ø", ""]),
        "money": pl.Decimal(20, 2),
        "wait": pl.Duration("us"),
        "at": UTC,
    },
    versions={"views/carriers": 2**40, "ø": 0},
    code_version='a"b"entries":0,',
    published_at="2013-03-01T00:00:00.000000Z",
    newest="2013-02-28T00:00:00.000000Z",
    entries=3,
    instants=(Instant("000", "001", "row\n\n"), Instant("000", "001", None)),
    tile=60_000_000,
    generation=4,
    change=2,
)


def test_a_table_comes_back_as_it_was() -> None:
    for table in (
        TABLE,
        ServedTable("v", ViewKind.ROW, {}, {}),
        replace(TABLE, newest=None, kind=ViewKind.EXACT, instants=()),
    ):
        text = table.to_bytes()
        assert ServedTable.from_bytes(text) == table
        assert b"\n" not in text
        assert json.loads(text)["view"] == table.view


def test_a_state_has_a_stamp_of_its_own() -> None:
    stamps = {TABLE.at(generation, change).stamp for generation in range(12) for change in range(12)}

    assert len(stamps) == 144
    assert TABLE.at(7, 3) == replace(TABLE, generation=7, change=3)
