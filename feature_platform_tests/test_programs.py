"""What is left out of a run is named and counted; where nothing may be left out, it fails instead."""

import pytest

from feature_platform_tests import programs
from feature_platform_tests.programs import COMPLETE, MISSING, left_out_line, program


@pytest.fixture(autouse=True)
def machine_without_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(programs.ON_THE_PATH, "Nothing", ("no-such-program",))


def test_a_test_whose_program_is_missing_is_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COMPLETE, raising=False)

    with pytest.raises(pytest.skip.Exception, match=f"{MISSING}Nothing"):
        program("Nothing")


def test_where_nothing_may_be_left_out_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMPLETE, "1")

    with pytest.raises(pytest.fail.Exception, match="make services"):
        program("Nothing")


def test_the_last_line_counts_by_program() -> None:
    reasons = [
        f"Skipped: {MISSING}Chromium",
        f"Skipped: {MISSING}Chromium",
        f"Skipped: {MISSING}Java",
        "Skipped: other",
    ]

    line = left_out_line(reasons)

    assert line is not None
    assert line.startswith("Left out: 2 tests that need Chromium, 1 tests that need Java.")
    assert left_out_line(["Skipped: other"]) is None


def test_a_server_comes_with_the_packages() -> None:
    assert "valkey" in program("Redis or Valkey")
