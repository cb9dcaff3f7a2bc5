"""What people are told: once, grouped by cause, when they want to hear it, and until it is over."""

import json
from dataclasses import replace

import pytest

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.monitoring.alerting import CheckedScope, Policy, Silence, policy_of
from feature_platform.monitoring.alerting.alert import acknowledge_alert, resolve_alert
from feature_platform_tests.monitoring.alerting.words import NIGHT, NOON, Player, clean, days, found, hours, key


def test_the_same_trouble_in_many_partitions_is_one_alert():
    player = Player()

    said = player.at(NOON, found(partition="2013-03-02"), found(partition="2013-03-01"), found(partition="2013-03-03"))

    assert said == ["opened drift in sources/flights"]
    assert (player.alert().since, player.alert().newest) == ("2013-03-01", "2013-03-03")
    assert player.at(hours(1), found(partition="2013-03-04")) == []


def test_a_broken_source_is_one_alert_and_not_forty():
    columns = [found("views/delays", column=f"c{n}") for n in range(20)]
    more = [found("views/hours", column=f"c{n}", severity="critical") for n in range(18)]
    player = Player()

    said = player.at(NOON, *columns, *more, found("services/model"), found(kind="volume"))

    assert said == ["opened volume in sources/flights, and 39 more"]
    [(_, message)] = player.said
    assert message.severity == "critical"  # one of those that it speaks for is
    assert message.owners == ("data", "features", "ml")
    assert len(message.about) == 40
    assert "- [critical] drift of c0 in views/hours since 2013-03-01" in message.text
    assert "- and 19 more" in message.text


def test_what_was_found_downstream_first_is_told_with_its_cause_from_then_on():
    player = Player()
    assert player.at(NOON, found("views/delays")) == ["opened drift in views/delays"]
    assert player.at(hours(2), found(kind="volume")) == ["opened volume in sources/flights, and 1 more"]
    assert player.alert("views/delays").root == key(kind="volume")
    assert player.at(days(7), found("views/delays"), found(kind="volume")) == []
    assert player.at(days(8)) == ["reminder volume in sources/flights, and 1 more"]


@pytest.mark.parametrize(
    ("later", "finding"),
    [
        (40, found("views/delays")),  # too late to be the same trouble
        (1, found("views/delays", partition="2013-02-20")),  # began before its supposed cause
        (1, found("sources/weather")),  # nothing joins them
        (40, found(column="other")),
    ],
)
def test_what_is_another_trouble_is_told_by_itself(later, finding):
    player = Player()
    player.at(NOON, found(kind="volume"))

    [said] = player.at(hours(later), finding)

    assert said.startswith("opened drift")


def test_what_happened_later_is_no_cause_and_speaks_for_nothing_earlier():
    player = Player()
    player.at(NOON, found(kind="unit", column="fare", at=hours(-20)))

    said = player.at(hours(1), found(kind="expectations", severity="critical", partition="", at=hours(0.5)))

    assert said == ["opened expectations in sources/flights"]
    assert "Affected" not in player.said[-1][1].text
    assert player.at(days(8), found(kind="unit", column="fare", at=hours(-20))) != []
    reminder = next(each for _, each in player.said[2:] if "unit" in each.subject)
    assert "Likely cause: not known" in reminder.text


def test_in_one_look_too_a_refused_write_is_no_cause_of_rows_that_were_written_before_it():
    refusal = found(kind="expectations", severity="critical", partition="", at=hours(-1))
    drift = found(column="fare", at=hours(-20))
    for upstream_drift in (drift, found("views/delays", column="fare", at=hours(-20))):
        player = Player()
        said = player.at(NOON, refusal, upstream_drift)
        assert [each.split()[:2] for each in said] == [["opened", "expectations"], ["opened", "drift"]]
        assert all(
            "expectations in" not in each.text.split("\n", 1)[1] for _, each in player.said if "drift" in each.subject
        )


def test_of_one_asset_the_most_severe_speaks_and_what_began_before_it_is_told_by_itself():
    player = Player()
    same, before = found(kind="drift", column="x"), found(kind="drift", column="y", partition="2013-02-27")
    assert player.at(NOON, same, before, found(kind="dead", column="x", severity="critical")) == [
        "opened dead of x in sources/flights, and 1 more", "opened drift of y in sources/flights",
    ]  # fmt: skip


def test_lineage_that_runs_in_a_circle_hides_nothing():
    player = Player(upstream={"a": ["b"], "b": ["a"], "c": ["c"]})
    assert len(player.at(NOON, found("a"), found("b"), found("c"))) == 3


def test_a_new_owner_downstream_hears_of_it_once():
    player = Player()
    player.at(NOON, found(kind="volume"))
    assert player.at(hours(1), found("views/delays")) == ["wider volume in sources/flights, and 1 more"]
    assert player.at(hours(2), found("views/hours")) == []
    assert player.said[-1][1].owners == ("data", "features")


def test_something_worse_is_told_and_takes_the_acknowledgement_back():
    player = Player()
    player.at(NOON, found())
    acked = acknowledge_alert(player.alert(), "ann", hours(1))
    player.book = replace(player.book, alerts={acked.fingerprint: acked})

    assert player.at(days(9), found()) == []
    assert player.alert().state(days(9)) == "acknowledged"
    assert player.at(days(10), found(severity="critical")) == ["worse drift in sources/flights"]
    assert player.alert().status == "open"


def test_an_alert_ends_after_clean_evaluations_in_a_row_and_says_so_once():
    player = Player(Policy(resolve_after=2))
    player.at(NOON, found())
    assert player.at(hours(1), clean()) == []
    assert player.at(hours(2), found(partition="2013-03-03")) == []  # begins anew
    assert player.at(hours(3), clean(partition="2013-03-04")) == []
    assert player.at(hours(4), clean(partition="2013-03-05")) == ["resolved drift in sources/flights"]
    assert player.at(hours(5), clean(partition="2013-03-06")) == []
    assert player.at(hours(6), found(partition="2013-03-07")) == ["reopened drift in sources/flights"]


@pytest.mark.parametrize(
    "checked",
    [
        [clean(partition="2013-02-01"), clean(partition="2013-02-02")],  # a backfill of good old partitions
        [
            clean("views/delays"),
            clean(kind="volume"),
            clean("views/delays", partition="2013-03-09"),
        ],  # of something else
        [],
    ],
)
def test_what_says_nothing_about_it_ends_no_alert(checked):
    player = Player(Policy(resolve_after=1))
    player.at(NOON, found())
    assert player.at(hours(1), *checked) == []
    assert player.alert().is_active


def test_members_whose_cause_is_over_are_not_told_for_the_hours_until_they_are_over_too():
    player = Player(Policy(resolve_after=1))
    player.at(NOON, found(kind="volume"), found("views/delays"))
    assert player.at(hours(24), clean(kind="volume")) == ["resolved volume in sources/flights, and 1 more"]
    assert player.at(hours(25)) == []
    assert player.at(hours(26), clean("views/delays")) == []


def test_members_that_stay_when_their_cause_is_over_are_told():
    player = Player(Policy(resolve_after=1))
    player.at(NOON, found(kind="volume"), found("views/delays"))
    player.at(hours(24), clean(kind="volume"))
    assert player.at(hours(25), found("views/delays", partition="2013-03-02")) == ["opened drift in views/delays"]


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_what_begins_and_ends_in_one_look_is_told_once_with_what_it_was(severity):
    bad = [found(kind="unit", column=each, severity=severity, evidence=f"{each} x1000") for each in "abc"]
    good = [CheckedScope("sources/flights", "unit", f"2013-03-{day:02}", each) for day in range(2, 9) for each in "abc"]
    player = Player()

    assert player.at(NOON, *bad, *good, found("views/delays"), *map(clean_view, range(2, 9))) == [
        "passed unit of b in sources/flights, and 3 more"
    ]

    [(_, message)] = player.said
    assert message.subject == f"[{severity}] Began and is over: unit of b in sources/flights, and 3 more"
    assert message.severity == severity
    assert "What:         b x1000\nSince:        partition 2013-03-01" in message.text
    assert "State:        resolved (ended after 7 clean evaluations)" in message.text
    assert f"- [{severity}] unit of c in sources/flights since 2013-03-01" in message.text
    assert player.at(hours(1)) == player.at(days(30)) == []
    assert player.at(days(31), found(kind="unit", column="a", partition="2013-04-01")) == [
        "reopened unit of a in sources/flights"
    ]


def clean_view(day: int) -> CheckedScope:
    return clean("views/delays", partition=f"2013-03-{day:02}")


def test_past_the_budget_what_begins_and_ends_in_one_look_is_in_the_digest_and_criticals_go_out():
    player = Player(Policy(budget=0, resolve_after=1), upstream={})
    bad = [found("s/warn", owner="data"), found("s/bad", severity="critical", owner="data")]
    assert player.at(NOON, *bad, clean("s/warn"), clean("s/bad")) == ["passed drift in s/bad"]
    assert player.at(days(1)) == ["digest 1"]


def test_warnings_that_begin_and_end_in_one_look_are_one_message_and_criticals_have_their_own():
    player = Player(Policy(resolve_after=1), upstream={})
    bad = [found(asset, severity=how) for asset, how in (("s/a", "warning"), ("s/b", "warning"), ("s/c", "critical"))]
    assert player.at(NOON, *bad, *(clean(each.asset) for each in bad)) == [
        "passed drift in s/c", "passed drift in s/a, and 1 more",
    ]  # fmt: skip
    assert "Over as well (1):\n- [warning] drift in s/b since 2013-03-01" in player.said[-1][1].text


@pytest.mark.parametrize("budget", [0, 10])
def test_what_becomes_critical_and_ends_in_one_look_is_told_as_critical(budget):
    player = Player(Policy(budget=budget, resolve_after=1, digest="30d"))
    player.at(NOON, found())
    said = player.at(hours(1), found(severity="critical", partition="2013-03-02"), clean(partition="2013-03-03"))
    assert said == ["resolved drift in sources/flights" if budget else "passed drift in sources/flights"]
    assert player.said[-1][1].severity == "critical"
    assert player.at(hours(2)) == []


def test_what_is_silenced_and_over_in_one_look_is_told_to_nobody():
    player = Player(Policy(resolve_after=1))
    player.book = replace(player.book, silences=(Silence("1", "sources/*", hours(5), NOON),))
    assert player.at(hours(1), found(severity="critical"), clean()) == []
    assert player.at(days(3)) == []


def test_the_newest_partition_is_what_an_alert_shows_and_its_worst_severity_stays():
    player = Player()
    player.at(NOON, found(partition="2013-03-03", evidence="new"))
    player.at(hours(1), found(partition="2013-03-02", evidence="old", severity="critical"))
    assert (player.alert().finding.evidence, player.alert().severity) == ("new", "critical")
    assert (player.alert().since, player.alert().newest) == ("2013-03-02", "2013-03-03")
    player = Player()
    player.at(NOON, found(partition="2013-03-02", severity="critical", evidence="old"), found(partition="2013-03-03"))
    assert player.alert().finding.partition == "2013-03-03"


def test_past_the_budget_warnings_go_into_a_digest_and_criticals_go_out():
    player = Player(Policy(budget=2, remind_critical="30d", remind_warning="30d"), upstream={})
    warnings = [found(f"s/{n}", owner="data") for n in range(5)]
    said = player.at(NOON, *warnings, found("s/bad", severity="critical", owner="data"))

    assert said[0] == "opened drift in s/bad"
    assert len(said) == 2  # the critical counts
    assert player.at(hours(23.9)) == []
    assert player.at(hours(24)) == ["digest 4"]
    assert player.at(hours(25), found("s/other", owner="somebody else")) == ["opened drift in s/other"]
    assert player.at(days(6.99), found("s/7", owner="data")) == []
    assert player.at(days(7), found("s/8", owner="data")) == ["opened drift in s/8"]  # the week is over
    assert player.at(days(8), found("s/9", severity="critical", owner="data")) == ["opened drift in s/9", "digest 1"]


def test_infos_are_only_ever_in_a_digest():
    player = Player()
    assert player.at(NOON, found(severity="info")) == []
    assert player.at(days(1)) == ["digest 1"]
    assert player.at(days(30)) == []


def test_what_is_silenced_is_kept_and_told_when_the_silence_is_over():
    player = Player()
    player.book = replace(player.book, silences=(Silence("1", "sources/*", hours(5), NOON),))
    assert player.at(hours(1), found(kind="volume"), found("views/delays")) == ["opened drift in views/delays"]
    assert player.alert(kind="volume").state(hours(1)) == "silenced"
    assert player.at(hours(4.99)) == []
    assert player.alert(kind="volume").state(hours(5)) == "open"  # the end is not in it
    assert player.at(hours(5)) == ["opened volume in sources/flights, and 1 more"]
    assert player.book.silences == ()


def test_a_silence_downstream_covers_what_is_made_from_the_asset():
    player = Player()
    player.book = replace(player.book, silences=(Silence("1", "sources/flights", hours(5), NOON, downstream=True),))
    assert player.at(hours(1), found(), found("services/model"), found("sources/weather")) == [
        "opened drift in sources/weather"
    ]


def test_the_end_by_hand_is_told_and_a_new_finding_is_a_new_episode():
    player = Player()
    player.at(NOON, found())
    over = resolve_alert(player.alert(), hours(1), "ann", "planned")
    player.book = replace(player.book, alerts={over.fingerprint: over})
    assert player.at(hours(2)) == ["resolved drift in sources/flights"]
    assert "resolved by ann" in player.said[-1][1].text
    assert player.at(hours(3), found()) == ["reopened drift in sources/flights"]
    assert player.alert().episode == 2


def test_acknowledging_before_it_was_told_hides_nothing_worse():
    player = Player(NIGHT)
    player.at(hours(10), found())
    acked = acknowledge_alert(player.alert(), "ann", hours(10))
    player.book = replace(player.book, alerts={acked.fingerprint: acked})
    assert player.at(hours(20)) == []
    assert player.at(hours(21), found(severity="critical")) == ["worse drift in sources/flights"]


def test_a_message_says_what_since_when_how_big_compared_to_what_why_who_and_what_to_do():
    player = Player()
    player.at(NOON, found(kind="schema", partition="2013-02-28", evidence="column `gate` is gone"))
    finding = found(
        "views/delays", "null_rate", "critical", "2013-03-03", column="dep_delay", size=0.3812345,
        measure="share of nulls", compared_to="0.02 in the trailing 90d", since="2013-03-01",
        evidence="38% of the rows have no dep_delay", causes=("code version 3f9a is new",), remedy="roll back the view",
    )  # fmt: skip
    player.at(days(3), finding)

    [_, (_, message)] = player.said
    assert message.subject == "[critical] New: null_rate of dep_delay in views/delays"
    assert message.text == (
        "New [critical]: null_rate of dep_delay in views/delays\n\n"
        "What:         38% of the rows have no dep_delay\n"
        "Since:        partition 2013-03-01, last in 2013-03-03\n"
        "How big:      0.3812 share of nulls\n"
        "Compared to:  0.02 in the trailing 90d\n"
        "Likely cause: code version 3f9a is new; schema in sources/flights since 2013-02-28\n"
        "Owner:        features\n"
        "What to do:   roll back the view\n"
        "State:        open\n\n"
        f"Details: feature-platform alerts show {message.about[0][:8]}"
    )
    told = json.loads(message.json)
    assert (told["format"], told["key"], told["event"]) == (1, message.key, "opened")
    assert told["alert"]["size"] == 0.3812345
    assert told["alert"]["causes"] == ["code version 3f9a is new", "schema in sources/flights since 2013-02-28"]


def test_names_from_data_cannot_add_lines_or_control_characters():
    wicked = found(column="x\r\nBcc: all\x1b[31m\u202e" * 100, evidence="a\nb" * 1000, remedy="\x00", owner="o\nwner")
    player = Player()
    player.at(NOON, wicked, *(found(column=f"{n}\n") for n in range(300)))

    [(_, message)] = player.said
    assert len(message.subject) <= 150
    assert message.subject.isprintable()
    assert len(message.text) <= 20_000
    assert all(line.isprintable() for line in message.text.split("\n"))
    assert len(message.json) < 20_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"budgett": 3}, {"budget": -1}, {"budget": True}, {"resolve_after": 0}, {"digest": "soon"}, {"together": 3},
        {"quiet": "22-7 UTC"}, {"quiet": "22:00-22:00 UTC"}, {"quiet": "22:00-25:00 UTC"}, {"quiet": 3},
        {"quiet": "22:00-07:00 Mars/Olympus"}, {"quiet": "22:00-07:00 ../../etc"},
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused(wrong):
    with pytest.raises(InvalidDeclaration, match=r"Setting `alerts|Quiet hours"):
        policy_of(wrong)


@pytest.mark.parametrize("wrong", [{"asset": ""}, {"kind": ""}, {"evidence": ""}, {"severity": "fatal"}])
def test_a_finding_that_says_nothing_is_refused(wrong):
    with pytest.raises(InvalidDeclaration, match="A finding"):
        found(**wrong)
