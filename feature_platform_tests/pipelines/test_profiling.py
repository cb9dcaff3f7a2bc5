"""Every committed partition has its profile: counted on its way, kept under its content, or made up for later."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.compute.profiles.counting import profile_of
from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.ground.errors import ExpectationsFailed, NotADeltaTable, TableNotFound
from feature_platform.offline import CommitStamp
from feature_platform.offline.profiles import read_profiles
from feature_platform.pipelines import profiling
from feature_platform.pipelines.candidates.profiled import profile_missing
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import at, customer, daily, last_order, orders, source, spending, spine

ROOT = Path(fp.__file__).parents[1]
NOT_NEGATIVE = fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0)


def contents(store: fp.OfflineStore, asset: str) -> dict[str, str]:
    states = store.partition_states(asset)
    return {key: state.hash for key, state in states.items() if state.hash is not None}


def kept(store: fp.OfflineStore, asset: str = "sources/orders") -> dict[str, PartitionProfile]:
    """The profiles of what is committed now."""
    return read_profiles(store, asset, contents(store, asset))


def missing(store: fp.OfflineStore, asset: str = "sources/orders") -> set[str]:
    return contents(store, asset).keys() - kept(store, asset).keys()


def rows_of(store: fp.OfflineStore, asset: str, key: str) -> pl.DataFrame:
    return store.read(asset, partitions=[key] if key else None).collect()


def assert_true(store: fp.OfflineStore, asset: str = "sources/orders") -> Mapping[str, PartitionProfile]:
    """Every committed partition has the profile of its rows, those of a key."""
    found = kept(store, asset)
    assert found.keys() == contents(store, asset).keys()
    for key, profile in found.items():
        rows = rows_of(store, asset, key)
        if asset == "views/spending":
            rows = rows.filter(pl.col("customer").is_not_null())
        assert (profile.rows, list(profile.columns)) == (rows.height, rows.columns)
        assert profile.dtypes == {name: str(dtype) for name, dtype in rows.schema.items()}
        again = profile_of(rows, {name: each.layout for name, each in profile.columns.items()})
        for name, each in again.items():
            assert profile.columns[name].counts.tolist() == each.counts.tolist()
            assert (profile.columns[name].nulls, profile.columns[name].rows) == (each.nulls, each.rows)
    return found


def commits(store: fp.OfflineStore, asset: str = "sources/orders") -> int:
    name = f"profiles/{asset}"
    return store.latest_version(name) + 1 if store.exists(name) else 0


# ---------------------------------------------------------------- on its way

ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", None]),
        st.integers(0, 95).map(lambda hour: at(0, hour)),
        st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    ),
    max_size=12,
)


@given(rows=ORDERS, partitioned=st.booleans())
@settings(derandomize=True, deadline=None, max_examples=tries(8))
def test_every_partition_that_is_published_has_the_profile_of_its_rows(rows, partitioned, tmp_path_factory) -> None:
    store = fp.OfflineStore(tmp_path_factory.mktemp("store"))
    read = source(orders(*rows), partitioned=partitioned)
    span = (at(0), at(4)) if partitioned else (None, None)
    done = fp.materialize(last_order(read), store, *span)
    for asset in ("sources/orders", "views/last_order"):
        found = assert_true(store, asset)
        assert found.keys() == done[asset].profiles.keys() == done[asset].commit.hashes.keys()
        assert len(found) == (4 if partitioned else 1)
    for key, profile in kept(store).items():
        there = rows_of(store, "sources/orders", key)
        assert profile.duplicates == there.height - there.unique().height
    for key, profile in kept(store, "views/last_order").items():
        there = rows_of(store, "views/last_order", key)
        assert len(profile.keys) == there["customer"].drop_nulls().n_unique()
        assert profile.duplicates is None


def test_a_windowed_view_is_profiled_without_its_default_rows(store: fp.OfflineStore) -> None:
    fp.materialize(spending(source(daily(3))), store)
    found = assert_true(store, "views/spending")
    assert {profile.rows for profile in found.values()} == {2}
    assert rows_of(store, "views/spending", "2024-01-02").height == 3
    assert found["2024-01-02"].columns["customer"].nulls == 0


def test_labels_count_outcomes_that_are_there_twice_and_training_sets_are_profiled_too(store: fp.OfflineStore) -> None:
    read = source(orders(*daily(2).rows(), ("ann", at(0, 12), 7.0)))

    @fp.label(entity=customer, source=read)
    def paid(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.rename({"amount": "paid"})

    view = last_order(read)
    training_set = fp.TrainingSet(
        "t", service=fp.FeatureService("s", features=[view]), spine=spine(("ann", at(1)), ("bob", at(2))), label=paid
    )
    fp.materialize(view, store)
    done = fp.materialize(paid, store)["labels/paid"]
    assert {key: each.duplicates for key, each in done.profiles.items()} == {"2024-01-01": 1, "2024-01-02": 0}
    assert_true(store, "labels/paid")
    built = fp.build_training_set(training_set, store)
    [profile] = assert_true(store, "training_sets/t").values()
    assert (profile.rows, len(profile.keys)) == (2, 2)
    assert built.published.profiles[""].rows == 2


def test_partitions_that_were_asked_for_and_have_no_rows_have_a_profile(store: fp.OfflineStore) -> None:
    fp.materialize(source(daily(1)), store, at(0), at(3))
    assert {key: each.rows for key, each in assert_true(store).items()} == {
        "2024-01-01": 2, "2024-01-02": 0, "2024-01-03": 0,
    }  # fmt: skip


def test_refused_rows_leave_no_profile(store: fp.OfflineStore) -> None:
    with pytest.raises(ExpectationsFailed):
        fp.materialize(source(orders(("ann", at(0), -1.0)), expectations=[NOT_NEGATIVE]), store)
    assert not {"profiles/sources/orders", "layouts/sources/orders"} & set(store.tables())


def test_a_run_that_changes_nothing_keeps_the_profiles_that_are_missing_and_only_those(store: fp.OfflineStore) -> None:
    read = source(daily(3))
    fp.materialize(read, store)
    fp.materialize(read, store)
    assert commits(store) == 1
    shutil.rmtree(Path(store.location("profiles/sources/orders").uri))
    done = fp.materialize(read, store)["sources/orders"]
    assert done.commit.changed == ()
    assert_true(store)


def test_a_later_run_appends_the_partitions_that_changed_and_keeps_the_layouts(store: fp.OfflineStore) -> None:
    fp.materialize(source(daily(3)), store)
    more = pl.concat([daily(4), orders(("zoe", at(1, 13), 99.0))])
    run = fp.materialize(source(more), store)["sources/orders"]
    assert run.commit.changed == ("2024-01-02", "2024-01-04")
    assert commits(store) == 2
    assert store.latest_version("layouts/sources/orders") == 0
    found = assert_true(store)
    assert len({each.columns["amount"].layout.id for each in found.values()}) == 1
    ids = dict(store.read("profiles/sources/orders").select("content", "run_id").unique().collect().iter_rows())
    runs = store.history("sources/orders")["run_id"].to_list()
    hashes = contents(store, "sources/orders")
    assert [ids[hashes[key]] for key in sorted(hashes)] == [runs[1], runs[0], runs[1], runs[0]]


def test_a_table_that_is_rolled_back_has_its_profiles_already(store: fp.OfflineStore) -> None:
    fp.materialize(source(daily(2)), store)
    before = {key: each.content for key, each in kept(store).items()}
    fp.materialize(source(daily(2).with_columns(amount=pl.col("amount") * 2)), store)
    store.rollback("sources/orders", 0, stamp=CommitStamp("r", "sources/orders", "1"))
    assert {key: each.content for key, each in assert_true(store).items()} == before
    assert commits(store) == 2


def test_a_column_that_is_added_is_profiled_from_then_on(store: fp.OfflineStore) -> None:
    fp.materialize(source(daily(2)), store)
    fp.materialize(source(daily(3).with_columns(note=pl.lit("é"))), store, at(2), at(3))
    found = kept(store)
    assert ["note" in found[key].columns for key in sorted(found)] == [False, False, True]
    assert not missing(store)


def test_a_table_that_is_made_anew_with_another_kind_of_column_is_profiled_as_it_is(store: fp.OfflineStore) -> None:
    fp.materialize(source(daily(2)), store)
    shutil.rmtree(Path(store.location("sources/orders").uri))
    fp.materialize(source(daily(2).with_columns(pl.col("amount").cast(pl.String))), store)
    assert {each.columns["amount"].layout.kind for each in assert_true(store).values()} == {"category"}


# ---------------------------------------------------------------- what goes wrong


def test_profiles_that_cannot_be_kept_are_told_and_the_rows_and_their_record_are_there(store: fp.OfflineStore) -> None:
    folder = Path(store.location("profiles/sources/orders").uri)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    read = source(daily(2))
    with pytest.raises(NotADeltaTable, match="profiles/sources/orders") as caught:
        fp.materialize(read, store)
    assert caught.value.__notes__ == ["This is about the profiles only: `sources/orders` itself is done."]
    assert rows_of(store, "sources/orders", "2024-01-02").height == 2
    [record] = store.read("runs").collect().rows(named=True)
    assert (record["outcome"], record["version"], record["error"]) == ("published", 0, None)
    shutil.rmtree(folder)
    assert profile_missing(read, store, "run-2") == ("2024-01-01", "2024-01-02")
    assert_true(store)


def test_layouts_that_cannot_be_read_do_not_stop_the_rows(store: fp.OfflineStore) -> None:
    folder = Path(store.location("layouts/sources/orders").uri)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(NotADeltaTable, match="layouts/sources/orders") as caught:
        fp.materialize(source(daily(2)), store)
    assert "the profiles only" in caught.value.__notes__[0]
    assert rows_of(store, "sources/orders", "2024-01-02").height == 2


def test_an_error_after_the_commit_is_what_people_see_with_a_note_about_profiles(store: fp.OfflineStore) -> None:
    folder = Path(store.location("profiles/sources/orders").uri)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (Path(store.location("runs").uri)).mkdir(parents=True)
    (Path(store.location("runs").uri) / "notes.txt").write_text("mine")
    with pytest.raises(NotADeltaTable, match="profiles/sources/orders") as caught:
        fp.materialize(source(daily(1)), store)
    about, also = caught.value.__notes__
    assert about == "This is about the profiles and the record of the run only: `sources/orders` itself is done."
    assert "`runs`" in also


CHILD = """
import os, resource, signal, sys
import feature_platform as fp
from feature_platform.pipelines import profiling
from feature_platform_tests.shop import daily, source
keep = profiling.keep_profiles
def stopped(*words):
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    keep(*words)
profiling.keep_profiles = stopped
fp.materialize(source(daily(3)), fp.OfflineStore(sys.argv[1]))
"""


@pytest.mark.parametrize(("how", "code", "said"), [("killed", -9, ""), ("full", 1, "WriteFailed")])
def test_a_run_that_is_stopped_between_its_commit_and_its_profiles_is_completed(
    store: fp.OfflineStore, how: str, code: int, said: str
) -> None:
    words = [sys.executable, "-c", CHILD, str(store.root), how]
    child = subprocess.run(words, cwd=ROOT, text=True, capture_output=True, timeout=120, check=False)
    assert child.returncode == code, child.stderr
    assert said in child.stderr
    assert missing(store) == {"2024-01-01", "2024-01-02", "2024-01-03"}
    read = source(daily(3))
    assert profile_missing(read, store, "run-2", ["2024-01-02", "2030-01-01"]) == ("2024-01-02",)
    assert missing(store) == {"2024-01-01", "2024-01-03"}
    assert profile_missing(read, store, "run-3") == ("2024-01-01", "2024-01-03")
    assert profile_missing(read, store, "run-4") == ()
    assert commits(store) == 2
    assert {each.duplicates for each in assert_true(store).values()} == {0}


# ---------------------------------------------------------------- made up for


@pytest.mark.parametrize("asset", ["sources/orders", "views/spending", "views/last_order", "training_sets/t"])
def test_what_is_made_up_for_is_what_would_have_been_counted(store: fp.OfflineStore, asset: str) -> None:
    read = source(pl.concat([daily(3), daily(1)]))
    views = {"views/spending": spending(read), "views/last_order": last_order(read)}
    training_set = fp.TrainingSet(
        "t", service=fp.FeatureService("s", features=[views["views/last_order"]]), spine=spine(("ann", at(2)))
    )
    for view in views.values():
        fp.materialize(view, store)
    fp.build_training_set(training_set, store)
    before = kept(store, asset)
    shutil.rmtree(Path(store.location(f"profiles/{asset}").uri))
    assets: dict[str, Any] = {"sources/orders": read, "training_sets/t": training_set, **views}
    assert profile_missing(assets[asset], store, "run-2") == tuple(sorted(before))
    for key, profile in assert_true(store, asset).items():
        assert profile.keys.tolist() == before[key].keys.tolist()
        assert profile.duplicates == before[key].duplicates


def test_many_partitions_are_made_up_for_some_at_a_time(store: fp.OfflineStore, monkeypatch) -> None:
    monkeypatch.setattr(profiling, "HELD_PROFILES", 6)  # two partitions of three columns
    read = source(daily(5))
    done = fp.materialize(read, store)["sources/orders"]
    assert sorted(done.profiles) == ["2024-01-01", "2024-01-02"]
    assert profile_missing(read, store, "run-2") == ("2024-01-03", "2024-01-04", "2024-01-05")
    assert_true(store)


def test_a_write_of_somebody_else_is_not_profiled_before_the_platform_knows_its_content(store: fp.OfflineStore) -> None:
    read = source(daily(2))
    fp.materialize(read, store)
    foreign = daily(2).filter(pl.col("at") < at(1)).with_columns(fp_partition=pl.lit("2024-01-01"), amount=pl.lit(5.0))
    location = store.location("sources/orders").uri
    write_deltalake(location, foreign, mode="overwrite", predicate="fp_partition = '2024-01-01'")
    shutil.rmtree(Path(store.location("profiles/sources/orders").uri))
    assert profile_missing(read, store, "run-2") == ("2024-01-02",)


def test_a_table_that_is_not_there_cannot_be_profiled(store: fp.OfflineStore) -> None:
    with pytest.raises(TableNotFound):
        profile_missing(source(daily(1)), store, "run-1")


def test_profiles_are_no_inputs_of_a_run(store: fp.OfflineStore) -> None:
    fp.materialize(last_order(source(daily(1))), store)
    fp.materialize(last_order(source(daily(2))), store)
    opened = store.read("runs").select(pl.col("inputs_opened").explode()).unnest("inputs_opened").collect()
    assert not any("profiles/" in table or "layouts/" in table for table in opened["table"].drop_nulls())
