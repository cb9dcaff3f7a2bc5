"""The benchmark of expectations compares ways that find the same."""

import warnings
from pathlib import Path

import pytest

from benchmarks.monitoring import expectations


def test_the_three_ways_find_the_same_and_the_table_says_how_they_did(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    expectations.write_table(500, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas on its own deprecations
        answers = {name: way(path) for name, way in expectations.WAYS.items()}
    expectations.check_agreement(answers)
    with pytest.raises(RuntimeError, match="disagree"):
        expectations.check_agreement({**answers, "ours": {**answers["ours"], next(iter(answers["ours"])): -1.0}})
    figures = {name: {"wall": 2.0, "cpu": 1.0, "peak": 1e9} for name in expectations.WAYS}
    assert "ours is 1.00x the hand-written pass (bar: at most 1.6)" in expectations.table(500, figures)
