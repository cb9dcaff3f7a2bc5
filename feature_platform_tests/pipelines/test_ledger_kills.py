"""Runs that follow files by their ledger, killed at any moment while the files change: nothing of it shows later."""

import random
import time
from pathlib import Path

import feature_platform as fp
from feature_platform_tests.effort import repetitions
from feature_platform_tests.pipelines.test_faults import started
from feature_platform_tests.pipelines.writer import DAYS, follow
from feature_platform_tests.shop import at, orders

TABLE, LEDGER = "sources/orders", "units/orders"
NAMES = "abcdefgh"
AFTER_THE_LEDGER = "after the ledger, before the commit"


def change_a_file(chance: random.Random, files: Path) -> None:
    """Add, change, touch, rename or remove a file; each at once, as a delivery that is moved into its place."""
    target, there = files / f"{chance.choice(NAMES)}.parquet", sorted(files.glob("*.parquet"))
    match chance.choice(["write", "write", "write", "touch", "rename", "remove"]):
        case "touch":
            chance.choice(there).touch()
        case "rename":
            chance.choice(there).rename(target)
        case "remove" if len(there) > 2:
            chance.choice(there).unlink()
        case _:
            days = chance.sample(range(DAYS), 2)
            rows = [("ann", at(chance.choice(days), chance.randrange(24)), chance.random()) for _ in range(4)]
            orders(*rows).write_parquet(files / "new.tmp")
            (files / "new.tmp").replace(target)


def last_runs(store: fp.OfflineStore) -> dict[str, str]:
    """The runs that wrote the newest commits of the ledger, of the table and of the records."""
    names = [name for name in (LEDGER, TABLE, "runs") if store.exists(name)]
    return {name: str(store.history(name).row(0, named=True)["run_id"]) for name in names}


def step_of_kill(before: dict[str, str], after: dict[str, str]) -> str:
    """Between which steps a run was killed, by what it had written; a run without news writes no ledger."""
    moved = {name for name in after if after[name] != before.get(name)}
    if LEDGER in moved and after[LEDGER] not in (after.get(TABLE), after.get("runs")):
        return AFTER_THE_LEDGER
    if TABLE in moved and after[TABLE] != after.get("runs"):
        return "after the commit"
    return "elsewhere"


def hashes(store: fp.OfflineStore) -> dict[str, str | None]:
    return {key: state.hash for key, state in store.partition_states(TABLE).items()}


def test_runs_that_are_killed_while_files_change_leave_what_one_run_of_everything_makes(tmp_path: Path) -> None:
    chance, files, steps = random.Random(20130103), tmp_path / "files", list[str]()
    store = fp.OfflineStore(tmp_path / "store")
    files.mkdir()
    for _ in NAMES:
        change_a_file(chance, files)
    for _ in repetitions(25, until=lambda: AFTER_THE_LEDGER in steps):
        before = last_runs(store)
        with started("following", str(store.root), 0) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(chance.randint(1, 3)):
                change_a_file(chance, files)
                time.sleep(chance.uniform(0.0, 0.15))  # the moment is what is drawn
            assert process.poll() is None
            process.kill()
        steps.append(step_of_kill(before, last_runs(store)))
        if chance.random() < 0.3:
            change_a_file(chance, files)

    fresh = fp.OfflineStore(tmp_path / "fresh")
    for each in (store, fresh):
        follow(each, files)  # of the store only what is stale by its ledger and its commits
    assert hashes(store) == hashes(fresh)
