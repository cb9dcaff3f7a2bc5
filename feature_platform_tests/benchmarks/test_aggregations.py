"""The benchmark of aggregations measures what the catalogue has, in both sets."""

import pytest

from benchmarks import aggregations as benchmark


@pytest.mark.parametrize("name", benchmark.ASKED)
@pytest.mark.parametrize("hot", [False, True])
def test_each_aggregation_is_measured(monkeypatch: pytest.MonkeyPatch, name: str, *, hot: bool) -> None:
    for size in ("EVENTS", "MOMENTS", "HOT_MOMENTS", "FEW_MOMENTS"):
        monkeypatch.setattr(benchmark, size, 500)
    seconds, peak = benchmark.measure(name, hot=hot)
    assert 0 < seconds < 60
    assert peak > 1


def test_in_the_hot_set_a_fifth_is_of_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "EVENTS", 5_000)
    monkeypatch.setattr(benchmark, "HOT_MOMENTS", 500)
    events, spine = benchmark.make_events(hot=True), benchmark.make_spine("Count", hot=True)
    assert events["at"].is_sorted()
    assert 0.15 < (events["key"] == 0).mean() < 0.25  # type: ignore[operator]
    assert (spine["key"] == 0).sum() == 100
