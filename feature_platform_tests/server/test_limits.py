"""What a client can do wrong is a 4xx that says what, never a 5xx, and never shows a value."""

import json

import pytest

from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.server.app import FeatureServer
from feature_platform.server.errors import status_of
from feature_platform.server.limits import Limits
from feature_platform_tests.server.conftest import Start
from feature_platform_tests.server.driver import ask

NATIVE, FEAST = "/v1/features", "/get-online-features"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"service": "shop"}, 422, "entities"),
        ({"entities": []}, 422, "neither"),
        ({"service": "shop", "features": ["a:b"], "entities": []}, 422, "both"),
        ({"service": "nothing", "entities": []}, 404, "no feature service"),
        ({"features": ["nothing:x"], "entities": []}, 404, "no feature view"),
        ({"features": ["last_order:x"], "entities": []}, 404, "no feature `x`"),
        ({"features": [":"], "entities": []}, 422, "colon"),
        ({"features": ["spending:customer"], "entities": []}, 422, "join key"),
        ({"features": ["spending:count_2d", "everybody:count_2d"], "entities": []}, 422, "count_2d"),
        ({"service": "shop", "entities": [{"customer": "a"}, {}]}, 422, "entity row 1"),
        ({"service": "shop", "entities": [{"other": "secret"}]}, 422, "customer"),
        ({"service": "shop", "entities": [{"customer": {"a": "secret"}}]}, 422, "customer"),
        ({"service": "shop", "entities": [{"customer": ["secret"]}]}, 422, "customer"),
        ({"service": "typed", "entities": [{"number": "secret"}]}, 422, "number"),
        ({"service": "typed", "entities": [{"number": 1.5}]}, 422, "number"),
        ({"service": "typed", "entities": [{"number": True}]}, 422, "number"),
        ({"service": "offers", "entities": [{"customer": "ann"}]}, 422, "price"),
        ({"service": "offers", "entities": [{"customer": "ann", "price": "secret"}]}, 422, "price"),
        ({"service": 1, "entities": []}, 422, "str"),
        ([], 422, "object"),
    ],
)
def test_a_mistake_is_named(server: FeatureServer, body: object, status: int, said: str) -> None:
    told = ask(server, NATIVE, body)

    assert told.status == status, told.body
    assert set(told.json) == {"error", "message"}
    assert said in told.json["message"]
    assert "secret" not in told.json["message"]


HOSTILE = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"service":"\xff","entities":[]}',
    "a lone surrogate": b'{"service":"shop","entities":[{"customer":"\\ud800"}]}',
    "NaN": b'{"service":"typed","entities":[{"number":NaN}]}',
    "a number too large": b'{"service":"typed","entities":[{"number":1e999}]}',
    "a whole number too large": b'{"service":"typed","entities":[{"number":' + b"9" * 600 + b"}]}",
    "a whole number beyond Python": b'{"service":"typed","entities":[{"number":-' + b"9" * 9_000 + b"}]}",
    "digits without end": b'{"service":"typed","entities":[{"number":"' + b"9" * 5000 + b'"}]}',
    "deep arrays": b'{"service":"shop","entities":' + b"[" * 100_000,
    "deep and unknown": b'{"other":' + b"[" * 100_000 + b"]" * 100_000 + b',"service":"shop","entities":[]}',
    "deep objects": b'{"service":"shop","entities":[' + b'{"a":' * 50_000,
    "a name twice": b'{"service":"shop","service":"nothing","entities":[]}',
    "a byte order mark": b'\xef\xbb\xbf{"service":"shop","entities":[]}',
    "a null byte": b'{"service":"sh\\u0000op","entities":[]}',
    "a literal null byte": b'{"service":"shop\x00","entities":[]}',
    "the wrong types": b'{"service":["shop"],"entities":{"customer":1},"features":{}}',
    "a path": b'{"service":"../../etc/passwd","entities":[]}',
    "a path in a view": b'{"features":["../../etc:passwd"],"entities":[{}]}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("path", [NATIVE, FEAST])
def test_hostile_bytes_are_refused_as_the_clients_mistake(server: FeatureServer, path: str, body: bytes) -> None:
    told = ask(server, path, body)

    assert told.status in (404, 422), told.body
    json.loads(told.body)


def test_null_bytes_in_a_key_find_nothing_and_break_nothing(server: FeatureServer) -> None:
    told = ask(server, NATIVE, {"service": "shop", "entities": [{"customer": "a\x00\x01b"}, {"customer": ""}]})

    assert [row["statuses"][-1] for row in told.json["rows"]] == ["NOT_FOUND", "NOT_FOUND"]


def test_a_body_over_the_limit_is_refused_however_it_comes(start: Start) -> None:
    server = start(limits=Limits(body=100))
    body = {"service": "shop", "entities": [{"customer": "ann"}]}

    assert ask(server, NATIVE, body).status == 200
    assert ask(server, NATIVE, b" " * 101).status == 413
    assert ask(server, NATIVE, pieces=[b" " * 60, b" " * 60]).status == 413
    assert ask(server, NATIVE, pieces=[b" "] * 5_000).status == 413


def test_a_body_in_pieces_is_put_together(server: FeatureServer) -> None:
    body = json.dumps({"service": "shop", "entities": [{"customer": "ann"}]}).encode()

    assert ask(server, NATIVE, pieces=[body[n : n + 7] for n in range(0, len(body), 7)]).status == 200


def test_a_client_that_goes_away_gets_no_answer(server: FeatureServer) -> None:
    assert ask(server, NATIVE, pieces=[]).status == 0


@pytest.mark.parametrize("path", [NATIVE, FEAST])
def test_too_many_entities_features_and_too_long_keys_are_refused(start: Start, path: str) -> None:
    server = start(limits=Limits(entities=2, features=2, key=20))

    def told(names: list[str], **words: object) -> int:
        rows = [{"customer": name} for name in names]
        asked = {"entities": rows} if path == NATIVE else {"entities": {"customer": names}}
        return ask(server, path, {**asked, **words}).status

    service = {"service": "shop"} if path == NATIVE else {"feature_service": "shop"}
    assert told(["a", "b"], **service) == 200
    assert told(["a", "b", "c"], **service) == 422
    assert told(["a" * 20], **service) == 200
    assert told(["a" * 21], **service) == 422
    assert told(["a"], features=["spending:count_2d", "last_order:last_amount", "spending:amount_sum_2d"]) == 422


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/health", "HEAD", 405),
        ("/health", "POST", 405),
        (NATIVE, "GET", 405),
        (FEAST, "PUT", 405),
        ("/", "GET", 404),
        ("/health/", "GET", 404),
        ("/v1/features/../services", "GET", 404),
        ("//health", "GET", 404),
    ],
)
def test_other_methods_and_paths_are_refused(server: FeatureServer, path: str, method: str, status: int) -> None:
    told = ask(server, path, method=method)

    assert told.status == status
    assert (b"allow" in told.headers) == (status == 405)


def test_every_error_of_the_platform_has_a_status_that_says_whose_mistake_it_is() -> None:
    kinds = [FeaturePlatformError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())

    assert {status_of(kind.__new__(kind)) for kind in kinds} <= {401, 403, 404, 413, 421, 422, 429, 503}


def test_more_computing_answers_than_may_wait_are_told_to_come_back(start: Start) -> None:
    told = ask(start(limits=Limits(waiting=0)), NATIVE, {"service": "exactly", "entities": [{"customer": "ann"}] * 200})

    assert told.status == 503
    assert told.json["error"] == "ServerBusy"


def test_an_answer_that_takes_too_long_is_given_up(start: Start) -> None:
    server = start(limits=Limits(answer=0.0))

    assert ask(server, NATIVE, {"service": "exactly", "entities": [{"customer": "ann"}] * 200}).status == 503


def test_a_very_large_answer_is_made_in_a_thread(server: FeatureServer) -> None:
    rows = [{"customer": f"c{n}"} for n in range(1_000)]
    names: set[str] = set()
    server.answering.on_answer = lambda _: None
    plan = server.answering.catalogue.plan("shop")
    ask(server, NATIVE, {"service": "shop", "entities": rows[:1]})
    plan.notes["width"] = 100
    plan.served.watch = lambda _: names.add("loop")

    told = ask(server, NATIVE, {"service": "shop", "entities": rows})

    assert len(told.json["rows"]) == 1_000
    assert not names
