"""One request must not hold the others: a key is worked out once, and too much work is refused before it is begun."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from feature_platform.compute.serving.tables import ServedTable
from feature_platform.declarations.service import FeatureService
from feature_platform.ground.errors import TooMuchWork
from feature_platform.online.base import Reader
from feature_platform.server.app import FeatureServer
from feature_platform.server.limits import Limits
from feature_platform.serving import windows
from feature_platform.serving.service import ServedService, WorkBounds
from feature_platform_tests.server import declared
from feature_platform_tests.server.conftest import Start
from feature_platform_tests.server.driver import ask

NATIVE, FEAST = "/v1/features", "/get-online-features"
SERVICES = [
    declared.shop_service,
    declared.exact_service,
    declared.typed_service,
    FeatureService("all", declared.VIEWS, full_names=True),
]


class Recorded(Reader):
    """A reader that remembers what it was asked for."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.asked: list[Sequence[bytes | None]] = []

    def get(
        self, view: str, keys: Sequence[bytes | None], *, most: int | None = None
    ) -> tuple[ServedTable, Sequence[bytes | None]]:
        self.asked.append(keys)
        return self.reader.get(view, keys)

    def refresh(self) -> None:
        self.reader.refresh()

    def close(self) -> None:
        self.reader.close()


@pytest.fixture
def recorded(server: FeatureServer) -> Recorded:
    return Recorded(server.answering.catalogue.reader)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_key_that_is_asked_for_again_and_again_is_worked_out_once(
    recorded: Recorded, service: FeatureService
) -> None:
    served = ServedService(service, recorded)
    one: dict[str, list[Any]] = {"customer": ["ann"], "number": [1], "tail": ["N1"]}
    many = {name: values * 1_000 for name, values in one.items()}
    (row,) = json.loads(b"[%b]" % served.rows(one, 1, declared.NOW))
    alone = [list(keys) for keys in recorded.asked]
    recorded.asked.clear()

    rows = json.loads(b"[%b]" % served.rows(many, 1_000, declared.NOW))

    assert rows == [row] * 1_000
    again = [list(keys) for keys in recorded.asked]
    assert [keys for keys in again if keys] == [keys for keys in alone if keys]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_repeated_keys_are_answered_in_their_places(recorded: Recorded, service: FeatureService) -> None:
    served = ServedService(service, recorded)
    entities: dict[str, list[Any]] = {
        "customer": ["bob", "ann", None, "bob", "nobody", "ann", None],
        "number": [2, 1, None, 2, 9, 1, None],
        "tail": ["N2", "N1", None, "N2", "N9", "N1", None],
    }

    def told(columns: dict[str, list[Any]]) -> list[Any]:
        height = len(columns["customer"])
        return json.loads(b"[%b]" % served.rows(columns, height, declared.NOW))

    each = [told({name: [values[n]] for name, values in entities.items()})[0] for n in range(7)]
    assert told(entities) == each


def hot(count: int) -> dict[str, Any]:
    return {"service": "exactly", "entities": [{"customer": "ann"}] * count}


def test_windows_over_too_many_events_are_refused_before_they_are_begun(start: Start) -> None:
    server = start(limits=Limits(events=1))
    fine = start(limits=Limits(events=3))

    told = ask(server, NATIVE, hot(1))
    feast = ask(server, FEAST, {"feature_service": "exactly", "entities": {"customer": ["ann"]}})

    assert told.status == feast.status == 429
    assert told.json["error"] == "TooMuchWork"
    assert "`exact` would be computed from 3 events, and one may take at most 1" in told.json["message"]
    assert "--max-events" in told.json["message"]
    assert ask(fine, NATIVE, hot(1_000)).status == 200, "the key counts once"
    assert ask(server, NATIVE, {"service": "shop", "entities": [{"customer": "ann"}]}).status == 200


def test_what_many_keys_hold_is_not_read_to_the_end_to_be_refused(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "_ROOM", 0)
    monkeypatch.setattr(windows, "_EVENT_BYTES", 1)
    server = start(limits=Limits(events=10))

    told = ask(server, NATIVE, hot(1))

    assert told.status == 429
    assert "what it reads comes to more than 10 bytes" in told.json["message"]


def test_python_has_no_bound_and_a_served_one_tells_what_it_found(recorded: Recorded) -> None:
    served = ServedService(declared.exact_service, recorded)
    entities = {"customer": ["ann", "bob"]}
    served.rows(entities, 2, declared.NOW)

    served.bounds = WorkBounds(events=2)
    with pytest.raises(TooMuchWork, match="at most 2"):
        served.rows(entities, 2, declared.NOW)


@pytest.mark.parametrize("service", ["shop", "everything"])
def test_rows_that_take_long_to_look_through_are_found_in_a_thread(server: FeatureServer, service: str) -> None:
    wanted: dict[str, Any] = {"service": service}
    if service == "everything":
        wanted = {"features": ["last_order:last_amount", "everybody:count_2d"]}
    body = {**wanted, "entities": [{"customer": "ann"}, {"customer": "nobody"}]}
    expected = ask(server, NATIVE, body).json
    sent = json.dumps(body).encode()
    assert server.answer_at_once(NATIVE, (), sent) is not None

    for plans in (server.answering.catalogue._services, server.answering.catalogue._lists):
        for plan in plans.values():
            plan.served.bounds = WorkBounds(entries=10)

    assert server.answer_at_once(NATIVE, (), sent) is None
    assert ask(server, NATIVE, body).json == expected
