"""A value of the wrong kind ends in one error that says what was given and what would do, whichever function got it."""

import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import WrongArgument
from feature_platform_tests.shop import at, daily, source, spending

FUNCTIONS: dict[str, Callable[[object, fp.OfflineStore], object]] = {
    "materialize": lambda value, store: fp.materialize(value, store),
    "publish": lambda value, store: fp.publish(value, store, fp.online.Lmdb(store.root)),
    "explain": lambda value, store: fp.explain(value, pl.DataFrame(), store),
    "historical_features": lambda value, store: fp.historical_features(value, pl.DataFrame(), store),
    "online_features": lambda value, store: fp.online_features(value, {}, fp.online.Lmdb(store.root)),
    "build_training_set": lambda value, store: fp.build_training_set(value, store),
    "incomplete_tables": lambda value, store: fp.incomplete_tables(value, store),
    "roll_back": lambda value, store: fp.roll_back(value, store, 0),
    "release": lambda value, store: fp.release(value, store),
    "find_orphans": lambda value, store: fp.find_orphans(value, store),
    "plan_migration": lambda value, store: fp.plan_migration(value, store),
    "imputation_statistics": lambda value, store: fp.imputation_statistics(value, store),
    "definitions": lambda value, store: fp.definitions(value),
    "push": lambda value, _: fp.push(value, pl.DataFrame(), None, now=at()),
    "diff_versions": lambda value, store: fp.diff_versions(value, store, 0),
    "values_at": lambda value, store: fp.testing.values_at(value, {}, pl.DataFrame()),
    "example_frame": lambda value, store: fp.testing.example_frame(value),
}


@pytest.mark.parametrize("value", ["spending", None, 3, fp.Entity("customer", join_keys=["customer"])], ids=repr)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_value_of_the_wrong_kind_is_refused_by_name(name: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(WrongArgument, match=r"was given .+ It takes "):
        FUNCTIONS[name](value, fp.OfflineStore(tmp_path))

    assert not list(tmp_path.glob("offline/*"))


@pytest.mark.parametrize("name", ["materialize", "publish", "explain", "build_training_set", "release"])
def test_a_module_is_told_by_its_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(WrongArgument, match=f"the module `{__name__}`"):
        FUNCTIONS[name](sys.modules[__name__], fp.OfflineStore(tmp_path))


def test_a_declaration_of_another_kind_is_told_with_its_kind(tmp_path: Path) -> None:
    with pytest.raises(WrongArgument, match=r"the feature view `spending`\. It takes a training set"):
        fp.build_training_set(spending(source(daily(2))), fp.OfflineStore(tmp_path))


def test_a_union_has_no_table_of_its_own(tmp_path: Path) -> None:
    members = {name: fp.Source(name, fp.sources.Frame(daily(2)), event_time="at") for name in ("web", "shop")}
    union = fp.Union("orders", members)
    for name in ("push", "diff_versions"):
        with pytest.raises(WrongArgument, match=r"the union `orders`\. It takes "):
            FUNCTIONS[name](union, fp.OfflineStore(tmp_path))
