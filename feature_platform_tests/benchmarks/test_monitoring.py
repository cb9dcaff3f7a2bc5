"""The simulations behind docs/monitoring.md, in small: a healthy asset is left in peace, a broken one is not."""

from datetime import UTC, datetime

from benchmarks.monitoring.clean_year import clean_year, year_table
from benchmarks.monitoring.detection import detection, detection_table
from benchmarks.monitoring.faults import FAULTS
from benchmarks.monitoring.flights import Heard, flights_table
from benchmarks.monitoring.planted import DAYS, FIRST, LASTS, Planted, Told, planted_table
from benchmarks.monitoring.world import make_world
from feature_platform.parts.alert_channels import Message

CHOSEN = [each for each in FAULTS if each.title.startswith(("null burst", "every row twice", "schema change"))]


def test_a_world_is_the_same_in_whatever_order_its_days_are_drawn():
    one, other = make_world(3, 9, 50, 10), make_world(3, 9, 50, 10)
    late = one.day(7)
    assert other.day(2).equals(one.day(2))
    assert other.day(7).equals(late)
    assert other.day(7, ["c006"]).equals(late.select("c006"))
    assert not make_world(4, 9, 50, 10).day(7).equals(late)


def test_some_clean_days_raise_no_alert():
    year = clean_year(5, columns=9, rows=300, days=5)
    assert (year.alerts, year.volume) == ([], 0)
    assert year.scores > 200
    assert "| 5    | 9       | 300" in year_table([year])


def test_hard_faults_are_all_found_in_300_rows_and_at_the_latest_the_second_day():
    found = detection([5], 300, CHOSEN)
    assert len(found) == len(CHOSEN) == 3
    assert [(each.share, max(each.delays) <= 1) for each in found] == [(1.0, True)] * 3
    assert "100% of 12, 0" in detection_table(found)


def test_the_table_of_the_flights_has_what_was_seen_and_how_many_messages_there_were():
    text = (
        "New [warning]: volume in a\n\nWhat:         10 rows\nSince:        partition 2013-02-09\nOwner:        nobody"
    )
    message = Message("k", "opened", "warning", (), "[warning] New: volume in a", text, "{}")
    heard = [Heard("month by month", datetime(2013, 3, 1, 6, tzinfo=UTC), message)]

    shown = flights_table(heard)

    assert "| month by month | 2013-03-01 | [warning] New: volume in a | 10 rows; partition 2013-02-09 |" in shown
    assert "month by month: 1 messages, 0 critical; in one look: 0 messages, 0 critical." in shown


def test_a_planted_fault_is_as_expected_when_it_is_told_once_at_each_end_and_at_no_other_time():
    fault = Planted("rows gone", "90%", lambda rows: rows.head(1))
    ends = [(FIRST, "New"), (FIRST + LASTS + 1, "Over")]
    good = Told(fault, "lasting", ends, 2, frozenset({"warning"}))
    early = Told(fault, "twice", [(FIRST, "New"), (FIRST + 1, "Over")], 0, frozenset())
    backfill = Told(fault, "one backfill", [(DAYS - 1, "Began and is over")], 0, frozenset({"critical"}))

    text = planted_table([good, early, backfill])

    assert "New 40, Over 57, 2 reminders | New 40, Over 41" in text
    assert "critical: Began and is over 63" in text
    assert text.endswith("2 of 3 were told once when they began and once when they were over.")
    assert Told(Planted("nothing", ""), "lasting", [], 0, frozenset()).expected
