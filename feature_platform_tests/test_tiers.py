"""Each test is in the tiers of what it needs, and in `pure` when it needs nothing."""

import subprocess

import pytest


def test_a_test_of_a_module_that_starts_processes_is_in_their_tier(request: pytest.FixtureRequest) -> None:
    assert subprocess is not None
    assert request.node.get_closest_marker("process")
    assert not request.node.get_closest_marker("pure")


@pytest.mark.slow
def test_a_test_that_says_so_is_slow_and_not_pure(request: pytest.FixtureRequest) -> None:
    assert not request.node.get_closest_marker("pure")
