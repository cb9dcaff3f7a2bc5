"""Online, a view that publishes at the midnights of a time zone says what offline says, also where clocks change."""

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.online import Lmdb
from feature_platform.serving import online_features
from feature_platform.serving.publication import publish
from feature_platform_tests.effort import tries
from feature_platform_tests.serving.test_online_equals_offline import ENTITIES, KINDS, Event, Shape, compare, frame
from feature_platform_tests.zones import CHANGES, HOUR, Change

pytestmark = pytest.mark.usefixtures("unrecorded")

DELAYS = {None: timedelta(0), "1h": HOUR, "30h": 30 * HOUR}


def midnights_of(change: Change) -> list[datetime]:
    return [midnight for midnight in change.midnights() if change.first < midnight <= change.last]


def edges(change: Change, delay: str | None) -> list[datetime]:
    """The moments at which a midnight comes out, and those just before and behind, in the order of time."""
    out = [midnight + DELAYS[delay] for midnight in midnights_of(change)]
    return sorted(moment + timedelta(microseconds=us) for moment in out for us in (-1, 0, 1))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("kind", ["snapshot", "row over snapshot"])
@settings(derandomize=True, deadline=None, max_examples=tries(3, fewest=1), database=None, phases=[Phase.generate])
@given(data=st.data())
def test_online_says_what_offline_says_where_the_clocks_of_a_cadence_change(
    kind: str, change: Change, data: st.DataObject
) -> None:
    hours = st.integers(0, 6 * 24 - 1).map(lambda hour: change.first + hour * HOUR)
    drawn = st.tuples(st.sampled_from(["ann", "bob"]), st.just(1), hours, hours, st.sampled_from([None, 1.0, 2.5]))
    delay = data.draw(st.sampled_from(sorted(DELAYS, key=str)))
    shape = Shape(ENTITIES[0], None, data.draw(st.sampled_from([None, "1d"])), delay, "1d", tz=change.tz)
    events: list[Event] = data.draw(st.lists(drawn, min_size=2, max_size=8))
    asked = edges(change, delay)
    with TemporaryDirectory() as folder:
        store, online = fp.OfflineStore(folder), Lmdb(Path(folder) / "online")
        start = 0
        for _ in range(3):
            view = KINDS[kind](shape, frame(events))
            fp.materialize(view, store, change.first, change.last)
            publish(view, store, online, now=asked[start])
            compare(view, store, online, asked[start:])
            start = data.draw(st.integers(start, len(asked) - 1))
            events = events + data.draw(st.lists(drawn, min_size=1, max_size=2))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_value_of_a_midnight_is_served_from_its_delay_on(tmp_path: Path, change: Change) -> None:
    events: list[Event] = [
        ("ann", 1, midnight - HOUR, None, float(number)) for number, midnight in enumerate(midnights_of(change))
    ]
    view = Shape(ENTITIES[0], None, None, "1h", "1d", tz=change.tz).snapshot(frame(events))
    store, online = fp.OfflineStore(tmp_path), Lmdb(tmp_path / "online")
    fp.materialize(view, store, change.first, change.last)
    publish(view, store, online, now=midnights_of(change)[0] + HOUR)
    for number, midnight in enumerate(midnights_of(change)):
        for after, expected in ((HOUR - timedelta(microseconds=1), number - 1), (HOUR, number)):
            if expected >= 0:
                found = online_features(view, {"customer": ["ann"]}, online, midnight + after)
                assert found["amount_sum_6h"].to_list() == [float(expected)]
