"""Several evaluations at once: one round, whatever their order; what was taken in before counts nothing twice."""

import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.monitoring.alerting import (
    AlertStore,
    CheckedScope,
    Evaluation,
    Policy,
    evaluate,
    evaluate_book,
    pending_messages,
)
from feature_platform.monitoring.alerting.alert import advance_alert
from feature_platform.monitoring.alerting.finding import combine_evaluations
from feature_platform_tests.effort import tries
from feature_platform_tests.monitoring.alerting.test_laws import CHECKED, FINDINGS, SILENCES
from feature_platform_tests.monitoring.alerting.words import NOON, UPSTREAM, Player, clean, days, event, found, hours

POLICY = Policy()
ROUNDS = st.lists(
    st.builds(
        lambda name, findings, checked: Evaluation(name, tuple(findings), tuple(checked)),
        st.sampled_from("abcdef"), st.lists(FINDINGS, max_size=3), st.lists(CHECKED, max_size=4),
    ),
    max_size=6, unique_by=lambda each: each.id,
)  # fmt: skip


def state(store):
    book = store.book()
    return book, pending_messages(store).count, {key: len(store.history(key)) for key in book.alerts}


@given(ROUNDS, st.data())
@settings(max_examples=tries(40), deadline=None)
def test_a_repeat_with_more_new_ones_beside_it_is_as_if_only_the_new_ones_had_come(rounds, data):
    before = data.draw(st.lists(st.sampled_from(rounds), unique=True) if rounds else st.just([]))
    again = data.draw(st.permutations(rounds))
    after = [each for each in again if each not in before]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        repeated, told = AlertStore(one), AlertStore(other)
        for store in (repeated, told):
            evaluate(store, before, UPSTREAM, POLICY, NOON)
        messages = evaluate(repeated, again, UPSTREAM, POLICY, hours(1))

        assert messages == (evaluate(told, after, UPSTREAM, POLICY, hours(1)) if after else ())
        assert state(repeated) == state(told)
        assert evaluate(repeated, data.draw(st.permutations(rounds)), UPSTREAM, POLICY, hours(2)) == ()
        assert state(repeated) == state(told)


@given(ROUNDS, SILENCES, st.data())
@settings(max_examples=tries(40), deadline=None)
def test_several_at_once_are_one_round_whatever_their_order(rounds, silences, data):
    mixed = data.draw(st.permutations(rounds))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        stores = [AlertStore(one), AlertStore(other)]
        for store in stores:
            store.change(lambda book: (type(book)(silences=tuple(silences[:1])), ()), NOON)
        pure = evaluate_book(stores[0].book(), combine_evaluations(rounds), UPSTREAM, POLICY, NOON)
        first, second = (
            evaluate(store, each, UPSTREAM, POLICY, NOON) for store, each in zip(stores, (rounds, mixed), strict=True)
        )

        assert first == second
        assert stores[0].book() == stores[1].book()
        if rounds:
            assert (first, stores[0].book()) == (pure[1], pure[0])


def test_a_broken_source_and_what_is_made_from_it_are_one_message_even_when_the_effect_comes_first(tmp_path):
    store = AlertStore(tmp_path)
    effect = Evaluation("views", (found("views/delays"), found("services/model")))
    cause = Evaluation("source", (found("sources/flights", "volume", "critical"),))

    messages = evaluate(store, [effect, cause], UPSTREAM, POLICY, NOON)

    assert [event(each) for each in messages] == ["opened volume in sources/flights, and 2 more"]
    assert store.known_evaluations(["views", "source", "other"]) == {"views", "source"}


def test_one_name_twice_in_a_round_counts_once(tmp_path):
    store = AlertStore(tmp_path)
    evaluate(store, [Evaluation("1", (found(),)), Evaluation("1", (found("sources/weather"),))], {}, POLICY, NOON)

    assert [each.finding.asset for each in store.book().alerts.values()] == ["sources/flights"]


def test_what_begins_in_the_round_in_which_another_trouble_ends_is_told_by_itself():
    player = Player(Policy(resolve_after=1))
    player.at(NOON, found("sources/flights", "volume"))
    said = player.at(hours(1), clean(kind="volume"), found("views/delays", "expectations", "critical"))
    assert sorted(said) == ["opened expectations in views/delays", "resolved volume in sources/flights"]


def test_nothing_to_take_in_changes_nothing(tmp_path):
    store = AlertStore(tmp_path)
    assert evaluate(store, [], UPSTREAM, POLICY, NOON) == ()
    assert store.known_evaluations([]) == set()


def test_one_conclusive_look_ends_an_alert_where_others_have_to_be_repeated():
    player = Player(Policy(resolve_after=3))
    player.at(NOON, found())
    assert player.at(days(1), clean(partition="2013-03-02")) == []
    sure = CheckedScope("sources/flights", "drift", "2013-03-03", conclusive=True)
    assert player.at(days(2), sure) == ["resolved drift in sources/flights"]


def test_a_conclusive_look_at_an_older_partition_or_beside_a_finding_ends_nothing():
    alert = advance_alert(None, [found(partition="2013-03-05")], [], 2, NOON)
    old = advance_alert(alert, [], ["2013-03-04"], 2, NOON, conclusive=["2013-03-04"])
    same = advance_alert(alert, [found(partition="2013-03-05")], ["2013-03-05"], 2, NOON, conclusive=["2013-03-05"])
    assert old.is_active
    assert same.is_active
    assert not advance_alert(alert, [], [""], 2, NOON, conclusive=[""]).is_active
