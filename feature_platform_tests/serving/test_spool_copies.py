"""Copies of a spool: what was taken is logged once, whichever copy of the file took it, and what cannot be is told.

A restored backup, a cloned machine, two servers with one spool: each is a folder that is copied. `restart` is what a
new process would do, which has nothing open.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import lmdb
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.compute.transforms.pushed import ORIGIN
from feature_platform.ground.errors import (
    FeaturePlatformWarning,
    PushesRenamed,
    PushSetAside,
    SpoolFailed,
    SpoolIsACopy,
)
from feature_platform.online.spool import Spool
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform_tests.effort import is_thorough, tries
from feature_platform_tests.online.pusher import NOW

EXAMPLES = tries(3, fewest=1)  # each is a whole story, of half a second


class Killed(BaseException):
    """A process that ends at once."""


class Dying(Spool):
    """A spool whose process ends where it would forget what the log has."""

    def remove(self, sequences: Iterable[int]) -> int:
        raise Killed


@dataclass
class Machine:
    """A server's disk: its spool, and the tags of the pushes that are only there."""

    folder: Path
    told: list[FeaturePlatformWarning] = field(default_factory=list)
    waiting: set[int] = field(default_factory=set)
    process: Spool | None = None

    def spool(self, kind: Callable[..., Spool] = Spool) -> Spool:
        if self.process is None or kind is not Spool:
            self.process = kind(self.folder, map_size=2**22, on_warning=self.told.append)
        return self.process

    def push(self, tag: int) -> None:
        spool = self.spool()
        spool.mark_applied([spool.append("s0", pl.DataFrame({"tag": [tag]}), NOW).sequence])
        self.waiting.add(tag)

    def flush(self, store: fp.OfflineStore) -> None:
        flush(self.spool(), store)
        self.waiting.clear()

    def restart(self) -> None:
        self.spool().close()
        self.process = None

    def copied(self, folder: Path) -> "Machine":
        shutil.copytree(self.folder, folder)
        return Machine(folder, waiting=set(self.waiting))

    def kinds(self) -> set[type[FeaturePlatformWarning]]:
        return {type(each) for each in self.told}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "spool")


def tags(store: fp.OfflineStore) -> list[int]:
    return sorted(store.read("pushes/s0").select("tag").collect()["tag"])


def incarnation_of(one: Machine, other: Machine) -> None:
    """Give a spool that is open the incarnation of another: a machine that is cloned while it runs."""
    name = one.spool().id
    with other.spool()._transaction(write=True) as (opened, transaction):
        transaction.put(b"incarnation", name.encode(), db=opened.facts)


def test_what_is_pushed_to_a_restored_spool_is_logged_though_its_numbers_were_given_before(
    machine: Machine, tmp_path: Path, store: fp.OfflineStore
) -> None:
    machine.push(0)
    backup = machine.copied(tmp_path / "backup")
    for tag in (1, 2, 3):
        machine.push(tag)
    machine.flush(store)
    machine.restart()
    shutil.rmtree(machine.folder)
    shutil.copytree(backup.folder, machine.folder)
    for tag in (4, 5, 6, 7, 8):
        machine.push(tag)
        machine.flush(store)
    assert tags(store) == list(range(9))
    assert [type(each) for each in machine.told] == [SpoolIsACopy]
    assert "its newest push has the number 0, but `pushes/s0` already has its push 3" in str(machine.told[0])
    assert [each.message for each in machine.spool().notices()] == [str(machine.told[0])]
    assert list(machine.spool().pending()) == []


def test_two_servers_with_one_spool_log_each_push_once(
    machine: Machine, tmp_path: Path, store: fp.OfflineStore
) -> None:
    machine.push(0)
    machine.restart()
    other = machine.copied(tmp_path / "other")
    for tag in range(1, 9):
        (machine, other)[tag % 2].push(tag)
        (machine, other)[tag % 3 == 0].flush(store)
    for each in (machine, other):
        each.flush(store)
        assert list(each.spool().pending()) == []
    assert tags(store) == list(range(9))


def test_machines_that_were_cloned_while_they_ran_log_each_push_once_and_tell(
    machine: Machine, tmp_path: Path, store: fp.OfflineStore
) -> None:
    machine.push(0)
    other = machine.copied(tmp_path / "other")
    incarnation_of(machine, other)
    for tag in (1, 2, 3):
        machine.push(tag)
        other.push(10 + tag)
    machine.flush(store)
    other.flush(store)
    assert tags(store) == [0, 1, 2, 3, 11, 12, 13]
    assert machine.told == []
    assert PushesRenamed in other.kinds()
    assert any("3 of the pushes in the spool" in str(each) for each in other.told)
    for tag in (4, 5):
        machine.push(tag)
        other.push(10 + tag)
        other.flush(store)
        machine.flush(store)
    assert tags(store) == [0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15]


def test_a_push_that_two_copies_rename_is_logged_once(machine: Machine, tmp_path: Path, store: fp.OfflineStore) -> None:
    machine.push(0)
    other = machine.copied(tmp_path / "other")
    incarnation_of(machine, other)
    machine.push(1)
    other.push(2)
    third = other.copied(tmp_path / "third")
    for each in (machine, other, third):
        each.flush(store)
        each.restart()
    assert tags(store) == [0, 1, 2]
    assert PushesRenamed in other.kinds() & third.kinds()


def test_a_spool_that_was_written_before_there_were_incarnations_is_logged_once(
    tmp_path: Path, store: fp.OfflineStore
) -> None:
    machine = Machine(tmp_path / "spool")
    for tag in range(3):
        machine.push(tag)
    machine.restart()
    with lmdb.open(str(machine.folder), max_dbs=4, map_size=2**22) as env:
        heads, facts = env.open_db(b"heads"), env.open_db(b"facts")
        with env.begin(write=True) as writing:
            for key, head in list(writing.cursor(heads).iternext()):
                arrived, source = head.split(b" ")
                writing.put(key, arrived.split(b":")[0] + b" " + source, db=heads)
            clock = writing.get(b"clock", db=facts).split(b" ")[0]
            writing.put(b"clock", clock, db=facts)
            for name in (b"incarnation", b"before"):
                writing.delete(name, db=facts)
            first = writing.get(b"id", db=facts).decode()
    with pytest.raises(Killed):
        flush(machine.spool(Dying), store)
    machine.restart()
    machine.push(3)
    machine.flush(store)
    assert tags(store) == [0, 1, 2, 3]
    assert store.read("pushes/s0").sort("tag").collect()["fp_spool"].to_list()[:3] == [first] * 3
    assert machine.told == []


VALUES = {
    "text": pl.Series(["\u00e4\n", "", None]),
    "float": pl.Series([float("nan"), -0.0, None]),
    "small": pl.Series([float("nan"), 0.1, None], dtype=pl.Float32),
    "whole": pl.Series([-(2**63), 2**63 - 1, None], dtype=pl.Int64),
    "unsigned": pl.Series([0, 2**32 - 1, None], dtype=pl.UInt32),
    "flag": pl.Series([True, False, None]),
    "at": pl.Series([NOW, NOW, None], dtype=pl.Datetime("us", "UTC")),
    "milli": pl.Series([NOW, NOW, None], dtype=pl.Datetime("ms", "UTC")),
    "clock": pl.Series([NOW.replace(tzinfo=None)] * 2 + [None], dtype=pl.Datetime("us")),
    "day": pl.Series([NOW.date(), NOW.date(), None]),
    "raw": pl.Series([b"\x00", b"", None]),
    "decimal": pl.Series([Decimal("1.50"), Decimal("-99999999999999.99"), None], dtype=pl.Decimal(20, 2)),
    "kind": pl.Series(["a", "b", None], dtype=pl.Categorical()),
    "list": pl.Series([[1, None], [], None], dtype=pl.List(pl.Int16)),
    "array": pl.Series([[1.5, None], [0.0, float("nan")], None], dtype=pl.Array(pl.Float64, 2)),
    "struct": pl.Series(
        [{"x": 1.5, "y": None}, {"x": None, "y": None}, None], dtype=pl.Struct({"x": pl.Float64, "y": pl.String})
    ),
    "nested": pl.Series([[{"x": [1]}], [{"x": None}, None], None], dtype=pl.List(pl.Struct({"x": pl.List(pl.Int64)}))),
}


@pytest.mark.parametrize("name", VALUES)
def test_rows_of_every_type_are_known_again_in_the_log(machine: Machine, store: fp.OfflineStore, name: str) -> None:
    rows = pl.DataFrame({name: VALUES[name]})
    spool = machine.spool(Dying)
    spool.mark_applied([spool.append("s0", each, NOW).sequence for each in (rows, rows[1:], rows[:1])])
    with pytest.raises(Killed):
        flush(spool, store)
    machine.restart()
    assert flush(machine.spool(), store) == 0
    assert store.read("pushes/s0").collect().height == 6
    assert (machine.told, list(machine.spool().pending())) == ([], [])


# ---------------------------------------------------------------- what no log can take


def test_a_damaged_push_is_set_aside_and_the_others_go_on(machine: Machine, store: fp.OfflineStore) -> None:
    for tag in range(4):
        machine.push(tag)
    with machine.spool()._transaction(write=True) as (opened, transaction):
        for number, table in ((1, opened.rows), (2, opened.heads)):
            key = number.to_bytes(8, "big")
            held = bytearray(transaction.get(key, db=table) or b"")
            held[-20] ^= 255
            transaction.put(key, bytes(held), db=table)
    machine.flush(store)
    assert tags(store) == [0, 3]
    assert machine.kinds() == {PushSetAside}
    assert [(each.sequence, each.source) for each in machine.spool().aside()] in (
        [(1, "s0"), (2, "")],
        [(2, ""), (1, "s0")],
    )
    assert all(each.rows_file(machine.folder).stat().st_size for each in machine.spool().aside())
    assert list(machine.spool().pending()) == []


@pytest.mark.parametrize("name", [*ORIGIN, "FP_PUSH"])
def test_a_reserved_column_in_one_source_holds_up_no_other(machine: Machine, store: fp.OfflineStore, name: str) -> None:
    spool = machine.spool()
    spool.append("broken", pl.DataFrame({name: [1]}), NOW)
    machine.push(1)
    flush(spool, store)
    assert tags(store) == [1]
    [aside] = spool.aside()
    assert (aside.source, name in aside.reason) == ("broken", True)
    assert "set aside" in str(machine.told[0])


def test_a_push_that_its_log_can_never_take_is_set_aside_and_can_be_taken_again(
    machine: Machine, store: fp.OfflineStore
) -> None:
    machine.push(0)
    spool = machine.spool()
    spool.append("s0", pl.DataFrame({"tag": ["text"]}), NOW)
    machine.push(2)
    spool.append("s0", pl.DataFrame({"tag": [3], "Tag": [1]}), NOW)
    flush(spool, store)
    assert tags(store) == [0, 2]
    text, twins = spool.aside()
    assert "column `tag` is String, the table has Int64" in text.reason
    assert "tag, Tag" in twins.reason
    rows = pl.read_ipc_stream(text.rows_file(machine.folder))
    assert rows["tag"].to_list() == ["text"]
    rows.select(tag=pl.lit(1, pl.Int64)).write_ipc_stream(text.rows_file(machine.folder))
    spool.take_again(text)
    flush(spool, store)
    assert tags(store) == [0, 1, 2]
    assert spool.aside() == [twins]


def test_a_push_that_cannot_be_moved_stays_and_the_others_go_on(machine: Machine, store: fp.OfflineStore) -> None:
    machine.push(0)
    spool = machine.spool()
    spool.append("s0", pl.DataFrame({"fp_push": [1]}), NOW)
    machine.push(2)
    (machine.folder / "aside").write_text("no folder")
    with pytest.raises(SpoolFailed):
        flush(spool, store)
    assert [each.sequence for each in spool.pending()][-2:] == [1, 2]
    (machine.folder / "aside").unlink()
    flush(spool, store)
    assert tags(store) == [0, 2]


# ---------------------------------------------------------------- stories


@dataclass
class World:
    """Machines and backups of them, one offline store, and what was promised."""

    root: Path
    machines: list[Machine] = field(default_factory=list)
    backups: list[Machine] = field(default_factory=list)
    pushed: int = 0
    only_in_what_was_overwritten: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store = fp.OfflineStore(self.root / "store")
        self.machines.append(Machine(self.root / "m0"))

    def happen(self, step: str, number: int) -> None:
        machine = self.machines[number % len(self.machines)]
        match step:
            case "push":
                machine.push(self.pushed)
                self.pushed += 1
            case "flush":
                machine.flush(self.store)
            case "killed":
                try:
                    flush(machine.spool(Dying), self.store)
                except Killed:
                    machine.waiting.clear()
                machine.restart()
            case "restart":
                machine.restart()
            case "backup" if machine.folder.exists():
                self.backups.append(machine.copied(self.root / f"b{len(self.backups)}"))
            case "restore" if self.backups:
                self.restore(machine, self.backups[number % len(self.backups)])
            case "clone" | "cloned-alive" if machine.folder.exists():
                clone = machine.copied(self.root / f"m{len(self.machines)}")
                if step == "cloned-alive":
                    incarnation_of(machine, clone)
                self.machines.append(clone)

    def restore(self, machine: Machine, backup: Machine) -> None:
        machine.restart()
        shutil.rmtree(machine.folder, ignore_errors=True)
        shutil.copytree(backup.folder, machine.folder)
        self.only_in_what_was_overwritten |= machine.waiting
        machine.waiting = set(backup.waiting)

    def check(self) -> None:
        for each in self.machines:
            each.flush(self.store)
            assert list(each.spool().pending()) == []
            assert each.spool().aside() == []
            each.restart()
        found = Counter(tags(self.store) if self.pushed else [])
        assert set(found.values()) <= {1}, found
        assert set(range(self.pushed)) - found.keys() <= self.only_in_what_was_overwritten


STEPS = ["push"] * 5 + ["flush"] * 3 + ["killed", "restart", "backup", "restore", "clone", "cloned-alive"]


@settings(derandomize=not is_thorough(), deadline=None, max_examples=EXAMPLES, database=None, phases=[Phase.generate])
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9)), min_size=10, max_size=30))
def test_whatever_is_copied_restored_and_killed_each_push_is_logged_once(steps: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        for step, number in steps:
            world.happen(step, number)
        world.check()
