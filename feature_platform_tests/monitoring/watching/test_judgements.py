"""Monitoring tables become findings: what is alarming is told, what was looked at can end, and each counts once."""

from datetime import datetime, timezone

import polars as pl
import pytest

from feature_platform.monitoring.alerting import Evaluation
from feature_platform.monitoring.watching.judgements import read_judgements
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot
from feature_platform.offline import CommitStamp
from feature_platform_tests.monitoring.watching.words import LATER, Watcher, day, materialize, monitored, row, shop
from feature_platform_tests.shop import at

ORDERS = "sources/orders"


def drift(partition: str, metric: str, score: float | None, threshold: float | None = 0.12, **facts) -> dict:
    facts = {"column": "amount", "window": at(int(partition[-2:]) - 1), "alarm": True, **facts}
    return row("drift", partition, metric=metric, score=score, threshold=threshold, **facts)


def evaluations(watcher: Watcher) -> list[Evaluation]:
    look = ProjectSnapshot(watcher.project, watcher.store, LATER, watcher.cursor)
    return [each.evaluation for each in read_judgements(look)]


def test_the_strongest_metric_speaks_for_a_column_and_its_window(watcher):
    monitored(
        watcher.store, ORDERS,
        drift(day(8), "ks", 0.33, 0.15, measure="ks", n_reference=81_000, n_current=900),
        drift(day(8), "psi", 0.41, 0.12, measure="psi", evidence="psi 0.41", n_reference=81_000, n_current=900),
        drift(day(8), "hellinger", 9.0, alarm=False, found=True),
    )  # fmt: skip

    assert watcher.looks() == ["opened drift of amount in sources/orders"]

    found = watcher.finding(ORDERS, "drift", "amount")
    assert found.evidence == "PSI 0.41 (threshold 0.12), KS 0.33; 900 rows against 81,000"
    assert (found.size, found.measure, found.compared_to) == (0.41, "PSI", "a threshold of 0.12")
    assert (found.severity, found.owner, found.partition) == ("warning", "team:shop", day(8))
    assert "feature-platform history sources/orders" in found.remedy


def test_the_words_of_a_row_are_those_of_the_finding(watcher):
    words = {
        "severity": "critical",
        "measure": "of the usual rows",
        "compared_to": "2,400 rows",
        "evidence": "120 rows",
    }
    monitored(watcher.store, ORDERS, row("volume", day(8), alarm=True, score=0.05, **words))

    watcher.looks()

    found = watcher.finding(ORDERS, "volume")
    assert (found.severity, found.measure, found.compared_to, found.evidence) == tuple(words.values())


def test_every_kind_of_row_is_taken_in_and_says_what_to_do(watcher):
    kinds = [
        "drift", "multivariate", "volume", "schema", "unit", "constant", "dead", "duplicate_keys", "unknown_keys",
        "imputed_share", "foreign_write",
    ]  # fmt: skip
    monitored(watcher.store, ORDERS, *(row(kind, day(9), alarm=True) for kind in kinds))

    watcher.looks()

    assert watcher.open() == sorted(f"{kind} of None in {ORDERS}" for kind in kinds)
    for kind in kinds:
        found = watcher.finding(ORDERS, kind)
        assert found.remedy != "See `feature-platform history sources/orders`."
        assert found.evidence == f"{kind} was found"


def test_what_cannot_be_said_was_not_looked_at(watcher):
    monitored(
        watcher.store, ORDERS,
        row("volume", day(8)), row("drift", day(8), column="amount", found=None), row("unit", day(8), column="amount"),
        row("drift", day(8), column="other", metric="psi", found=None),
        row("drift", day(8), column="other", metric="ks", found=False),
    )  # fmt: skip

    [evaluation] = evaluations(watcher)

    assert evaluation.findings == ()
    places = {(each.kind, each.column) for each in evaluation.checked}  # null in one score, clean in another
    assert places == {("volume", None), ("unit", "amount"), ("drift", "other")}
    assert not any(each.conclusive for each in evaluation.checked)


def test_a_drift_is_over_after_two_clean_windows(watcher):
    monitored(watcher.store, ORDERS, drift(day(6), "psi", 0.5))
    assert watcher.looks() == ["opened drift of amount in sources/orders"]
    for number, said in ((7, []), (8, ["resolved drift of amount in sources/orders"])):
        monitored(watcher.store, ORDERS, drift(day(number), "psi", 0.01, alarm=False, found=False))
        assert watcher.looks() == said
        assert watcher.looks() == []


def test_a_difference_that_does_not_last_begins_nothing_and_ends_nothing(watcher):
    monitored(watcher.store, ORDERS, drift(day(2), "psi", 0.2, alarm=False, found=True))
    assert watcher.looks() == []
    assert watcher.open() == []
    monitored(watcher.store, ORDERS, drift(day(3), "psi", 0.5))
    watcher.looks()
    for number in (4, 5, 6):
        passing = drift(day(number), "psi", 0.2, alarm=False, found=True)
        monitored(watcher.store, ORDERS, passing, drift(day(number), "ks", 0.01, alarm=False, found=False))
        assert watcher.looks() == []
    assert watcher.open() == ["drift of amount in sources/orders"]


def test_a_partition_is_taken_in_once_for_each_time_that_it_is_judged(watcher):
    for score in (0.5, 0.6):
        monitored(watcher.store, ORDERS, drift(day(6), "psi", score), drift(day(7), "psi", 0.5))
        watcher.looks()
        watcher.looks()
    history = watcher.alerts.history(watcher.finding(ORDERS, "drift", "amount").fingerprint)
    assert [each.finding.size for each in history] == [0.6, 0.5, 0.5]  # day 7 was written once


def test_a_table_that_is_made_anew_begins_anew(watcher, tmp_path):
    monitored(watcher.store, ORDERS, drift(day(6), "psi", 0.5))
    watcher.looks()
    folder = watcher.store.location(f"monitoring/{ORDERS}").folder
    folder.rename(tmp_path / "gone")
    monitored(watcher.store, ORDERS, drift(day(6), "psi", 0.7))
    watcher.looks()
    assert watcher.finding(ORDERS, "drift", "amount").size == 0.7


@pytest.mark.parametrize(
    ("grain", "window", "text"),
    [
        ("daily", datetime(2024, 1, 8, tzinfo=timezone.utc), "2024-01-08"),
        ("daily", datetime(2024, 1, 8, 6, tzinfo=timezone.utc), "2024-01-08-06:00"),
        ("hourly", datetime(2024, 1, 8, tzinfo=timezone.utc), "2024-01-08-00:00"),
        ("monthly", datetime(2024, 1, 8, tzinfo=timezone.utc), "2024-01-08"),
    ],
)
def test_windows_are_named_so_that_their_texts_sort_with_the_keys_of_partitions(grain, window, text):
    from feature_platform.monitoring.watching.judgements import _when

    assert _when(window, "key", grain) == text
    assert _when(None, "key", grain) == "key"
    assert _when(window, "", grain) < _when(window.replace(hour=7), "", grain) < _when(window.replace(day=9), "", grain)


def test_an_unpartitioned_table_is_judged_whole(store, alerts):
    project = shop(partitioned=False)
    materialize(project, store)
    watcher = Watcher(project, store, alerts)
    monitored(store, ORDERS, row("volume", "", alarm=True, evidence="3 rows"))
    assert watcher.looks() == ["opened volume in sources/orders"]
    monitored(store, ORDERS, row("volume", "", score=1.0))
    monitored_again = watcher.looks()
    monitored(store, ORDERS, row("volume", "", score=0.9))
    assert (monitored_again, watcher.looks()) == ([], ["resolved volume in sources/orders"])


def test_a_broken_source_and_what_is_made_from_it_are_one_message_that_names_the_cause(watcher):
    monitored(watcher.store, "views/spending", row("drift", day(8), column="count_2d", window=at(7), alarm=True))
    monitored(watcher.store, ORDERS, row("volume", day(8), alarm=True, evidence="1 row", severity="critical"))

    assert watcher.looks() == ["opened volume in sources/orders, and 1 more"]


def test_numbers_that_are_none_or_not_finite_are_still_told(watcher):
    rows = [drift(day(8), "psi", None, None), drift(day(8), "ks", float("nan")), drift(day(8), "hellinger", 1.0, 0.0)]
    monitored(watcher.store, ORDERS, *rows)
    watcher.looks()
    found = watcher.finding(ORDERS, "drift", "amount")
    assert found.evidence == "hellinger 1.00 (threshold 0.00), KS nan"
    assert found.measure == "hellinger"


def test_rows_of_other_projects_and_empty_partitions_say_nothing(watcher):
    monitored(watcher.store, "sources/theirs", row("volume", day(8), alarm=True))
    monitored(watcher.store, ORDERS, partitions=[day(8)])
    assert evaluations(watcher) == []


def test_a_first_look_at_a_long_history_tells_what_is_still_wrong_and_what_is_over(store, alerts):
    project = shop()
    materialize(project, store, 10)
    over = [drift(day(n), "psi", 0.5, column="old", alarm=n < 3, found=n < 3) for n in range(1, 10)]
    still = [drift(day(n), "psi", 0.5, column="new", alarm=n > 7, found=n > 7) for n in range(1, 10)]
    monitored(store, ORDERS, *over, *still)
    watcher = Watcher(project, store, alerts)
    assert watcher.looks() == ["opened drift of new in sources/orders", "passed drift of old in sources/orders"]
    assert watcher.open() == ["drift of new in sources/orders"]
    assert watcher.taken.evaluations > 9


def test_only_new_partitions_are_read(watcher):
    monitored(watcher.store, ORDERS, *(row("volume", day(n)) for n in range(1, 8)))
    watcher.looks()
    stamp = CommitStamp("run", "x", "1")
    frame = pl.DataFrame([row("volume", day(8))], schema=watcher.store.read(f"monitoring/{ORDERS}").collect_schema())
    watcher.store.replace(
        f"monitoring/{ORDERS}", frame, partitions=[day(8)], partition_of="partition", stamp=stamp
    )  # fmt: skip
    [evaluation] = evaluations(watcher)
    assert evaluation.id.endswith(f"/{day(8)}@1")
