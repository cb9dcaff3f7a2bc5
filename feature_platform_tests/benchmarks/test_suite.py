"""The benchmarks measure what they say: at a tiny size every answer is that of the naive definition."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median, stdev
from typing import Any
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from benchmarks import data, run
from benchmarks.cases import cases, ingestion
from benchmarks.cases.base import Bar, Case, Engine, Task
from benchmarks.digest import differences, digest
from benchmarks.engines import ours, raw
from benchmarks.engines.base import Prepared
from benchmarks.limits import entered, offered
from benchmarks.measured import measured
from benchmarks.place import Place
from benchmarks.plot import log_log
from benchmarks.report import BEGIN, END, bars_table, written
from benchmarks.results import CaseFigures, Record, compared_answers, disagreements, newest
from benchmarks.shapes import (
    AMOUNT,
    ITEM,
    KEY,
    KNOWN,
    ROW,
    START,
    TIME,
    Events,
    Ingest,
    Join,
    Publish,
    SharedTable,
    Spine,
    Table,
    Windows,
    feature_name,
)
from benchmarks.stored_results import append

TABLE = Table("t", rows=400, keys=12, columns=("a", "b"), seed=1, known=True)
EVENTS = Events("events", rows=900, keys=12, columns=(), seed=2, days=90)
SPINE = Spine("spine", rows=60, keys=14, seed=3)
EVENT_SPINE = Spine("event_spine", rows=60, keys=14, seed=4, days=90)
AGGREGATIONS = ("count", "sum", "mean", "std", "min", "max", "distinct", "median")

Row = dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The data of this module, made and ingested once."""
    place = Place(tmp_path_factory.mktemp("bench"))
    for table in (TABLE, EVENTS):
        data.make_table(table, place)
    for spine in (SPINE, EVENT_SPINE):
        data.make_spine(spine, place)
    for ingest in (Ingest(TABLE), Ingest(TABLE, known=True), Ingest(EVENTS)):
        ours.prepare(ingest, place).run()
    return place


def answer(prepared: Prepared) -> dict[int, Row]:
    """The features of each row number."""
    assert prepared.answer is not None
    rows = prepared.answer(prepared.run()).collect().sort(ROW).drop(KEY, TIME, strict=False)
    return {row.pop(ROW): row for row in rows.iter_rows(named=True)}


def rows_of(pattern: str | Path) -> list[Row]:
    return pl.read_parquet(pattern).to_dicts()


def naive_join(work: Join, place: Place) -> dict[int, Row]:
    """Of the rows that could be seen, the last; nothing when it is too old."""
    found: dict[int, Row] = {}
    for asked in rows_of(place.spine(work.spine)):
        found[asked[ROW]] = {}
        for table in work.tables:
            seen = [
                row
                for row in rows_of(place.files(table))
                if row[KEY] == asked[KEY] and row[TIME] <= asked[TIME] and (not work.known or row[KNOWN] <= asked[TIME])
            ]
            last = max(seen, key=lambda row: row[TIME], default=None)
            fresh = last is not None and asked[TIME] - last[TIME] <= timedelta(days=work.ttl_days)
            found[asked[ROW]] |= {name: last[name] if last and fresh else None for name in table.columns}
    return found


def naive_aggregates(inside: list[Row], days: int) -> Row:
    amounts = [row[AMOUNT] for row in inside]
    values = {
        "count": len(inside),
        "sum": sum(amounts),
        "mean": sum(amounts) / len(amounts) if amounts else None,
        "std": stdev(amounts) if len(amounts) > 1 else None,
        "min": min(amounts, default=None),
        "max": max(amounts, default=None),
        "distinct": len({row[ITEM] for row in inside}),
        "median": median(amounts) if amounts else None,
    }
    return {feature_name(name, days): value for name, value in values.items()}


def inside(events: list[Row], key: int, end: datetime, days: int) -> list[Row]:
    return [row for row in events if row[KEY] == key and end - timedelta(days=days) <= row[TIME] < end]


def assert_same(found: dict[int, Row], expected: dict[int, Row]) -> None:
    assert found.keys() == expected.keys()
    for number, row in found.items():
        for name, value in row.items():
            wanted = expected[number][name]
            assert value == (None if wanted is None else pytest.approx(wanted, rel=1e-9, abs=1e-9)), (number, name)


@pytest.mark.parametrize("engine", [ours, raw])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("stored", [False, True])
def test_a_join_gives_the_naive_answer(engine, known: bool, stored: bool, place: Place) -> None:
    work = Join(SPINE, (TABLE,), known=known, stored=stored)
    expected = naive_join(work, place)
    place.clear()

    found = answer(engine.prepare(work, place))

    assert_same(found, expected)
    assert all(set(row) == {"a", "b"} for row in found.values())
    assert 0 < sum(row["a"] is None for row in expected.values()) < len(expected)  # both kinds are there


def test_knowing_late_changes_the_answer_so_that_the_two_joins_can_be_told_apart(place: Place) -> None:
    plain, known = (naive_join(Join(SPINE, (TABLE,), known=known), place) for known in (False, True))

    assert plain != known


@pytest.mark.parametrize(
    ("engine", "aggregations"), [(ours, AGGREGATIONS), (ours, raw.INVERTIBLE), (raw, raw.INVERTIBLE)]
)
def test_windows_have_the_naive_values(engine, aggregations: tuple[str, ...], place: Place) -> None:
    work = Windows(EVENT_SPINE, EVENTS, aggregations)
    events = rows_of(place.files(EVENTS))
    expected = {
        row[ROW]: {
            name: value
            for days in work.days
            for name, value in naive_aggregates(inside(events, row[KEY], row[TIME], days), days).items()
        }
        for row in rows_of(place.spine(EVENT_SPINE))
    }

    found = answer(engine.prepare(work, place))

    assert_same(found, expected)
    assert len(found[0]) == len(aggregations) * len(work.days)


def test_a_new_day_has_the_naive_values_after_a_year_and_by_hand(place: Place) -> None:
    year, day = Publish(EVENTS, 0, 89, fresh=True), Publish(EVENTS, 89, 90, fresh=False)
    events, end = rows_of(place.files(EVENTS)), START + timedelta(days=90)
    expected = {
        key: {
            name: value
            for days in day.days
            for name, value in naive_aggregates(inside(events, key, end, days), days).items()
        }
        for key in range(EVENTS.keys)
        if inside(events, key, end, 30)
    }

    ours.prepare(year, place).run()

    assert_same(answer(ours.prepare(day, place)), expected)
    assert_same(answer(raw.prepare(day, place)), expected)


def test_data_is_made_once_and_again_when_its_parameters_change(tmp_path: Path) -> None:
    place, larger = Place(tmp_path), Table("t", rows=500, keys=12, columns=("a",), seed=1)
    smaller = Table("t", rows=300, keys=12, columns=("a",), seed=1)

    assert [data.make_table(each, place) for each in (larger, larger, smaller)] == [True, False, True]
    assert pl.read_parquet(place.files(smaller)).height == 300


def test_a_table_that_was_interrupted_is_made_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.table(TABLE).mkdir(parents=True)
    (place.table(TABLE) / "part-00000.parquet").write_bytes(b"half")

    assert data.make_table(TABLE, place)
    assert pl.read_parquet(place.files(TABLE)).height == TABLE.rows


@pytest.mark.parametrize(
    "table",
    [TABLE, EVENTS, SharedTable("s", rows=500, keys=3, columns=("f0",), seed=7), Table("d", 2000, 1, ("a",), 1)],
)
def test_no_key_has_two_rows_at_one_instant_and_rows_are_in_order_of_time(table: Table, tmp_path: Path) -> None:
    data.make_table(table, Place(tmp_path))
    rows = pl.read_parquet(Place(tmp_path).files(table))

    assert rows.height == table.rows
    assert rows[TIME].is_sorted()
    assert not rows.select(KEY, TIME).is_duplicated().any()
    assert rows[TIME].is_between(START, START + timedelta(days=table.days), closed="left").all()


def test_equal_rows_in_another_order_and_with_float_noise_have_one_digest() -> None:
    rows = pl.LazyFrame({ROW: [0, 1, 2], "a": [1.0, None, 1e9], "n": [3, 4, 5]})
    noisy = rows.reverse().with_columns(pl.col("a") * (1 + 1e-13))

    assert differences(digest(rows), digest(noisy)) == []


@pytest.mark.parametrize(
    "other",
    [
        pl.LazyFrame({ROW: [0, 1, 2], "a": [2.0, 1.0, None]}),
        pl.LazyFrame({ROW: [0, 1, 2], "a": [1.0, None, 2.0]}),
        pl.LazyFrame({ROW: [0, 1, 2], "a": [1.0, 2.001, None]}),
        pl.LazyFrame({ROW: [0, 1, 2], "a": [1.0, 2.0, float("nan")]}),
        pl.LazyFrame({ROW: [0, 1], "a": [1.0, 2.0]}),
        pl.LazyFrame({ROW: [0, 1, 2], "b": [1.0, 2.0, None]}),
    ],
    ids=["swapped", "null_elsewhere", "other_value", "nan", "fewer_rows", "no_shared_feature"],
)
def test_other_answers_have_other_digests(other: pl.LazyFrame) -> None:
    rows = pl.LazyFrame({ROW: [0, 1, 2], "a": [1.0, 2.0, None]})

    assert differences(digest(rows), digest(other))


def record(session: str, engine: Engine, wall: float | None, total: float = 1.0, **more: Any) -> Record:
    found = None if wall is None else digest(pl.LazyFrame({ROW: [0], "a": [total]}))
    return Record(session, 1.0, "c", "join", engine, wall, wall, 1e9, found, failed=None if wall else "killed", **more)


def one_case(*bars: Bar) -> Case:
    return Case("c", "a case", (Task("join", Join(SPINE, (TABLE,)), ("ours", "raw"), "a"),), bars)


def test_a_case_that_is_run_again_replaces_only_its_own_figures(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    for each in (record("1", "ours", 9.0), record("1", "raw", 2.0), record("2", "ours", 3.0), record("2", "ours", 5.0)):
        append(each, file)

    figures = CaseFigures(newest(file, 1.0))

    assert (figures.median("wall", "join", "ours"), figures.median("wall", "join", "raw")) == (4.0, 2.0)
    assert newest(file, 0.5) == []


def test_answers_that_differ_are_told_by_name() -> None:
    same, other = [record("1", "ours", 1.0), record("1", "raw", 1.0)], record("1", "raw", 1.0, total=2.0)

    assert disagreements([one_case()], same) == []
    assert compared_answers([one_case()], same) == 1
    assert "c/join of raw differs from c/join of ours: a: sum" in disagreements([one_case()], [*same, other])[0]


@pytest.mark.parametrize(
    ("wall", "verdict"), [(1.0, "| met"), (3.0, "| **not met**"), (None, "| **not met**")], ids=["in", "over", "failed"]
)
def test_a_bar_says_whether_it_is_met_and_a_failure_does_not_meet_it(wall: float | None, verdict: str) -> None:
    bar: Bar = Bar("wall", lambda figures: figures.median("wall", "join", "ours"), at_most=2)

    assert verdict in bars_table([one_case(bar)], [record("1", "ours", wall)])
    assert "| not measured" in bars_table([one_case(bar)], [])


def test_the_report_replaces_its_own_part_of_a_page_and_no_other(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")

    written(page, "new")

    assert page.read_text() == f"above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"


def test_the_documentation_has_a_place_for_the_report() -> None:
    text = run.PAGE.read_text()

    assert text.count(BEGIN) == text.count(END) == 1


def test_every_case_is_rendered_from_results_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = cases(0.5)
    every = [*known.values(), ingestion(known)]
    for measured_of in [(case, task, engine) for case in every for task in case.tasks for engine in task.engines]:
        case, task, engine = measured_of
        found = Record("1", 0.5, case.name, task.name, engine, 2.0, 3.0, 4e8, versions={"polars": "2"})
        append(found, tmp_path / "results.jsonl")

    assert run.main(["--render", "--scale", "0.5", "--data", str(tmp_path)]) == 0

    report = (tmp_path / "scale-0.5" / "report.md").read_text()
    assert all(f"### `{name}`" in report for name in known)
    assert "| not measured" not in report
    assert "Not measured." not in report
    assert "shared" in capsys.readouterr().out
    ET.parse(tmp_path / "scale-0.5" / run.IMAGE)


def test_the_plot_is_xml_with_one_line_for_each_name() -> None:
    svg = log_log({"ours": [(1, 0.5), (50, 9)], "raw": [(1, 1), (50, 1)]}, title="t", x="x", y="y")

    assert len(ET.fromstring(svg).findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_a_measurement_has_wall_cpu_peak_and_digest(place: Place) -> None:
    found: dict[str, Any] = measured("raw", Join(SPINE, (TABLE,)), place)

    assert json.loads(json.dumps(found)).keys() == {"wall", "cpu", "peak", "digest"}
    assert found["peak"] > 10e6


@pytest.fixture
def limit() -> Iterator[str]:
    with offered(2**40) as limit:
        yield limit


def test_a_limit_can_be_entered_and_is_left_again(limit: str) -> None:
    groups = Path("/proc/self/cgroup").read_text()

    with entered(limit):
        assert limit.startswith("data:") or Path("/proc/self/cgroup").read_text() != groups

    assert Path("/proc/self/cgroup").read_text() == groups
