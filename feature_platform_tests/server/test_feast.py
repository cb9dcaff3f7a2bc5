"""Feast's wire contract: what its clients send and what they can read."""

import pytest

from feature_platform.server.app import FeatureServer
from feature_platform.server.now import Clock
from feature_platform_tests import shop
from feature_platform_tests.server.conftest import Start
from feature_platform_tests.server.driver import ask

PATH = "/get-online-features"
EPOCH = "1970-01-01T00:00:00Z"


def test_an_answer_is_written_as_feasts_own_server_writes_it(server: FeatureServer) -> None:
    features = ["last_order:last_amount", "spending@v2:amount_sum_2d"]
    entities = {"customer": ["bob", "eve", None], "other": [1, 2, 3]}

    told = ask(server, PATH, {"features": features, "entities": entities, "full_feature_names": False})

    assert told.status == 200
    assert told.json == {
        "results": [
            {
                "values": ["bob", "eve", None],
                "statuses": ["PRESENT", "PRESENT", "NULL_VALUE"],
                "event_timestamps": [EPOCH, EPOCH, EPOCH],
            },
            {
                "values": [5.0, None, None],
                "statuses": ["PRESENT", "NOT_FOUND", "NOT_FOUND"],
                "event_timestamps": ["2024-01-05T12:00:00.000000Z", EPOCH, EPOCH],
            },
            {
                "values": [9.0, 0.0, None],
                "statuses": ["PRESENT", "PRESENT", "NOT_FOUND"],
                "event_timestamps": ["2024-01-06T00:00:00.000000Z", "2024-01-06T00:00:00.000000Z", EPOCH],
            },
        ],
        "metadata": {"feature_names": ["customer", "last_amount", "amount_sum_2d"]},
    }


def test_an_interleaved_list_keeps_the_order_of_the_request(server: FeatureServer) -> None:
    features = ["spending:count_2d", "last_order:last_amount", "spending:amount_sum_2d"]

    told = ask(server, PATH, {"features": features, "entities": {"customer": ["ann"]}, "full_feature_names": True})

    names = ["customer", "spending__count_2d", "last_order__last_amount", "spending__amount_sum_2d"]
    assert told.json["metadata"]["feature_names"] == names
    assert [each["values"] for each in told.json["results"]] == [["ann"], [2], [10.0], [20.0]]


def test_a_service_wins_over_a_list_and_its_names_can_be_full(server: FeatureServer) -> None:
    body = {"feature_service": "shop", "features": ["no:such"], "entities": {"customer": ["ann"]}}

    short = ask(server, PATH, body, query=b"status=true").json
    full = ask(server, PATH, {**body, "full_feature_names": True}).json

    assert short["metadata"]["feature_names"] == ["customer", "amount_sum_2d", "count_2d", "last_amount"]
    assert full["metadata"]["feature_names"] == [
        "customer",
        "spending__amount_sum_2d",
        "spending__count_2d",
        "last_order__last_amount",
    ]
    assert short["results"] == full["results"]


def test_times_are_whole_seconds_and_bytes_and_odd_floats_are_text(server: FeatureServer) -> None:
    told = ask(server, PATH, {"feature_service": "typed", "entities": {"number": ["1", 2, 3]}}).json

    found = dict(zip(told["metadata"]["feature_names"], (each["values"] for each in told["results"]), strict=True))
    first = int(shop.at(0).timestamp())
    assert found["number"] == ["1", 2, 3]
    assert found["seen"] == [first + 3600, None, first + 60]
    assert found["day"] == [-86400, first, None]
    assert found["times"] == [[first], [], None]
    assert found["counts"] == [[{"value": "a", "count": 2}, {"value": "ü", "count": 1}], None, []]
    assert found["share"] == [0.5, "NaN", "-Infinity"]
    assert found["raw"] == ["AP8=", "", None]
    assert found["small"] == [0.10000000149011612, 0.20000000298023224, None]


def test_a_value_older_than_its_ttl_is_null_and_says_why(start: Start) -> None:
    later = start(clock=Clock(stands=shop.at(6)))

    told = ask(later, PATH, {"features": ["last_order:last_amount"], "entities": {"customer": ["ann"]}}).json

    assert told["results"][1]["values"] == [None]
    assert told["results"][1]["statuses"] == ["OUTSIDE_MAX_AGE"]


def test_a_global_view_needs_no_entity_and_has_a_row_for_each_that_is_sent(server: FeatureServer) -> None:
    one = ask(server, PATH, {"features": ["everybody:count_2d"], "entities": {}}).json
    two = ask(server, PATH, {"features": ["everybody:count_2d"], "entities": {"any": [1, 2]}}).json

    assert [each["values"] for each in one["results"]] == [[4]]
    assert [each["values"] for each in two["results"]] == [[4, 4]]


def test_facts_without_a_date_are_of_the_epoch(server: FeatureServer) -> None:
    told = ask(server, PATH, {"features": ["plane:seats"], "entities": {"tail": ["N1"]}}).json

    assert told["results"][1] == {"values": [100], "statuses": ["PRESENT"], "event_timestamps": [EPOCH]}


def test_request_data_may_come_inside_entities_or_beside_them(server: FeatureServer) -> None:
    features = ["affordable:times_last"]
    inside = {"features": features, "entities": {"customer": ["ann"], "price": [25]}}
    beside = {"features": features, "entities": {"customer": ["ann"]}, "request_context": {"price": [25.0]}}

    first, second = ask(server, PATH, inside).json, ask(server, PATH, beside).json

    assert first == second
    assert first["metadata"]["feature_names"] == ["customer", "times_last"]
    assert first["results"][1]["values"] == [2.5]


@pytest.mark.parametrize(
    "headers", [(), ((b"content-type", b"text/plain"),), ((b"content-type", b"application/json; charset=x"),)]
)
def test_any_content_type_will_do(server: FeatureServer, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    body = {"feature_service": "shop", "entities": {"customer": ["ann"]}}

    assert ask(server, PATH, body, headers=headers).status == 200


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"features": ["nothing:x"]}, 404, "FeatureViewNotFoundException"),
        ({"features": ["spending:nothing"]}, 404, "FeastObjectNotFoundException"),
        ({"features": ["last_order:nothing"]}, 404, "FeastObjectNotFoundException"),
        ({"feature_service": "nothing"}, 404, "FeatureServiceNotFoundException"),
        ({"features": ["spending"]}, 422, "FeastError"),
        ({"features": []}, 422, "FeastError"),
        ({}, 422, "FeastError"),
        ({"feature_service": "shop", "entities": None}, 422, "FeastError"),
        ({"feature_service": "shop", "entities": {}}, 422, "FeastError"),
        ({"feature_service": "shop", "entities": {"other": ["a"]}}, 422, "FeastError"),
        ({"feature_service": "shop", "entities": {"customer": ["a"], "other": []}}, 422, "FeastError"),
        ({"feature_service": "shop", "entities": {"customer": "a"}}, 422, "FeastError"),
        ({"feature_service": "shop", "entities": [{"customer": "a"}]}, 422, "FeastError"),
        ({"feature_service": "typed", "entities": {"number": ["secret"]}}, 422, "FeastError"),
        ({"features": ["spending:count_2d", "everybody:count_2d"]}, 422, "FeatureNameCollisionError"),
        ({"features": ["spending:count_2d", "spending:count_2d"]}, 422, "FeatureNameCollisionError"),
        ({"feature_service": "offers"}, 422, "RequestDataNotFoundInEntityRowsException"),
        (b"{", 422, "FeastError"),
        (b"", 422, "FeastError"),
        (b"\xff", 422, "FeastError"),
    ],
)
def test_a_mistake_is_told_as_a_json_string_of_json(
    server: FeatureServer, body: object, status: int, kind: str
) -> None:
    sent = {"entities": {"customer": ["ann"]}} | body if isinstance(body, dict) else body

    told = ask(server, PATH, sent)

    assert told.status == status
    assert told.headers[b"content-type"] == b"application/json"
    error = told.feast_error
    assert (error["module"], error["class"]) == ("feast.errors", kind)
    assert error["message"]
    assert "secret" not in error["message"]


def test_the_error_body_is_this_to_the_byte(server: FeatureServer) -> None:
    told = ask(server, PATH, {"features": ["spending:nothing"], "entities": {"customer": ["ann"]}})

    assert told.body == (
        rb'"{\"module\": \"feast.errors\", \"class\": \"FeastObjectNotFoundException\", \"message\": '
        rb'\"Feature view `spending` has no feature `nothing`. It has: amount_sum_2d, count_2d.\"}"'
    )


@pytest.mark.parametrize("path", ["/search", "/retrieve-online-documents"])
def test_vector_search_is_not_found(server: FeatureServer, path: str) -> None:
    assert ask(server, path, {}).status == 404
