"""The commands about a spine that is a table: it is made, shown and explained like any other."""

from pathlib import Path

import pytest

from feature_platform_tests.cli.test_cli import said
from feature_platform_tests.cli.test_training_sets import MODULE

SPINES = """
weekly = fp.Spine.every_key("weekly", source=orders, entity=customer, every="2d", active="3d")
served = fp.FeatureService("weekly_amounts", [last_order])
weekly_amounts = fp.TrainingSet("weekly_amounts", service=served, spine=weekly, label=next_amount, horizon="1d")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shop_with_spines.py").write_text(MODULE.replace("AMOUNTS", "1.0") + SPINES)
    return ["--project", "shop_with_spines"]


def test_a_spine_is_made_shown_and_explained(project: list[str]) -> None:
    assert "7 assets" in said("check", *project).output
    assert "spines/weekly" in said("status", *project).output
    assert "spines/weekly: 3 rows, version 0" in said("materialize", "spines/weekly", *project).output
    assert "sources/orders@0" in said("history", "spines/weekly").output
    assert "spines/weekly" in said("catalog", *project).output
    assert "sources/orders.customer" in said("lineage", "spines/weekly.customer", *project).output


def test_a_training_set_over_it_is_built_and_both_are_up_to_date(project: list[str]) -> None:
    assert said("materialize", *project).exit_code == 0
    built = said("training-set", "build", "weekly_amounts", *project)
    assert "3 rows" in built.output
    assert said("status", *project).exit_code == 0
