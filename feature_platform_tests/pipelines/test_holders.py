"""Alerts and keys under a root that several machines share: one of them holds each, and says so."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import feature_platform as fp
from feature_platform.ground.errors import HeldElsewhere
from feature_platform.offline.names import Location
from feature_platform.pipelines import holders
from feature_platform.pipelines.holders import hold, holder_of, refuse_other_machines, take_over
from feature_platform_tests.cli.test_cli import refused, said


@pytest.fixture
def shared(store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch) -> fp.OfflineStore:
    """A store that is no folder of this machine, as far as it knows."""
    monkeypatch.setattr(Location, "folder", None)
    return store


def test_the_first_machine_that_writes_holds_it_and_a_second_one_is_refused(
    shared: fp.OfflineStore, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    refuse_other_machines(shared, "alerts", other)  # nobody holds them yet, and to look makes nobody the holder
    assert holder_of(shared, "alerts") is None

    hold(shared, "alerts", one)
    hold(shared, "alerts", one)

    with pytest.raises(
        HeldElsewhere, match=r"The alerts of .* are held by machine .*feature-platform take-over alerts"
    ):
        hold(shared, "alerts", other)
    with pytest.raises(HeldElsewhere):
        refuse_other_machines(shared, "alerts", other)
    hold(shared, "keys", other)  # each is held by itself
    assert shared.read(holders.HOLDERS).collect().height == 2


def test_a_machine_that_takes_over_leaves_the_other_one_without(shared: fp.OfflineStore, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    hold(shared, "alerts", one)

    before = take_over(shared, "alerts", other)

    assert before is not None
    assert before.number == 0
    hold(shared, "alerts", other)
    with pytest.raises(HeldElsewhere):
        hold(shared, "alerts", one)
    assert take_over(shared, "alerts", other) == holder_of(shared, "alerts")  # a second time changes nothing


def test_of_two_machines_that_come_at_the_same_moment_one_holds_it(
    shared: fp.OfflineStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appended = holders._append

    def overtaken(store: fp.OfflineStore, what: str, folder: Path, number: int) -> None:
        appended(store, "alerts", tmp_path / "quicker", number)
        appended(store, "alerts", folder, number)

    monkeypatch.setattr(holders, "_append", overtaken)
    with pytest.raises(HeldElsewhere):
        hold(shared, "alerts", tmp_path / "slower")
    refuse_other_machines(shared, "alerts", tmp_path / "quicker")


def test_a_machine_has_one_name_however_many_processes_ask_for_it_first(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(lambda _: holders._this_machine(tmp_path / "alerts"), range(64)))

    assert len(names) == 1
    assert "" not in names
    assert [each.name for each in (tmp_path / "alerts").iterdir()] == ["machine"]


def test_a_root_that_is_a_folder_needs_no_holder(store: fp.OfflineStore, tmp_path: Path) -> None:
    for machine in ("one", "other"):
        hold(store, "alerts", tmp_path / machine)
    assert take_over(store, "alerts", tmp_path / "one") is None
    assert not store.exists(holders.HOLDERS)


def test_the_commands_say_who_holds_what_and_refuse_what_another_machine_holds(
    shared: fp.OfflineStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(shared.root))
    project = ("--project", "feature_platform.examples.flights.project")
    checked = said("check", *project).stdout
    assert "The alerts are not in" in checked
    assert "in files of the first machine that writes them" in checked

    hold(shared, "alerts", tmp_path / "elsewhere")
    hold(shared, "keys", tmp_path / "elsewhere")

    assert "The alerts of" in refused("alerts", "list")
    assert "The keys of" in refused("keys", "create", "me", "--scope", "push")
    assert "This machine keeps the keys of" in said("take-over", "keys").stdout
    assert said("keys", "list").exit_code == 0


def test_a_folder_has_nothing_to_take_over(store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(store.root))
    assert said("take-over", "alerts").stdout.startswith("Nothing to take over")
