"""The online benchmarks measure what they say: what clients print is read right, and what must not happen is seen."""

import json
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from benchmarks.online import data, run
from benchmarks.online.answers import columns
from benchmarks.online.base import Bar, Case, never, number, ratio, value
from benchmarks.online.cases import CASES
from benchmarks.online.children import result_of
from benchmarks.online.clients import LoadFailed, native_body, paced, quantile, write_bodies, wrk_load
from benchmarks.online.processes import Missing, command_of, program, running, tree
from benchmarks.online.report import BEGIN, END, bars_table, report
from benchmarks.online.results import CaseFigures, Record, newest
from benchmarks.online.watching import judged
from benchmarks.report import written
from benchmarks.shapes import KEY
from benchmarks.stored_results import append

HEY = """response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset
0.9000,0.1,0,0,0.8,0,200,0.2
{}"""


def hey_lines(*took: float, status: int = 200) -> str:
    return HEY.format("\n".join(f"{each},0,0,0,0,0,{status},{1 + n / 100}" for n, each in enumerate(took)))


def test_what_wrk_says_becomes_rate_and_cpu_of_a_request() -> None:
    said = 'Running 5s test\nRESULT {"requests": 5000, "seconds": 2.5, "failed": 3, "p50": 1.5, "p99": 7.25}\n'

    load = wrk_load(said, cpu=1.0)

    assert load.figures(100) == {
        "rate": 2000, "cpu": 0.2, "p50": 1.5, "p99": 7.25, "failed": 3, "entity_rows": 200_000
    }  # fmt: skip


@pytest.mark.parametrize(
    "said", ["unable to connect", 'RESULT {"requests": 0, "seconds": 5, "failed": 9, "p50": 0, "p99": 0}']
)
def test_a_client_that_got_no_answer_is_a_failure(said: str) -> None:
    with pytest.raises(LoadFailed):
        wrk_load(said, cpu=1.0)


def test_a_paced_run_is_read_from_its_lines_but_for_the_first_second() -> None:
    took = [0.001] * 98 + [0.002, 0.005]

    found = paced(hey_lines(*took), asked=100)

    assert (found.p50, found.p99, found.p999, found.most) == (1.0, 2.0, 5.0, 5.0)
    assert found.rate == pytest.approx(100, rel=0.02)
    assert (found.failed, paced(hey_lines(0.1, 0.2, status=503), asked=10).failed) == (0, 2)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1, 100)])
def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed(share: float, expected: int) -> None:
    assert quantile(range(1, 101), share) == expected


def rows(generation: int, *keys: int) -> list[tuple[int, int]]:
    return [(generation, generation * data.ECHO + key) for key in keys]


@pytest.mark.parametrize(
    ("found", "last", "expected"),
    [
        (rows(5, 7, 8), 4, (5, [])),
        (rows(5, 7, 8), 5, (5, [])),
        (rows(5, 7, 8), 6, (5, ["backwards"])),
        ([*rows(5, 7), *rows(6, 8)], 4, (6, ["mixed"])),
        ([*rows(5, 7), (5, 6 * data.ECHO + 8)], 4, (4, ["torn"])),
        (rows(5, 8, 7), 4, (4, ["torn"])),
        ([*rows(5, 7), (None, None)], 4, (4, ["mixed", "torn"])),
        (rows(5, 7), 4, (4, ["torn"])),
    ],
    ids=["newer", "same", "backwards", "mixed", "half_a_row", "other_row", "lost_row", "short"],
)
def test_an_answer_that_must_not_be_is_seen(found, last: int, expected) -> None:
    assert judged(found, [7, 8], last) == expected


def test_the_marks_of_a_generation_are_what_is_judged() -> None:
    found = data.marks(3, 2)

    assert judged(found.select("generation", "echo").rows(), found[KEY].to_list(), 1) == (2, [])


def test_stored_nulls_and_fractions_of_a_second_do_not_tell_answers_apart_and_all_else_does() -> None:
    def answer(found: object, status: str, at: str) -> dict[str, object]:
        result = {"values": [found], "statuses": [status], "event_timestamps": [at]}
        return {"metadata": {"feature_names": ["f"]}, "results": [result]}

    ours, moment = columns(answer(None, "NULL_VALUE", "2025-01-01T00:00:01.250000Z")), "2025-01-01T00:00:01Z"

    assert ours == {"f": [(None, "PRESENT", datetime(2025, 1, 1, 0, 0, 1, tzinfo=timezone.utc))]}
    assert ours == columns(answer(None, "PRESENT", moment))
    assert ours != columns(answer(0.0, "PRESENT", moment))
    assert ours != columns(answer(None, "NOT_FOUND", moment))
    assert ours != columns(answer(None, "PRESENT", "2025-01-01T00:00:02Z"))


def test_bodies_are_random_over_all_keys_and_the_same_each_time(tmp_path: Path) -> None:
    files = [write_bodies(tmp_path / name, 300, 2, 50, native_body("wide", amount=1.5)) for name in "ab"]
    asked = [json.loads(line) for line in files[0].read_text().splitlines()]

    assert files[0].read_text() == files[1].read_text()
    assert {entity[KEY] for each in asked for entity in each["entities"]} == set(range(50))
    assert asked[0]["service"] == "wide"
    assert asked[0]["entities"][0]["amount"] == 1.5


def test_features_have_one_row_for_each_key_and_nulls_only_in_the_odd_ones(tmp_path: Path) -> None:
    data.make_features(tmp_path, "tens", 200, 10, seed=1, odd=5)
    found = pl.read_parquet(tmp_path / "tens" / "*.parquet")

    assert found[KEY].to_list() == list(range(205))
    assert found.filter(pl.col("f03").is_null())[KEY].to_list() == list(range(200, 205))
    data.make_features(tmp_path / "again", "tens", 200, 10, seed=1, odd=5)
    assert_frame_equal(found, pl.read_parquet(tmp_path / "again" / "tens" / "*.parquet"))


def record(work: str, session: str = "1", failed: str | None = None, **figures: float) -> Record:
    return Record(session, 1.0, "c", work, figures, failed=failed)


def case(*bars: Bar) -> Case:
    return Case("c", "a case", {"rate": "requests/s"}, bars, lambda bench: None, facts={"cells": "cells"})


def test_bars_are_held_against_medians_and_what_must_never_be_against_every_run() -> None:
    found = CaseFigures(
        [record("ours", rate=each, bad=each == 90) for each in (30, 90, 31)] + [record("Feast", rate=2)]
    )

    times = ratio("times", ("ours", "rate"), ("Feast", "rate"), at_least=15)
    assert (times.figure(found), times.met(found)) == (15.5, True)
    assert value("rate", ("ours", "rate"), at_least=32).met(found) is False
    assert never("bad", ("ours", "bad")).met(found) is False
    assert never("else", ("ours", "else")).met(found) is None


def test_a_case_that_is_run_again_replaces_all_of_its_figures(tmp_path: Path) -> None:
    for each in (record("a", rate=1), record("b", rate=1), record("a", session="2", rate=3)):
        append(each, tmp_path / "results.jsonl")

    assert newest(tmp_path / "results.jsonl", 1.0) == [record("a", session="2", rate=3)]
    assert newest(tmp_path / "results.jsonl", 0.5) == []


def test_the_report_has_tables_facts_bars_and_failures() -> None:
    bar = value("rate", ("ours", "rate"), at_least=2)
    found = [record("ours", rate=3), record("compared", cells=1_200), record("", failed="it broke")]

    text = report({"c": case(bar)}, found, 1.0)

    assert "| ours | 3          | 1    |" in text
    assert "compared: 1,200 cells." in text
    assert "| rate | 3      | ≥ 2   | met |" in text
    assert "**Failed**: it broke" in text
    assert "**not met**" in bars_table([case(bar)], [record("", failed="it broke")])


@pytest.mark.parametrize(
    ("found", "shown"),
    [(None, ""), (0, "0"), (0.0481, "0.0481"), (3.14159, "3.14"), (25.04, "25.0"), (123456.7, "123,457")],
)
def test_figures_have_about_three_digits(found: float | None, shown: str) -> None:
    assert number(found) == shown


def test_the_documentation_has_a_place_for_the_report_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    shutil.copy(run.PAGE, page)
    before, _, rest = page.read_text().partition(BEGIN)

    written(page, "new", (BEGIN, END))

    assert page.read_text() == f"{before}{BEGIN}\n\nnew\n\n{END}{rest.partition(END)[2]}"


def test_every_case_is_rendered_from_results_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--render", "--scale", "0.5", "--data", str(tmp_path)]) == 0

    text = (tmp_path / "online" / "scale-0.5" / "report.md").read_text()
    assert all(f"### `{name}`" in text for name in CASES)
    assert "not measured" in capsys.readouterr().out


def test_a_process_and_all_below_it_are_gone_afterwards(tmp_path: Path) -> None:
    with running(["sh", "-c", "sleep 60 & exec sleep 60"], tmp_path / "log") as pid:
        end, found = time.monotonic() + 60, [pid]
        while [command_of(each).strip() for each in found] != ["sleep 60", "sleep 60"]:  # the shell at first
            assert time.monotonic() < end
            found = tree(pid)

    assert [command_of(each) for each in found] == ["", ""]


def test_a_child_that_failed_or_says_nothing_is_an_error() -> None:
    assert result_of('ready\nRESULT {"wall": 2.0}\n', 0) == {"wall": 2.0}
    for said, exit_code in (('RESULT {"wall": 2.0}', 1), ("ready", 0)):
        with pytest.raises(RuntimeError, match=f"exit code {exit_code}"):
            result_of(said, exit_code)


def test_a_program_that_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(Missing, match=r"`wrk` is not on the PATH. Install it: apt-get install wrk."):
        program("wrk")
