"""Several expectations of one type on one column, and values too long to show."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.suite import expectations_from_suite
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.orchestration.checks import check_specs, expectation_results
from feature_platform.pipelines.publishing import Run
from feature_platform.pipelines.results import Candidate
from feature_platform.quality import suite_of, validate
from feature_platform.quality.data_docs import render_page

BETWEEN, REGEX = "expect_column_values_to_be_between", "expect_column_values_to_match_regex"
STOP = fp.Expect(BETWEEN, column="fare", min_value=0, mostly=0.5)
WARN = fp.Expect(BETWEEN, column="fare", min_value=0, mostly=0.99, severity="warning")
OTHERS = [fp.Expect(REGEX, column="city", regex=regex) for regex in ("^[a-z]", "z$", "b")]
ROWS = pl.DataFrame({"fare": [1.0, 2.0, -3.0], "city": ["a", "bz", "c"]})
LONG = "x" * 3_000_000


def names(*expectations: fp.Expect) -> list[str]:
    source = fp.Source("rides", fp.sources.Frame(ROWS), expectations=expectations)
    return [each.check_name for each in source.expectations]


def test_two_expectations_of_one_type_on_one_column_have_checks_of_their_own() -> None:
    found = names(STOP, WARN, *OTHERS)
    assert len(set(found)) == len(found)
    assert found[0] == f"{BETWEEN}__fare"  # as when it was alone: its history goes on
    assert found[1].startswith(f"{BETWEEN}__fare__")


def test_the_name_of_a_check_stays_when_others_are_added_or_removed_after_the_first() -> None:
    _, warn, first, *others = names(STOP, WARN, *OTHERS)
    assert names(STOP, OTHERS[2], WARN)[2] == warn
    assert names(OTHERS[0], OTHERS[2], STOP, WARN) == [first, others[1], f"{BETWEEN}__fare", warn]


def test_a_name_of_ones_own_stays_whatever_is_declared_beside() -> None:
    mine = fp.Expect(BETWEEN, column="fare", min_value=0, mostly=0.99, severity="warning", name="nearly_all")
    assert names(mine)[0] == names(STOP, mine)[1] == f"{BETWEEN}__fare__nearly_all"
    assert expectations_from_suite(suite_of([STOP, mine], "rides")) == (STOP, mine)


def test_two_that_say_the_same_or_have_one_name_are_refused() -> None:
    named = [fp.Expect(BETWEEN, column="fare", min_value=at, name="low") for at in (0, 1)]
    for pair in ([STOP, fp.Expect(BETWEEN, column="fare", min_value=0, mostly=0.5, severity="info")], named):
        with pytest.raises(InvalidDeclaration, match="twice"):
            names(*pair)
    with pytest.raises(InvalidDeclaration, match="has the name 'a b'"):
        fp.Expect(BETWEEN, column="fare", name="a b")


def test_a_person_can_tell_them_apart_and_each_is_judged_by_its_own_arguments(store: fp.OfflineStore) -> None:
    source = fp.Source("rides", fp.sources.Frame(ROWS), expectations=[STOP, WARN])
    found = validate(ROWS.lazy(), source.expectations, name="rides")
    assert [each.success for each in found.outcomes] == [True, False]
    assert "(min_value=0, mostly=0.99)" in found.outcomes[1].summary
    [first, second] = check_specs(dg_key(), source.expectations, counted=False)
    assert first.name != second.name
    assert (first.blocking, second.blocking) == (True, False)


def dg_key() -> Any:
    import dagster as dg

    return dg.AssetKey(["sources", "rides"])


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    return fp.OfflineStore(str(tmp_path))


def test_a_long_value_is_shortened_everywhere_but_in_the_quarantine(store: fp.OfflineStore) -> None:
    rows = pl.DataFrame({"city": [LONG, "a"], "tags": [[LONG], ["b"]], "pair": [{"x": LONG}, {"x": "b"}]})
    rules = [
        fp.Expect("expect_column_values_to_be_in_set", column="city", value_set=["a", LONG + "y"]),
        fp.Expect("expect_column_values_to_match_regex", column="city", regex="a"),
        fp.Expect("expect_column_distinct_values_to_be_in_set", column="city", value_set=["a"]),
        fp.Expect("expect_column_max_to_be_between", column="city", max_value="b"),
        fp.Expect("expect_compound_columns_to_be_unique", column_list=["city", "pair"]),
        fp.Expect("expect_multicolumn_values_to_be_equal", column_list=["city", "tags"]),
    ]
    with Run(store, "sources/rides") as run:
        published = run.publish(Candidate("sources/rides", rows, "v1", rules))
    assert published.commit is None
    for outcome in published.validation.outcomes:
        assert len(outcome.summary) < 2_000
        assert all(len(str(value)) < 300 for value in outcome.sample)
        assert len(str(outcome.observed)) < 2_100
    assert "(2,999,800 more characters)" in published.validation.outcomes[0].summary
    with pytest.raises(fp.FeaturePlatformError) as error:
        published.raise_if_refused()
    assert len(str(error.value)) < 10_000
    record = store.read("runs")
    assert len(str(record.collect().to_dicts())) < 20_000
    results = expectation_results(dg_key(), published, counted=False, docs={})
    assert len(str([(each.description, each.metadata) for each in results])) < 60_000
    assert len(render_page(published.validation, run="r", at=datetime(2026, 1, 1, tzinfo=UTC))) < 200_000
    assert LONG in store.read("quarantine/sources/rides").collect()["row"][0]
