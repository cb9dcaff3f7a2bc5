"""The native endpoint: rows in, rows out."""

from typing import Any

import pytest

from feature_platform.online import Lmdb
from feature_platform.server.app import FeatureServer
from feature_platform.serving import online_features
from feature_platform_tests.server import declared
from feature_platform_tests.server.driver import ask

PATH = "/v1/features"


def test_rows_have_values_and_statuses_by_feature_and_event_times_and_ages_by_view(server: FeatureServer) -> None:
    told = ask(server, PATH, {"service": "shop", "entities": [{"customer": "bob"}, {"customer": "eve"}]})

    assert told.status == 200
    assert told.headers[b"content-type"] == b"application/json"
    assert told.json == {
        "metadata": {
            "service": "shop",
            "features": ["amount_sum_2d", "count_2d", "last_amount"],
            "views": ["spending", "last_order"],
            "now": "2024-01-06T13:00:00.000000Z",
        },
        "rows": [
            {
                "values": [9.0, 2, 5.0],
                "statuses": ["PRESENT", "PRESENT", "PRESENT"],
                "event_times": ["2024-01-06T00:00:00.000000Z", "2024-01-05T12:00:00.000000Z"],
                "ages": [46800.0, 90000.0],
            },
            {
                "values": [0.0, 0, None],
                "statuses": ["PRESENT", "PRESENT", "NOT_FOUND"],
                "event_times": ["2024-01-06T00:00:00.000000Z", None],
                "ages": [46800.0, None],
            },
        ],
    }


def test_a_list_of_features_is_answered_by_view(server: FeatureServer) -> None:
    features = ["spending:count_2d", "last_order:last_amount", "spending:amount_sum_2d"]

    told = ask(server, PATH, {"features": features, "full_names": True, "entities": [{"customer": "ann"}]}).json

    assert told["metadata"]["service"] is None
    assert told["metadata"]["features"] == [
        "spending__count_2d",
        "spending__amount_sum_2d",
        "last_order__last_amount",
    ]
    assert told["rows"][0]["values"] == [2, 20.0, 10.0]


def test_facts_without_a_date_have_no_event_time_and_no_age(server: FeatureServer) -> None:
    told = ask(server, PATH, {"features": ["plane:seats"], "entities": [{"tail": "N1"}]}).json

    assert told["rows"] == [{"values": [100], "statuses": ["PRESENT"], "event_times": [None], "ages": [None]}]


def test_values_that_json_cannot_say_are_told_as_documented(server: FeatureServer) -> None:
    told = ask(server, PATH, {"service": "typed", "entities": [{"number": "1"}, {"number": 2}, {"number": 3.0}]}).json

    found = {name: [row["values"][n] for row in told["rows"]] for n, name in enumerate(told["metadata"]["features"])}
    assert found["name"] == ['a "b"\n', None, "ü"]
    assert found["share"] == [0.5, "NaN", "-Infinity"]
    assert found["small"] == [0.10000000149011612, 0.20000000298023224, None]
    assert found["seen"] == ["2024-01-01T01:00:00.000000Z", None, "2024-01-01T00:01:00.000000Z"]
    assert found["raw"] == ["AP8=", "", None]
    assert told["rows"][1]["statuses"][:2] == ["NULL_VALUE", "PRESENT"]


@pytest.mark.parametrize("service", ["shop", "exactly"])
def test_the_endpoint_tells_what_the_platform_computes(server: FeatureServer, service: str) -> None:
    names = ["ann", "bob", "eve", None]
    wanted = server.answering.offer.services[service]
    online = Lmdb(server.answering.catalogue.reader._store.folder)  # type: ignore[attr-defined]

    told = ask(server, PATH, {"service": service, "entities": [{"customer": name} for name in names]}).json

    expected = online_features(wanted, {"customer": names}, online, now=declared.NOW)
    features = told["metadata"]["features"]
    assert [row["values"] for row in told["rows"]] == [list(row) for row in expected.select(features).iter_rows()]
    statuses = expected.select(f"{name}__status" for name in features)
    assert [row["statuses"] for row in told["rows"]] == [list(row) for row in statuses.iter_rows()]


def test_request_fields_come_with_the_entities(server: FeatureServer) -> None:
    told = ask(server, PATH, {"service": "offers", "entities": [{"customer": "ann", "price": 25}]})

    assert told.status == 200
    assert told.json["rows"][0]["values"] == [2.5]


@pytest.mark.parametrize("prices", [[25, 12.5], [12.5, 25], [12.5, None, 25]])
def test_whole_numbers_and_fractions_meet_in_one_request(server: FeatureServer, prices: list[float | None]) -> None:
    rows = [{"customer": "ann", "price": price} for price in prices]

    told = ask(server, PATH, {"service": "offers", "entities": rows})

    assert told.status == 200
    assert [row["values"][0] for row in told.json["rows"]] == [price and price / 10 for price in prices]


@pytest.mark.parametrize(
    ("paid", "found"), [(1e300, "above"), (-0.01, "below"), ("NaN", ""), ("Infinity", "")], ids=str
)
def test_a_request_field_outside_its_bounds_is_refused_by_field_and_row(
    server: FeatureServer, paid: object, found: str
) -> None:
    rows = [{"customer": "ann", "paid": 8, "weight": 1}, {"customer": "ann", "paid": paid, "weight": 1}]

    told = ask(server, PATH, {"service": "parcels", "entities": rows})

    assert told.status == 422
    assert "`paid`" in told.json["message"]
    assert not found or f"{found} its bounds in row 1, counted from 0" in told.json["message"]
    assert "1e+300" not in told.json["message"]


def test_a_request_field_that_is_clipped_is_computed_at_its_bound_and_counted(server: FeatureServer) -> None:
    rows = [{"customer": "ann", "paid": 400, "weight": weight} for weight in (1e300, -5, 3, None)]

    told = ask(server, PATH, {"service": "parcels", "entities": rows}).json

    assert [row["values"][1:] for row in told["rows"]] == [[200.0, 0.5], [0.0, 0.0], [6.0, 0.015], [None, None]]
    metrics = ask(server, "/metrics").body.decode()
    assert 'feature_platform_clipped_request_values_total{field="weight"} 2.0' in metrics


def test_the_catalogue_says_between_what_a_request_field_lies(server: FeatureServer) -> None:
    services = ask(server, "/v1/services").json["services"]

    parcels = next(each for each in services if each["name"] == "parcels")
    assert parcels["request_fields"] == [
        {"name": "weight", "type": "Float64", "between": [0.0, 100.0], "outside": "clip"},
        {"name": "paid", "type": "Float64", "between": [0.0, 1e6], "outside": "refuse"},
    ]


def test_no_entities_are_no_rows(server: FeatureServer) -> None:
    assert ask(server, PATH, {"service": "shop", "entities": []}).json["rows"] == []


def test_every_answer_is_told_to_who_listens(server: FeatureServer) -> None:
    heard: list[Any] = []
    server.answering.on_answer = heard.append

    ask(server, PATH, {"service": "shop", "entities": [{"customer": "ann"}]})
    ask(server, "/get-online-features", {"feature_service": "exactly", "entities": {"customer": ["ann", "bob"]}})

    assert [(each.service, each.height, each.now) for each in heard] == [
        ("shop", 1, declared.NOW),
        ("exactly", 2, declared.NOW),
    ]
    assert heard[0].entities == {"customer": ["ann"]}
