"""The compiled definitions of both reference projects, as text: a change of what Dagster gets shows as a diff."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from feature_platform.definitions import defs as flights
from feature_platform.examples.retail.definitions import defs as retail


def described(definitions: dg.Definitions) -> Iterator[str]:
    """One paragraph for each asset, then schedules and sensors."""
    graph = definitions.resolve_asset_graph()
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        yield f"asset {key.to_user_string()}"
        yield f"  group {node.group_name}, kinds {sorted(node.kinds)}, owners {sorted(node.owners or [])}"
        yield f"  {(node.description or '').splitlines()[0]}"
        if node.partitions_def:
            partitions = node.partitions_def
            yield f"  partitions {partitions.get_first_partition_key()}...{partitions.get_last_partition_key()}"
        fresh: Any = node.freshness_policy
        if fresh:
            yield f"  fresh within {fresh.fail_window.to_timedelta()}"
        for name, value in sorted(node.tags.items()):
            if name.startswith("feature_platform/"):
                yield f"  tag {name}={value}"
        for parent in sorted(node.parent_keys):
            mapping = node.partition_mappings.get(parent)
            offset = f" from {mapping.start_offset}" if isinstance(mapping, dg.TimeWindowPartitionMapping) else ""
            every = ", all partitions" if isinstance(mapping, dg.AllPartitionMapping) else ""
            yield f"  reads {parent.to_user_string()}{offset}{every}"
        if node.automation_condition:
            yield f"  runs {node.automation_condition.get_label()}"
        if node.is_materializable:
            yield f"  backfill {node.backfill_policy.policy_type.value if node.backfill_policy else None}"
        for check in sorted(node.check_keys):
            blocking = graph.get(check).blocking
            yield f"  check {check.name}{' (blocking)' if blocking else ''}"
    repository = definitions.get_repository_def()
    for schedule in sorted(repository.schedule_defs, key=lambda each: each.name):
        yield f"schedule {schedule.name}: {schedule.cron_schedule} runs {schedule.job_name}"
    for sensor in sorted(repository.sensor_defs, key=lambda each: each.name):
        yield f"sensor {sensor.name}: every {sensor.minimum_interval_seconds} s, {sensor.default_status.value.lower()}"


@pytest.mark.parametrize(("name", "definitions"), [("flights", flights), ("retail", retail)])
def test_the_compiled_definitions_of_a_reference_project_are_its_golden_text(
    name: str, definitions: dg.Definitions
) -> None:
    golden = Path(__file__).parent / f"{name}.golden.txt"
    found = "\n".join(described(definitions)) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()
