"""Runs of a small project in process, against a store and a Dagster instance of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

import feature_platform as fp
from feature_platform.orchestration.code_location import code_location
from feature_platform.settings import Settings
from feature_platform_tests.orchestration.seat import Seat


@dataclass
class Bench:
    """One store and one Dagster instance; `run` materializes a project's assets."""

    root: Path
    instance: dg.DagsterInstance

    @property
    def store(self) -> fp.OfflineStore:
        return fp.OfflineStore(self.root)

    def definitions(self, project: ModuleType) -> dg.Definitions:
        return code_location(project, Settings(root=str(self.root)))

    def run(
        self, project: ModuleType, first: str, last: str | None = None, *, select: str = "*"
    ) -> dg.ExecuteInProcessResult:
        definitions = self.definitions(project)
        job = definitions.resolve_implicit_global_asset_job_def()
        selection = dg.AssetSelection.from_string(select).resolve(definitions.resolve_asset_graph())
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first}
        return job.execute_in_process(
            instance=self.instance, asset_selection=list(selection), tags=tags, raise_on_error=False
        )

    def data_versions(self, asset: str) -> dict[str, str]:
        """The newest data version of each partition that Dagster knows."""
        key = dg.AssetKey(asset.split("/"))
        records = self.instance.fetch_materializations(key, limit=500).records
        newest: dict[str, str] = {}
        for record in records:
            tags = record.asset_materialization.tags if record.asset_materialization else None
            newest.setdefault(str(record.partition_key), (tags or {}).get("dagster/data_version", ""))
        return newest


@contextmanager
def bench_in(folder: Path) -> Iterator[Bench]:
    """A store in a folder, and a Dagster that remembers in memory; with files it is in `test_event_log`."""
    (home := folder / "dagster").mkdir()
    with dg.DagsterInstance.ephemeral(tempdir=str(home)) as instance:
        yield Bench(folder / "store", instance)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def seat(bench: Bench) -> Seat:
    return Seat(bench.instance)
