"""A store that an earlier release wrote stays readable, and a new release by itself makes nothing in it stale."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.project import Project
from feature_platform.offline import CommitStamp
from feature_platform.offline.hashing import has_content
from feature_platform.pipelines.plan import stale_assets
from feature_platform_tests.pipelines.former_shop import STORE, materialize_shop, shop


@pytest.fixture
def former(tmp_path: Path) -> fp.OfflineStore:
    """The store of then, unpacked."""
    shutil.unpack_archive(STORE, tmp_path / "former")
    return fp.OfflineStore(tmp_path / "former")


def tables_of(project: Project) -> list[str]:
    return [*(each.asset for each in project.assets), "imputation/v1"]


def contents(project: Project, store: fp.OfflineStore) -> dict[str, dict[str, str | None]]:
    states = {name: store.partition_states(name) for name in tables_of(project)}
    return {name: {key: state.hash for key, state in each.items()} for name, each in states.items()}


def test_the_new_release_finds_nothing_stale_and_computes_the_same(former: fp.OfflineStore, tmp_path: Path) -> None:
    project, anew = shop(), fp.OfflineStore(tmp_path / "anew")
    before = contents(project, former)
    assert stale_assets(project, former) == []
    materialize_shop(project, former)
    materialize_shop(project, anew)
    assert contents(project, former) == before
    assert stale_assets(project, former) == []
    for name in tables_of(project):
        found, expected = (store.read(name).collect() for store in (former, anew))
        assert_frame_equal(found, expected, check_row_order=not name.startswith("views/"))


def test_a_partition_keeps_its_hash_of_then_until_its_rows_change(former: fp.OfflineStore) -> None:
    then = {key: state.hash for key, state in former.partition_states("views/spending").items()}
    materialize_shop(shop(), former)
    states = former.partition_states("views/spending")
    assert {key: state.hash for key, state in states.items()} == then

    rows = former.read("views/spending", partition_column=True).filter(pl.col("fp_partition") == "2024-01-03")
    raised = rows.collect().with_columns(count_1d=pl.col("count_1d") + 1)
    former.replace(
        "views/spending",
        raised,
        partitions=["2024-01-03"],
        partition_of="fp_partition",
        stamp=CommitStamp("run", "views/spending", "1"),
    )
    now = {key: state.hash for key, state in former.partition_states("views/spending").items()}
    assert {key for key in then if then[key] != now[key]} == {"2024-01-03"}


def test_what_upkeep_checks_before_it_merges_files_holds_for_rows_of_then(former: fp.OfflineStore) -> None:
    for name in tables_of(shop()):
        states = former.partition_states(name)
        rows = pl.scan_delta(former.location(name).uri).collect()
        parts = {"": rows} if states.keys() == {""} else _by_partition(rows)
        for key, part in parts.items():
            assert has_content(part, str(states[key].hash)), (name, key)


def _by_partition(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {key: part for (key,), part in rows.partition_by("fp_partition", include_key=False, as_dict=True).items()}
