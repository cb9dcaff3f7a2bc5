"""What comes and goes, quiet hours, and what is told again: the policy over days."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from feature_platform.monitoring.alerting import CheckedScope, Policy, QuietHours
from feature_platform.monitoring.alerting.alert import resolve_alert
from feature_platform_tests.monitoring.alerting.words import NIGHT, NOON, Player, clean, days, found, hours, key


def played(player, at, *what):
    """Something is found, and five minutes later it is gone for sure; what was said."""
    gone = CheckedScope("sources/flights", "freshness", "", conclusive=True)
    return [*player.at(at, *what), *player.at(at + timedelta(minutes=5), gone)]


def late(severity="critical"):
    return found(kind="freshness", severity=severity, partition="")


def test_a_critical_that_comes_and_goes_all_day_is_five_messages_and_not_144():
    player = Player()
    said = [each for at in range(72) for each in played(player, hours(at / 3), late())]
    about = "freshness in sources/flights"
    assert said == [f"{event} {about}" for event in ("opened", "resolved", "reopened", "resolved", "flapping")]
    assert "Comes and goes [critical]" in player.said[-1][1].text

    assert played(player, hours(25), late()) == [f"reminder {about}"]
    assert player.at(hours(48)) == []
    assert player.at(hours(49.1)) == [f"resolved {about}"]
    assert played(player, days(4), late()) == [f"reopened {about}", f"resolved {about}"]


def test_what_comes_and_goes_within_single_looks_is_told_three_times():
    player = Player()
    gone = CheckedScope("sources/flights", "volume", "2013-03-05")
    again = CheckedScope("sources/flights", "volume", "2013-03-06")
    bad = found(kind="volume", severity="critical", partition="2013-03-04")
    said = [each for at in range(40) for each in player.at(hours(at / 3), bad, gone, again)]
    about = "volume in sources/flights"
    assert said == [f"passed {about}", f"passed {about}", f"flapping {about}"]
    assert player.at(days(1.6)) == [f"resolved {about}"]


def test_warnings_that_come_and_go_past_the_budget_are_three_lines_of_a_digest():
    player = Player(Policy(budget=0))
    for at in range(60):
        played(player, hours(at / 3), late("warning"))
    lines = [each.text for each in player.book.lines]
    assert [each.split(":")[0] for each in lines] == ["New", "Over", "Again", "Over", "Comes and goes"]


def test_what_fails_once_a_day_does_not_come_and_go():
    player = Player()
    said = [each for at in range(5) for each in played(player, days(at), late())]
    assert [each.split()[0] for each in said] == ["opened", "resolved", *["reopened", "resolved"] * 4]


def test_the_end_that_a_person_gives_what_comes_and_goes_is_told_at_once():
    player = Player()
    for at in range(3):
        played(player, hours(at), late())
    player.at(hours(4), late())
    about = key(kind="freshness")
    player.book = replace(
        player.book, alerts={**player.book.alerts, about: resolve_alert(player.book.alerts[about], hours(5), "ann")}
    )
    assert player.at(hours(5)) == ["resolved freshness in sources/flights"]


def test_quiet_hours_hold_back_all_but_criticals():
    player = Player(NIGHT)
    assert player.at(hours(10), found(), found("sources/weather", severity="critical")) == [
        "opened drift in sources/weather"
    ]
    assert player.at(hours(18.99)) == []
    assert player.at(hours(19)) == ["opened drift in sources/flights"]


def test_what_came_and_went_in_quiet_hours_is_in_the_digest():
    player = Player(replace(NIGHT, resolve_after=1))
    player.at(hours(10), found(kind="volume"), found("views/delays"))
    assert player.at(hours(11), clean(kind="volume"), clean("views/delays")) == []
    assert player.at(days(3)) == ["digest 1"]
    assert "Began and is over: volume in sources/flights, and 1 more" in player.said[-1][1].text
    assert set(player.said[-1][1].about) == {key(kind="volume"), key("views/delays")}


@pytest.mark.parametrize(
    ("zone", "utc", "quiet"),
    [
        ("Europe/Stockholm", "2013-01-15T20:59:59", False),  # 21:59:59 there
        ("Europe/Stockholm", "2013-01-15T21:00:00", True),
        ("Europe/Stockholm", "2013-07-15T20:00:00", True),  # summer time
        ("Europe/Stockholm", "2013-01-15T05:59:59", True),
        ("Europe/Stockholm", "2013-01-15T06:00:00", False),  # the end is not in it
        ("Europe/Stockholm", "2013-03-31T05:00:00", False),  # an hour earlier, the clock was put forward
        ("America/New_York", "2013-11-03T06:30:00", True),  # 01:30 for the second time
        ("America/New_York", "2013-11-03T11:59:59", True),
        ("America/New_York", "2013-11-03T12:00:00", False),
    ],
)
def test_quiet_hours_follow_the_clock_on_the_wall(zone, utc, quiet):
    hours = QuietHours(time(22), time(7), zone)
    assert hours.hold(datetime.fromisoformat(utc).replace(tzinfo=UTC)) is quiet


@pytest.mark.parametrize(("at", "quiet"), [("11:59", False), ("12:00", True), ("12:59", True), ("13:00", False)])
def test_quiet_hours_within_a_day_hold_from_their_start_until_just_before_their_end(at, quiet):
    now = datetime.combine(NOON, time.fromisoformat(at), UTC)
    assert QuietHours(time(12), time(13), "UTC").hold(now) is quiet


@pytest.mark.parametrize(
    ("kind", "severity", "every"), [("volume", "warning", 7), ("volume", "critical", 1), ("drift", "critical", 1)]
)
def test_what_nobody_acknowledges_is_told_again(kind, severity, every):
    player = Player()
    player.at(NOON, found(kind=kind, severity=severity))
    assert player.at(days(every - 0.001), found(kind=kind, severity=severity, partition="2013-03-02")) == []
    assert player.at(days(every)) == [f"reminder {kind} in sources/flights"]
    assert player.at(days(2 * every - 0.001)) == []


def test_a_warning_about_a_partition_is_told_again_only_when_it_was_found_again_since():
    player = Player()
    player.at(NOON, found(kind="volume"))
    assert [player.at(days(each)) for each in (7, 14, 21)] == [[]] * 3  # the next partition comes after a month
    assert player.at(days(30), found(kind="volume", partition="2013-03-02")) == ["reminder volume in sources/flights"]
    over = [clean(kind="volume", partition="2013-03-03"), clean(kind="volume", partition="2013-03-04")]
    assert player.at(days(60), *over) == ["resolved volume in sources/flights"]


@pytest.mark.parametrize(("severity", "every"), [("warning", 7), ("critical", 1)])
def test_what_is_about_an_asset_as_a_whole_or_critical_is_told_again_without_being_found_again(severity, every):
    player = Player()
    partition = "2013-03-01" if severity == "critical" else ""
    player.at(NOON, found(kind="run", severity=severity, partition=partition))
    assert player.at(days(every)) == ["reminder run in sources/flights"]
    assert player.at(days(2 * every)) == ["reminder run in sources/flights"]


def test_a_season_that_lasts_is_told_when_it_begins_and_when_it_is_over_and_not_every_week():
    player = Player()
    assert player.at(NOON, found(), found(column="fare")) == ["opened drift of fare in sources/flights, and 1 more"]
    for week in range(1, 12):
        assert player.at(days(7 * week), found(partition=f"2013-03-{week + 1:02d}")) == []
    over = [clean(partition="2013-04-01"), clean(partition="2013-04-02")]
    assert player.at(days(80), *over) == ["resolved drift of fare in sources/flights"]


def test_a_lasting_difference_is_told_again_where_something_would_stay_unsaid():
    player = Player()
    player.at(NOON, found())
    assert player.at(hours(20), found(column="fare")) == []  # the other one speaks for it
    assert player.at(days(7)) == ["reminder drift in sources/flights, and 1 more"]
    assert player.at(days(14)) == []
    assert player.at(days(15), found(severity="critical")) == ["worse drift in sources/flights, and 1 more"]


def test_a_difference_with_something_that_is_wrong_is_told_every_week():
    player = Player()
    player.at(NOON, found("sources/flights"), found("views/delays", kind="constant"))
    for week in (1, 2):
        again = found("views/delays", kind="constant", partition=f"2013-03-{week + 1:02d}")
        assert player.at(days(7 * week), again) == ["reminder drift in sources/flights, and 1 more"]
