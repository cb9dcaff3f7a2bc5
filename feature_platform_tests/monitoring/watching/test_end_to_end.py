"""From committed rows to a message: what the monitoring verb judges is told, with the numbers that it saw."""

from types import ModuleType
from typing import Any

import pytest

import feature_platform as fp
from feature_platform.declarations.project import Project, project_of
from feature_platform.monitoring.partitions import monitor_asset
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform_tests.monitoring.watching.words import Watcher
from feature_platform_tests.shop import Order, at, last_order, orders, source

DAYS = 15


def rows(last: int) -> list[Order]:
    """Three hundred orders a day, and a few on the last one."""
    counts = [300] * (DAYS - 1) + [last]
    return [(f"c{n}", at(day, n / 13), float(n % 50)) for day, count in enumerate(counts) for n in range(count)]


@pytest.fixture
def project() -> Project:
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(DAYS))
    module.last_order = last_order(source(orders(*rows(20)), owner="team:shop"))
    return project_of(module)


def test_a_day_with_few_rows_is_one_message_for_the_source_and_what_is_made_from_it(project, store, alerts):
    for asset in project.assets:
        materialize_asset(asset, store, (at(0), at(DAYS)), project.partitions)
    for asset in reversed(project.assets):
        monitor_asset(asset, project, store, project.partitions.keys()[:-1])
    watcher = Watcher(project, store, alerts)
    assert watcher.looks() == []
    assert watcher.open() == []

    for asset in reversed(project.assets):
        monitor_asset(asset, project, store, project.partitions.keys())

    [said] = watcher.looks()
    assert said.startswith("opened volume in sources/orders, and ")
    found = watcher.finding("sources/orders", "volume")
    assert (found.partition, found.owner) == ("2024-01-15", "team:shop")
    assert "20 rows" in found.evidence
    assert "volume of None in views/last_order" in watcher.open()
    assert watcher.looks() == []
