"""Ends of warnings: told once, with what else their owner is told of at the same time."""

import json
from datetime import time

import pytest

from feature_platform.monitoring.alerting import Policy, QuietHours
from feature_platform_tests.monitoring.alerting.words import Player, clean, days, found, hours

SHOP = {"owner": "team:shop"}


def opened(player, *assets, severity="warning"):
    """Alerts of some assets of one owner, told; then one clean look."""
    for at, asset in enumerate(assets):
        player.at(days(2 * at), found(asset, severity=severity, **SHOP))


def over(*assets):
    return [clean(asset, partition=f"2013-03-0{day}") for asset in assets for day in (2, 3)]


def test_the_end_of_a_warning_goes_with_another_that_begins_in_the_same_look():
    player = Player(upstream={})
    opened(player, "a")

    said = player.at(days(9), *over("a"), found("b", "volume", partition="2013-03-09", **SHOP))

    assert said == ["opened volume in b; over: drift in a"]
    message = player.said[-1][1]
    assert "Over now (1):\n- Over: drift in a since 2013-03-01\n" in message.text
    assert message.about == (player.alert("b", "volume").fingerprint, player.alert("a").fingerprint)
    assert [(each["what"], each["since"]) for each in json.loads(message.json)["over"]] == [
        ("drift in a", "2013-03-01")
    ]
    assert player.at(days(10)) == []
    assert not player.alert("a").owes_end


def test_several_ends_of_one_look_are_one_message():
    player = Player(upstream={})
    opened(player, "a", "b", "c")
    assert player.at(days(9), *over("a", "b", "c")) == ["resolved drift in a; 2 others over"]
    assert "- Over: drift in b since 2013-03-01\n- Over: drift in c since 2013-03-01" in player.said[-1][1].text
    assert player.at(days(10)) == []


def test_an_end_alone_has_a_message_of_its_own_and_so_has_that_of_another_owner():
    player = Player(upstream={})
    opened(player, "a")
    said = player.at(days(9), *over("a"), found("b", owner="team:else"))
    assert sorted(said) == ["opened drift in b", "resolved drift in a"]


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_criticals_begin_and_end_by_themselves(severity):
    player = Player(upstream={})
    opened(player, "a", severity=severity)
    other = "critical" if severity == "warning" else "warning"
    player.at(days(9), *over("a"), found("b", "volume", other, partition="2013-03-09", **SHOP))
    assert sorted(each.event for now, each in player.said if now == days(9)) == ["opened", "resolved"]


def test_what_goes_together_is_one_message_of_the_budget_and_two_lines_beyond_it():
    player = Player(Policy(budget=1), upstream={})
    opened(player, "a")
    said = player.at(days(8), *over("a"), found("b", "volume", partition="2013-03-09", **SHOP))
    assert said == ["opened volume in b; over: drift in a"]
    assert player.at(days(9), found("c", partition="2013-03-09", **SHOP)) == []
    player.at(days(9.1), *[clean("b", "volume", partition=f"2013-03-{day}") for day in (10, 11)])
    assert [each.text for each in player.book.lines] == ["New: drift in c", "Over: volume in b"]


def test_quiet_hours_hold_both_back_and_lose_neither():
    player = Player(Policy(quiet=QuietHours(time(20), time(8), "UTC")), upstream={})
    opened(player, "a")
    assert player.at(hours(12 + 24 * 8), *over("a"), found("b", "volume", partition="2013-03-09", **SHOP)) == []
    assert player.at(days(9)) == ["opened volume in b; over: drift in a"]
