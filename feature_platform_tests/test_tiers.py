"""Each test is in the tiers of what it needs, and in `pure` when it needs nothing."""

import subprocess

import pytest

from feature_platform_tests.effort import repetitions, tries


def test_a_test_of_a_module_that_starts_processes_is_in_their_tier(request: pytest.FixtureRequest) -> None:
    assert subprocess is not None
    assert request.node.get_closest_marker("process")
    assert not request.node.get_closest_marker("pure")


def test_what_repeats_something_is_run_again_with_all_its_repetitions(request: pytest.FixtureRequest) -> None:
    assert list(repetitions(12)) == list(range(1, tries(12) + 1))
    assert request.node.get_closest_marker("repeated")


def test_what_repeats_nothing_is_not(request: pytest.FixtureRequest) -> None:
    assert not request.node.get_closest_marker("repeated")


@pytest.mark.slow
def test_a_test_that_says_so_is_slow_and_not_pure(request: pytest.FixtureRequest) -> None:
    assert not request.node.get_closest_marker("pure")
