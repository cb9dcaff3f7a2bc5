"""Looks at a source: what it holds now, by the ledger where that knows, and by reading the units that are new."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import polars as pl

from feature_platform.compute.transforms.rows import prepare_rows
from feature_platform.compute.transforms.separable import is_separable
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.errors import NoRowsYet
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import MARK, UNIT, refuse_working_names
from feature_platform.offline import OfflineStore
from feature_platform.parts.sources.base import WHOLE_UNIT, DataUnit, OpenedData, Slicing
from feature_platform.pipelines.candidates.deliveries import Delivery, join_units
from feature_platform.pipelines.candidates.ledger import (
    FACTS,
    HASHED_BY,
    Inventory,
    digests_of,
    known_schemas,
    read_events,
    row_hash,
    stamps_of,
    take_inventory,
)
from feature_platform.pipelines.candidates.shared import reading_source


def delivery_of(
    source: Source, store: OfflineStore, grid: Partitions, now: datetime, data: OpenedData | None = None
) -> Delivery:
    """Return what a partitioned source holds now; nothing is written, and no unit is opened that the ledger knows.

    Args:
        now: when this look is.
        data: what the connector opened, arranged by `settle_and_cut`. Defaults to opening it here.

    Raises:
        SourceUnreadable: nothing there, or nothing that can be read.
    """
    try:
        if data is not None:
            return _read_delivery(source, store, grid, now, data)
        with source.connector.open(source.name) as opened:
            return _read_delivery(source, store, grid, now, settle_and_cut(source, store, grid, now, opened, now))
    except NoRowsYet:
        return Delivery({}, {}, None, {}, named=False, schema=None)


def settle_and_cut(
    source: Source, store: OfflineStore, grid: Partitions, now: datetime, data: OpenedData, asked_from: datetime
) -> OpenedData:
    """Return data that is open as a look takes it: without what may still be being written, and in units.

    They are units of time where its place has no units of its own.

    Args:
        now: when this look is.
        asked_from: from when on a run takes rows in.
    """
    if source.event_time is None:
        return data

    def read_stamps() -> dict[str, str]:
        return stamps_of(read_events(store, TableKind.UNITS.of(source.name)))

    slicing = Slicing(source.event_time, grid.grain, now, asked_from, read_stamps)
    return data.settle(now, read_stamps).cut_by(slicing)


def scan_partitions(delivery: Delivery, data: OpenedData, starts: Collection[datetime]) -> pl.LazyFrame:
    """Scan the raw rows of the units that hold rows of some partitions; other units are not opened.

    All rows are scanned where it is not known which units hold which rows.

    Args:
        delivery: what `data` holds; its schema is known.
        starts: of the partitions.
    """
    units, schema = data.units(), delivery.schema or pl.Schema()
    if units is None or delivery.inventory is None:
        return data.scan()
    facts = delivery.inventory.facts
    if WHOLE_UNIT in facts["unit"]:
        return _scan_all(data, units, schema)
    holding = set(facts.filter(pl.col("at").is_in(list(starts)), pl.col("rows") > 0)["unit"])
    names = [unit.name for unit in units if unit.name in holding]
    return data.scan_units(names, schema) if names else pl.LazyFrame(schema=schema)


def refuse_names_of_trials(source: Source, schema: Collection[str]) -> None:
    """Refuse raw columns with the names of those that are added before `prepare`.

    Raises:
        WrongColumnName: names the column.
    """
    refuse_working_names(f"Table `{source.asset}`", [name for name in (MARK, UNIT) if name in schema])


def _scan_all(data: OpenedData, units: Sequence[DataUnit], schema: pl.Schema) -> pl.LazyFrame:
    names = [unit.name for unit in units]
    return data.scan() if names == [WHOLE_UNIT] else data.scan_units(names, schema)


def _read_delivery(source: Source, store: OfflineStore, grid: Partitions, now: datetime, data: OpenedData) -> Delivery:
    units = data.units()
    if units is None:
        with reading_source(source):
            rows = data.scan()
            facts = _read_whole(source, grid, rows)
        facts = facts.with_columns(hashed_by=pl.lit(HASHED_BY))
        return _delivery(source, facts, grid, None, now, rows.collect_schema())
    events = read_events(store, TableKind.UNITS.of(source.name))
    with reading_source(source):
        look = look_at_units(source, grid, events, units, data)
        read = partial(_read_facts, source, grid, data, look)
        inventory = take_inventory(events, look.units, look.schemas, look.reading, now, read)
    delivery = _delivery(source, inventory.facts, grid, inventory, now, look.schema)
    return replace(delivery, waiting=data.young(now))


@dataclass(frozen=True)
class UnitsLook:
    """How the units of a source are looked at: one by one, or all as one where `prepare` needs them together.

    Attributes:
        reading: the code and grain by which rows are made of a unit.
        schema: the columns of all rows before they are prepared.
        schemas: those of units.
        is_whole: whether all are looked at as one.
    """

    units: Sequence[DataUnit]
    reading: str
    schema: pl.Schema
    schemas: Mapping[str, pl.Schema]
    is_whole: bool = False


def look_at_units(
    source: Source, grid: Partitions, events: pl.DataFrame, units: Sequence[DataUnit], data: OpenedData
) -> UnitsLook:
    """Look at units with what the ledger knows of them; columns that it does not know are read.

    Raises:
        SourceUnreadable, NoRowsYet: columns cannot be read, or headers do not tell their types.
    """
    reading, readings = f"{code_version(source)}/{grid.grain}", set(events["reading"])
    whole, joined = f"{reading}/whole", join_units(units)
    if reading in readings or whole not in readings:
        schema, schemas = data.schemas(known_schemas(events, units, reading))
        refuse_names_of_trials(source, schema)
        if reading in readings or is_separable(source.prepare, schema):
            return UnitsLook(units, reading, schema, schemas)
    else:
        known = known_schemas(events, joined, whole)
        schema = known[WHOLE_UNIT] if known else data.schemas({})[0]
    return UnitsLook(joined, whole, schema, {WHOLE_UNIT: schema}, is_whole=True)


def _delivery(
    source: Source,
    facts: pl.DataFrame,
    grid: Partitions,
    inventory: Inventory | None,
    now: datetime,
    schema: pl.Schema,
) -> Delivery:
    low, high = grid.accepted_range(now)
    inside = pl.col("at").is_null() | pl.col("at").is_between(low, high, "left")
    rows = facts.filter(inside).group_by("at").agg(pl.col("rows").sum()).filter(pl.col("rows") > 0)
    events = facts.clear() if inventory is None else inventory.events.filter(pl.col("rows") > 0)
    units_by_start = events.filter(inside).group_by("at").agg(pl.col("unit").unique().sort())
    outside = {
        -1: facts.filter(pl.col("at") < low)["rows"].sum(),
        1: facts.filter(pl.col("at") >= high)["rows"].sum(),
    }
    return Delivery(
        {_key(at, grid): count for at, count in rows.iter_rows()},
        {_key(at, grid): digest for at, digest in digests_of(facts.filter(inside)).items()},
        inventory,
        {_key(at, grid): units for at, units in units_by_start.iter_rows()},
        named=not source.connector.rewrites_units,
        schema=schema,
        left_out={side: int(count) for side, count in outside.items() if count},
        starts={_key(at, grid): at for at in units_by_start["at"]},
    )


def _read_facts(
    source: Source, grid: Partitions, data: OpenedData, look: UnitsLook, names: Sequence[str]
) -> pl.DataFrame:
    """Read what units hold: all in one scan when the source has no `prepare`, otherwise each by itself."""
    if list(names) == [WHOLE_UNIT]:
        return _read_whole(source, grid, _scan_all(data, data.units() or [], look.schema))
    if source.prepare is None:
        rows = prepare_rows(source, data.scan_units(names, look.schema, UNIT))
        return _with_empty_units(_count_rows(source, grid, rows, pl.col(UNIT)), names)
    frames = [
        _count_rows(source, grid, prepare_rows(source, data.scan_units([name], look.schema)), pl.lit(name))
        for name in names
    ]
    at_once = source.connector.scans_at_once
    parts = [frames[first : first + at_once] for first in range(0, len(frames), at_once)]
    collected = [each for part in parts for each in pl.collect_all(part, engine="streaming")]
    return _with_empty_units(pl.concat(collected).lazy(), names)


def _read_whole(source: Source, grid: Partitions, raw: pl.LazyFrame) -> pl.DataFrame:
    facts = _count_rows(source, grid, prepare_rows(source, raw), pl.lit(WHOLE_UNIT))
    return _with_empty_units(facts, [WHOLE_UNIT])


def _count_rows(source: Source, grid: Partitions, rows: pl.LazyFrame, unit: pl.Expr) -> pl.LazyFrame:
    """Count prepared rows lazily, as `FACTS`."""
    columns = [name for name in rows.collect_schema() if name != UNIT]
    start = clock.partition_start_of(clock.clip_to_calendar(pl.col(str(source.event_time))), grid.grain)
    keyed = rows.select(unit.alias("unit"), start.alias("at"), row_hash(columns).alias("hash"))
    counted = keyed.group_by("unit", "at").agg(pl.len().cast(pl.Int64).alias("rows"), pl.col("hash").sum())
    return counted.select(pl.col(name).cast(dtype) for name, dtype in FACTS.items())


def _with_empty_units(facts: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    """Collect facts, and add one row for each unit that holds no rows."""
    collected = facts.collect(engine="streaming")
    empty = [(name, None, 0, 0) for name in sorted(set(names) - set(collected["unit"]))]
    return pl.concat([collected, pl.DataFrame(empty, schema=FACTS, orient="row")])


def _key(start: datetime | None, grid: Partitions) -> str | None:
    return None if start is None else clock.partition_key(start, grid.grain)
