"""The laws are worth what their frames hold: most of them must have something to find, and something to get wrong."""

from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform_tests.compute.drawn import HOURS, KEYS, PARTS, VALUES, drawn_rows
from feature_platform_tests.compute.naive import outcome, window, winner


def share(strategy, holds):
    """In which share of the examples something holds."""
    found = []

    @settings(derandomize=True, max_examples=100)  # a share of few says little
    @given(strategy)
    def look(example):
        found.append(bool(holds(*example)))

    look()
    return sum(found) / len(found)


def keyed(rows, size):
    return [(row[:2][:size], *row[2:]) for row in rows]


SIDES = st.tuples(
    drawn_rows(KEYS, PARTS, HOURS), drawn_rows(KEYS, PARTS, HOURS, HOURS, VALUES), st.sampled_from([0, 1, 2])
)


def test_most_spines_find_a_row_and_a_label():
    assert share(SIDES, lambda spine, rows, n: any(winner(r[:n], r[2], keyed(rows, n)) for r in spine)) > 0.6
    assert share(SIDES, lambda spine, rows, n: any(outcome(r[:n], r[2], keyed(rows, n)) for r in spine)) > 0.6


def test_often_a_row_is_not_seen_only_because_it_is_not_known_yet():
    def matters(spine, rows, n):
        on_time = [(key, event, event, value) for key, event, _, value in keyed(rows, n)]
        return any(
            winner(r[:n], r[2], keyed(rows, n))
            and winner(r[:n], r[2], keyed(rows, n))[2:] != winner(r[:n], r[2], on_time)[2:]
            for r in spine
            if winner(r[:n], r[2], on_time)
        )

    assert share(SIDES, matters) > 0.4


def test_often_a_time_to_live_takes_a_winner_away():
    def matters(spine, rows, n):
        return any(winner(r[:n], r[2], keyed(rows, n)) and not winner(r[:n], r[2], keyed(rows, n), 2) for r in spine)

    assert share(SIDES, matters) > 0.25


def test_most_windows_differ_by_their_length_and_hold_several_values():
    def matters(spine, rows, n):
        held = [
            [window(r[:n], r[2], keyed(rows, n), length) for length in (1, 3, 12)] for r in spine if r[2] is not None
        ]
        return any(0 < len(short) < len(longer) for short, longer, _ in held) or any(len(each[2]) > 2 for each in held)

    assert share(SIDES, matters) > 0.5


def test_often_event_times_are_equal_within_a_key():
    def matters(_, rows, n):
        times = [(key, event) for key, event, *_ in keyed(rows, n) if None not in key and event is not None]
        return len(set(times)) < len(times)

    assert share(SIDES, matters) > 0.6
