"""Small computed answers are made on the event loop, larger ones in a thread, and both say the same."""

from collections.abc import Callable

import pytest

from feature_platform.server import answering
from feature_platform.server.app import FeatureServer
from feature_platform_tests.server.driver import ask

EXACT = {"service": "exactly", "entities": [{"customer": name} for name in ("ann", "bob", "nobody", None)]}
OFFER = {"service": "offers", "entities": [{"customer": "ann", "price": 7}, {"customer": "bob", "price": None}]}
PARCEL = {"service": "parcels", "entities": [{"customer": "ann", "paid": 10.5, "weight": 1e9}]}


@pytest.mark.parametrize("body", [EXACT, OFFER, PARCEL], ids=["exact", "on-demand", "clipped"])
def test_a_small_answer_takes_no_thread_and_says_what_a_thread_says(
    start: Callable[..., FeatureServer], monkeypatch: pytest.MonkeyPatch, body: dict[str, object]
) -> None:
    monkeypatch.setattr(answering, "_AT_ONCE", -1)
    in_thread = start()
    expected = ask(in_thread, "/v1/features", body)
    assert in_thread.answering._pool._threads
    monkeypatch.undo()

    at_once = start()
    found = ask(at_once, "/v1/features", body)

    assert not at_once.answering._pool._threads
    assert (found.status, found.body) == (expected.status, expected.body)
    assert found.status == 200


def test_windows_over_more_events_than_are_quick_go_to_a_thread(
    start: Callable[..., FeatureServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ask(start(), "/v1/features", EXACT).body
    monkeypatch.setattr(answering, "_EVENTS_AT_ONCE", 1)
    server = start()
    assert ask(server, "/v1/features", EXACT).body == expected
    assert server.answering._pool._threads
