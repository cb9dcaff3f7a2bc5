"""A code location for the test with a real daemon: a shop whose partitions are judged by assets that keep a log.

What is written and what is judged is in files of the folder WATCHED_SHOP, so that several processes see it.
"""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from feature_platform.declarations.project import Asset, Project, is_partitioned, project_of
from feature_platform.offline import OfflineStore
from feature_platform.orchestration.partitions import dagster_partitions
from feature_platform.orchestration.sensors import monitoring_sensor
from feature_platform_tests.orchestration.shop import orders, shop

DAYS = 60
HERE = Path(os.environ.get("WATCHED_SHOP", "."))
WRITTEN, JUDGED, HOLD, HELD = (HERE / name for name in ("written.json", "judged.jsonl", "hold", "held"))
PROJECT = project_of(shop(orders(1), days=DAYS))


def judged() -> list[tuple[str, str, str]]:
    """Asset, partition and content of everything that was judged, as often as it was."""
    lines = JUDGED.read_text().splitlines() if JUDGED.exists() else []
    return [(asset, key, content) for asset, key, content in map(json.loads, lines)]


def _judge_next(asset: Asset, project: Project, store: OfflineStore) -> Mapping[str, str]:
    written = json.loads(WRITTEN.read_text()).get(asset.asset, {})
    newest = {key: content for name, key, content in judged() if name == asset.asset}
    return {key: content for key, content in written.items() if newest.get(key) != content}


def _judging(asset: Asset) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey(["monitoring", *asset.asset.split("/")]),
        partitions_def=dagster_partitions(PROJECT.partitions) if is_partitioned(asset) else None,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def judge(context: dg.AssetExecutionContext) -> None:
        written = json.loads(WRITTEN.read_text())[asset.asset]
        if HOLD.exists():  # until somebody kills this process
            HELD.touch()
            signal.pause()
        with JUDGED.open("a") as log:  # all at once, as a table is committed
            log.write("".join(json.dumps((asset.asset, key, written[key])) + "\n" for key in context.partition_keys))

    return judge


defs = dg.Definitions(
    assets=[_judging(each) for each in PROJECT.assets],
    sensors=[monitoring_sensor(PROJECT, judge_next=_judge_next, first_wait="1s", seconds=1)],
    resources={
        "offline_store": OfflineStore(str(HERE / "store")),
        "online_store": dg.ResourceDefinition.none_resource(),
    },
    executor=dg.in_process_executor,
)
