"""What every executor of the catalogue keeps; a new one is covered when it is listed here with how it is made."""

import functools
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform.parts.executors as catalogue
from feature_platform.ground.errors import FeaturePlatformError, InvalidDeclaration, MissingColumns, NotUtc, WorkerLost
from feature_platform.parts.executors import Executor, Local
from feature_platform_tests.parts.executors import kernels
from feature_platform_tests.parts.executors.kernels import Note

MADE = {"Local": [Local(), Local(processes=2)]}
EXECUTORS = [executor for each in MADE.values() for executor in each]
every_executor = pytest.mark.parametrize("executor", EXECUTORS, ids=repr)
elsewhere = pytest.mark.parametrize("executor", [each for each in EXECUTORS if each != Local()], ids=repr)


def notes(folder: Path, *texts: str, seconds: float = 0.0) -> list[Note]:
    return [Note(folder / f"{number}.txt", text, seconds) for number, text in enumerate(texts)]


def test_every_executor_of_the_catalogue_is_under_contract() -> None:
    assert set(MADE) == set(catalogue.__all__) - {"Executor"}


@every_executor
def test_it_is_a_frozen_value(executor: Executor) -> None:
    assert pickle.loads(pickle.dumps(executor)) == executor
    assert hash(executor) == hash(executor)


@every_executor
def test_each_task_is_run_once_and_results_come_in_their_order(executor: Executor, tmp_path: Path) -> None:
    tasks = [Note(tmp_path / f"{n}.txt", str(n), seconds=0.1 * (n == 0)) for n in range(9)]

    assert list(executor.run(kernels.write, tasks)) == [str(n) for n in range(9)]

    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{n}.txt" for n in range(9)]


@every_executor
def test_no_tasks_have_no_results(executor: Executor) -> None:
    assert list(executor.run(kernels.write, [])) == []


@every_executor
def test_progress_is_told_after_each_task(executor: Executor, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    list(executor.run(kernels.write, notes(tmp_path, "a", "b", "c"), progress=lambda *so_far: told.append(so_far)))

    assert told == [(1, 3), (2, 3), (3, 3)]


@every_executor
def test_the_first_error_is_raised_as_it_is_and_ends_the_run(executor: Executor, tmp_path: Path) -> None:
    tasks = notes(tmp_path, "bad", *["good"] * 20, seconds=1.0)

    with pytest.raises(MissingColumns, match="The note bad lacks"):
        list(executor.run(kernels.write_and_fail, tasks))

    assert list(tmp_path.glob("*.txt")) == []


@every_executor
def test_an_error_of_polars_is_raised_as_it_is(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        list(executor.run(kernels.ask_polars, notes(tmp_path, "b")))


@every_executor
def test_whoever_stops_asking_stops_the_run(executor: Executor, tmp_path: Path) -> None:
    results: Any = executor.run(kernels.write, notes(tmp_path, "a", *["b"] * 20))
    assert next(results) == "a"

    results.close()

    finished = len(list(tmp_path.glob("*.txt")))
    time.sleep(0.3)
    assert finished < 21
    assert len(list(tmp_path.glob("*.txt"))) == finished


@elsewhere
def test_a_worker_that_dies_is_an_error_and_no_endless_wait(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(WorkerLost, match=r"`die`.*memory"):
        list(executor.run(kernels.die, notes(tmp_path, "a", "b")))


@elsewhere
def test_it_works_in_other_processes(executor: Executor, tmp_path: Path) -> None:
    assert os.getpid() not in executor.run(kernels.process, notes(tmp_path, "a"))


@pytest.mark.parametrize("executor", ["Local()", "Local(processes=2)"])
def test_an_interrupt_stops_all_at_once(executor: str, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from feature_platform.parts.executors import Local
from feature_platform_tests.parts.executors.kernels import Note, write
if __name__ == "__main__":
    folder = Path({str(tmp_path)!r})
    tasks = [Note(folder / f"{{n}}.txt", "a", seconds=0.0 if n == 0 else 60.0) for n in range(5)]
    for _ in {executor}.run(write, tasks):
        print("begun", flush=True)
"""
    script = tmp_path / "run.py"
    script.write_text(code)
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"begun\n"
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=300)
    assert run.returncode != 0
    assert b"KeyboardInterrupt" in said
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.txt", "run.py"]


@every_executor
def test_what_other_processes_cannot_find_is_refused_everywhere(executor: Executor, tmp_path: Path) -> None:
    @dataclass
    class Changing:
        text: str

    def inner(note: Note) -> str:
        return note.text

    for kernel in (inner, lambda note: note.text, functools.partial(kernels.write)):
        with pytest.raises(InvalidDeclaration, match="The kernel"):
            executor.run(kernel, notes(tmp_path, "a"))
    tasks: list[Any] = ["a", Changing("a"), Note, {"file": 1}]
    for task in tasks:
        with pytest.raises(InvalidDeclaration, match="The task"):
            executor.run(kernels.write, [task])


@pytest.mark.parametrize("processes", [0, -1, 1.5, True, "2"])
def test_processes_are_a_whole_number(processes: Any) -> None:
    with pytest.raises(InvalidDeclaration, match="processes="):
        Local(processes=processes)


@pytest.mark.parametrize(
    "error", [MissingColumns("It", ["a"], ["b"]), NotUtc("It", "t", "String", "Say the zone."), WorkerLost("f")]
)
def test_errors_of_the_platform_travel_between_processes(error: FeaturePlatformError) -> None:
    error.add_note("at the second try")
    told = pickle.loads(pickle.dumps(error))
    assert (type(told), str(told), told.__notes__) == (type(error), str(error), ["at the second try"])
