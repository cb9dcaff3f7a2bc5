"""Laws of telling, on drawn histories of findings."""

from collections import Counter
from datetime import time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.monitoring.alerting import (
    Book,
    CheckedScope,
    Evaluation,
    Policy,
    QuietHours,
    Silence,
    evaluate_book,
)
from feature_platform.monitoring.alerting.alert import advance_alert
from feature_platform_tests.effort import tries
from feature_platform_tests.monitoring.alerting.words import NOON, OWNERS, UPSTREAM, Player, days, found

ASSETS = [*OWNERS, "sources/other"]
PARTITIONS = [f"2013-03-{day:02}" for day in range(1, 8)]
POLICIES = st.builds(
    Policy,
    budget=st.integers(0, 3),
    resolve_after=st.integers(1, 3),
    remind_critical=st.sampled_from(["6h", "1d"]),
    remind_warning=st.sampled_from(["1d", "3d"]),
    quiet=st.sampled_from([None, QuietHours(time(20), time(8), "America/New_York")]),
)
FINDINGS = st.builds(
    found,
    st.sampled_from(ASSETS),
    st.sampled_from(["drift", "volume"]),
    st.sampled_from(["info", "warning", "warning", "critical"]),
    st.sampled_from(PARTITIONS),
    column=st.sampled_from([None, "x"]),
)
CHECKED = st.builds(
    CheckedScope, st.sampled_from(ASSETS), st.sampled_from(["drift", "volume"]), st.sampled_from(PARTITIONS)
)
STEPS = st.lists(
    st.tuples(st.integers(0, 30), st.lists(FINDINGS, max_size=5), st.lists(CHECKED, max_size=6)), max_size=8
)
SILENCES = st.lists(
    st.builds(
        lambda asset, hours, below: Silence("s", asset, NOON + timedelta(hours=hours), NOON, downstream=below),
        st.sampled_from([*ASSETS, "views/*"]), st.integers(1, 200), st.booleans(),
    ),
    max_size=2,
)  # fmt: skip


def played(steps, policy, silences=(), order=lambda each: each):
    """Every evaluation with the book and messages after it, then ticks until nothing is left to say."""
    book, now, after = Book(silences=tuple(silences)), NOON, []
    for hours, findings, checked in [*steps, *[(12, [], [])] * 12]:
        now += timedelta(hours=hours)
        evaluation = Evaluation("e", tuple(order(findings)), tuple(order(checked)))
        book, messages = evaluate_book(book, evaluation, UPSTREAM, policy, now)
        after.append((now, book, messages))
    return after


@given(STEPS, POLICIES)
@settings(max_examples=tries(30), deadline=None)
def test_every_episode_of_everything_found_is_named_in_some_message(steps, policy):
    after = played(steps, policy)

    named, begun = set(), set()
    for _, book, messages in after:
        begun |= {(each.fingerprint, each.episode) for each in book.alerts.values()}
        named |= {(key, book.alerts[key].episode) for each in messages for key in each.about}
        lines = [key for line in book.lines for key in line.about]
        named |= {(key, book.alerts[key].episode) for key in lines}  # an episode may end while its line waits
    assert {key for key, _ in begun} >= {each.fingerprint for _, findings, _ in steps for each in findings}
    now, book, _ = after[-1]
    lasting = {(each.fingerprint, each.episode) for each in book.alerts.values() if each.is_active}
    assert begun - named - lasting == set()
    assert all(now - each.at < timedelta(days=2) for each in book.lines)  # a day, and the quiet hours at its end
    for key, episode in lasting - named:  # found after its root was told, and silent until the next reminder
        root = book.alerts[key].root
        assert root is not None, (key, episode)


@given(STEPS, POLICIES, SILENCES)
@settings(max_examples=tries(30), deadline=None)
def test_nothing_is_told_twice(steps, policy, silences):
    after = played(steps, policy, silences)

    keys = Counter(each.key for _, _, messages in after for each in messages)
    assert not [key for key, count in keys.items() if count > 1]
    for now, book, _ in after[: len(steps)]:
        assert evaluate_book(book, Evaluation("again"), UPSTREAM, policy, now) == (book, ())


@given(STEPS, POLICIES, SILENCES, st.randoms(use_true_random=False))
@settings(max_examples=tries(12), deadline=None)
def test_the_order_of_findings_does_not_matter(steps, policy, silences, random):
    def shuffled(each):
        return random.sample(each, len(each))

    plain, mixed = played(steps, policy, silences), played(steps, policy, silences, shuffled)

    for (_, book, messages), (_, other, others) in zip(plain, mixed, strict=True):
        assert dict(book.alerts) == dict(other.alerts)
        assert (book.pages, book.lines, messages) == (other.pages, other.lines, others)


@given(st.lists(st.lists(CHECKED, max_size=20), max_size=10), POLICIES)
@settings(max_examples=tries(30), deadline=None)
def test_a_clean_run_says_nothing(rounds, policy):
    for now, book, messages in played([(24, [], checked) for checked in rounds], policy):
        assert (messages, book.alerts, book.lines) == ((), {}, ()), now


@given(STEPS, POLICIES, SILENCES)
@settings(max_examples=tries(30), deadline=None)
def test_budget_and_quiet_hours_hold_for_all_but_criticals(steps, policy, silences):
    sent, digests = [], []
    for now, book, messages in played(steps, policy, silences):
        for each in messages:
            owner = book.alerts[each.about[0]].finding.owner
            if each.event == "digest":
                digests.append((now, owner))
            elif each.severity != "critical":
                sent.append((now, owner))
            if each.event == "digest" or each.severity != "critical":
                assert policy.quiet is None or not policy.quiet.hold(now)
    for now, owner in sent:
        week = [1 for at, other in sent if other == owner and now - timedelta(days=7) < at <= now]
        assert len(week) <= policy.budget
    for now, owner in digests:
        assert sum(other == owner and now - timedelta(days=1) < at <= now for at, other in digests) == 1


@given(STEPS, POLICIES, SILENCES)
@settings(max_examples=tries(30), deadline=None)
def test_what_speaks_for_others_is_heard_itself(steps, policy, silences):
    for now, book, _ in played(steps, policy, silences):
        for alert in book.alerts.values():
            if alert.root is not None:
                root = book.alerts[alert.root]
                assert root.root is None
                assert not root.is_silenced(now)
                assert root.is_active or (root.paged and root.resolved_at >= alert.seen_at)
            elif alert.is_active and not alert.is_silenced(now) and alert.severity == "critical":
                assert alert.told_at is not None  # it stands alone, so it was told at once


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["", *PARTITIONS])), max_size=20), st.integers(1, 3))
def test_an_alert_ends_as_the_rule_says(looks, resolve_after):
    """Naively: go back from the end to the newest bad look that says something about now, and count good ones."""
    alert, newest, row, active = None, "", 0, False
    for number, (bad, partition) in enumerate(looks):
        findings = [found(partition=partition)] if bad else []
        alert = advance_alert(alert, findings, [partition], resolve_after, days(number))
        if alert is not None and alert.owes_end:
            raise AssertionError("nothing was told here")
        if bad:
            if not active:
                active, newest, row = True, partition, 0
            elif partition == "" or partition >= newest:
                newest, row = max(newest, partition), 0
        elif active and (partition == "" or partition >= newest):
            row += 1
            active = row < resolve_after
        assert (alert is not None and alert.is_active) == active


def test_a_clean_year_of_forty_assets_says_nothing():
    player = Player(upstream={f"a/{n}": [f"a/{n - 1}"] for n in range(1, 40)})
    for day in range(365):
        assert player.at(days(day), *(CheckedScope(f"a/{n}", "drift", f"{day:03}") for n in range(40))) == []
