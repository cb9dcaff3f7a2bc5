"""Fixtures of views: what a changed function changes is seen in a file."""

import json
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.testing import FixtureDiffers
from feature_platform_tests.shop import customer, daily, last_order, same, source, spending


def spending_of(read: fp.Source | FeatureView, least: float) -> FeatureView:
    sums = [fp.Sum("amount", windows=["2d"]), fp.Count(windows=["2d"])]
    return fp.feature_view(entity=customer, source=read, aggregations=sums, name="spending")(
        lambda rows: rows.filter(pl.col("amount") > least)
    )


def test_a_fixture_is_written_once_and_then_compared(tmp_path: Path) -> None:
    view, file = spending(source(daily())), tmp_path / "fixtures" / "spending.ndjson"
    fp.testing.check_fixture(view, file)
    written = file.read_text()
    fp.testing.check_fixture(view, file)
    fp.testing.check_fixture(view.alias("there", keys={"customer": "other"}), file)

    lines = [json.loads(line) for line in written.splitlines()]
    assert file.read_text() == written
    assert [line["source"] for line in lines[:20]] == ["orders"] * 20
    assert {"view", "customer", "event_timestamp", "amount_sum_2d", "count_2d"} == set(lines[-1])
    assert any(line.get("count_2d") for line in lines)


def test_a_changed_function_shows_the_lines_that_differ_and_may_be_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, file = source(daily()), tmp_path / "spending.ndjson"
    rows = {"orders": daily(2)}
    fp.testing.check_fixture(spending_of(read, 0.0), file, rows)
    with pytest.raises(FixtureDiffers) as refused:
        fp.testing.check_fixture(spending_of(read, 1.0), file, rows)
    assert "Feature view `spending` says something else than" in str(refused.value)
    assert '-{"view": "spending", "customer": "bob"' in str(refused.value)
    assert '"customer": "ann"' not in str(refused.value)

    monkeypatch.setenv("UPDATE_FIXTURES", "1")
    fp.testing.check_fixture(spending_of(read, 1.0), file, rows)
    monkeypatch.delenv("UPDATE_FIXTURES")
    fp.testing.check_fixture(spending_of(read, 1.0), file, rows)


def test_views_of_every_kind_have_fixtures(tmp_path: Path) -> None:
    read = source(daily())
    product = fp.Entity("customer", join_keys=["customer"])
    names = pl.DataFrame({"customer": ["ann", "bob"], "size": [1.0, float("nan")]})
    sizes = fp.Source("sizes", fp.sources.Frame(names), entity=product)
    enriched = fp.feature_view(entity=customer, source=read, enrich=[sizes["size"]], name="sized")(same)
    facts = fp.feature_view(entity=product, source=sizes, name="facts")(same)
    for number, view in enumerate((last_order(read), spending(read, accuracy="exact"), enriched, facts)):
        for _ in range(2):
            fp.testing.check_fixture(view, tmp_path / f"{number}.ndjson")
        assert f'"view": "{view.name}"' in (tmp_path / f"{number}.ndjson").read_text()


def test_rows_of_a_windowed_view_must_be_given(tmp_path: Path) -> None:
    above = last_order(spending(source(daily())))
    with pytest.raises(InvalidDeclaration, match=r"reads windows of `spending`, of which no rows can be made up"):
        fp.testing.check_fixture(above, tmp_path / "above.ndjson")
    assert not list(tmp_path.iterdir())
