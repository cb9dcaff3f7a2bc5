"""The pages about the server: health, readiness, the catalogue, metrics, logs."""

import json
import shutil
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from feature_platform.online import Lmdb
from feature_platform.server import logs
from feature_platform.server.app import FeatureServer
from feature_platform_tests.server.conftest import Start
from feature_platform_tests.server.driver import ask


def test_health_is_empty(server: FeatureServer) -> None:
    told = ask(server, "/health")

    assert (told.status, told.body) == (200, b"")


def test_ready_says_what_is_served(server: FeatureServer) -> None:
    told = ask(server, "/ready")

    assert told.status == 200
    assert told.json == {
        "ready": True,
        "problems": [],
        "missing": [],
        "services": dict.fromkeys(server.answering.offer.services, True),
    }


def test_a_server_of_which_nothing_was_published_is_not_ready(start: Start, tmp_path: Path) -> None:
    told = ask(start(online=str(tmp_path / "nothing")), "/ready")

    assert told.status == 503
    assert told.json["problems"] == ["No view of the project was published."]
    assert {"view": "spending", "why": "it was never published"} in told.json["missing"]


def test_ready_is_200_when_what_was_published_is_served_and_names_what_was_not(
    start: Start, published: Path, tmp_path: Path
) -> None:
    online = tmp_path / "online"
    shutil.copytree(published / "online", online)
    Lmdb(online).remove("typed")
    server = start(online=str(online))

    told = ask(server, "/ready")

    assert told.status == 200
    assert told.json["missing"] == [{"view": "typed", "why": "it was never published"}]
    assert [name for name, ready in told.json["services"].items() if not ready] == ["typed"]

    Lmdb(online).remove("exact")
    told = ask(server, "/ready")
    assert told.status == 503, "it was served a moment ago"
    assert told.json["problems"] == ["View `exact`: it was published and is not in the online store any more."]


def test_what_was_never_published_is_no_mistake_of_the_client(start: Start, tmp_path: Path) -> None:
    empty = start(online=str(tmp_path / "nothing"))

    told = ask(empty, "/v1/features", {"service": "shop", "entities": [{"customer": "ann"}]})

    assert told.status == 503
    assert told.json["error"] == "NotServed"
    assert ask(empty, "/v1/services").status == ask(empty, "/openapi.json").status == 200


def test_the_catalogue_says_what_can_be_asked_and_how_fresh_it_is(server: FeatureServer) -> None:
    told = ask(server, "/v1/services").json

    shop = next(each for each in told["services"] if each["name"] == "shop")
    assert shop["entity_keys"] == [{"name": "customer", "type": "String"}]
    assert shop["features"][0] == {"name": "amount_sum_2d", "type": "Float64"}
    described = {"description": "How often in two days.", "stage": "stable", "tags": ["often"], "owner": None}
    assert shop["features"][1] == {"name": "count_2d", "type": "Int64"} | described
    offers = next(each for each in told["services"] if each["name"] == "offers")
    assert offers["request_fields"] == [{"name": "price", "type": "Float64"}]
    view = next(each for each in told["views"] if each["name"] == "last_order")
    assert view["online"]["generation"] == 1
    assert view["online"]["entries"] == 2
    assert view["online"]["newest_event"] == "2024-01-05T12:00:00.000000Z"
    assert view["online"]["delta_versions"].keys() == {"views/last_order"}


def test_metrics_count_requests_by_route_and_what_was_found_by_view(server: FeatureServer) -> None:
    for name in ("ann", "eve", "zoe"):
        ask(server, "/v1/features", {"service": "shop", "entities": [{"customer": name}]})
    ask(server, "/v1/features", b"")
    ask(server, "/nothing")

    told = ask(server, "/metrics")

    assert told.headers[b"content-type"].startswith(b"text/plain")
    families = text_string_to_metric_families(told.body.decode())
    found = {(each.name, *sorted(each.labels.values())): each.value for family in families for each in family.samples}
    assert found["feature_platform_requests_total", "/v1/features", "200"] == 3
    assert found["feature_platform_requests_total", "/v1/features", "422"] == 1
    assert found["feature_platform_requests_total", "404", "other"] == 1
    assert found["feature_platform_rows_total", "last_order", "present"] == 1
    assert found["feature_platform_rows_total", "last_order", "not_found"] == 2
    assert found["feature_platform_request_seconds_count", "/v1/features"] == 4
    assert found["feature_platform_request_seconds_bucket", "+Inf", "/v1/features"] == 4


@pytest.mark.parametrize("wanted", [False, True])
def test_logs_hold_entities_only_when_that_is_asked_for(
    start: Start, capsys: pytest.CaptureFixture[str], wanted: bool
) -> None:
    logs.configure("debug")
    server = start(log_entities=wanted)

    ask(server, "/v1/features", {"service": "shop", "entities": [{"customer": "very-secret"}]})
    ask(server, "/v1/features", {"service": "typed", "entities": [{"number": "very-secret"}]})
    ask(server, "/get-online-features", {"feature_service": "shop", "entities": {"customer": ["very-secret"]}})

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines if line["event"] == "refused"] == ["refused"]
    assert ("very-secret" in json.dumps(lines)) == wanted
    assert all({"level", "timestamp", "event"} <= line.keys() for line in lines)


def test_a_failing_store_is_503_with_a_log_line(
    start: Start, published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    damaged = tmp_path / "damaged" / "spending" / "00000001"
    damaged.mkdir(parents=True)
    (damaged.parent / "CURRENT").write_text("1")
    (damaged / "data.mdb").write_bytes(b"no LMDB file" * 10_000)
    server = start(online=str(tmp_path / "damaged"))

    told = ask(server, "/v1/features", {"features": ["spending:count_2d"], "entities": [{"customer": "ann"}]})

    assert told.status == 503
    assert told.json["error"] == "OnlineStoreFailed"
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert line["event"] == "failed"
    assert Lmdb(published / "online").table("spending") is not None


@pytest.mark.parametrize("entities", [False, True])
def test_a_fault_is_logged_where_it_happened_without_values(capsys: pytest.CaptureFixture[str], entities: bool) -> None:
    logs.configure(entities=entities)
    secret = {"customer": "very-secret"}

    try:
        raise ValueError(secret["customer"])
    except ValueError:
        logs.logger().error("failed", exc_info=True)

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["exception"][0]["frames"][0]["name"] == (
        "test_a_fault_is_logged_where_it_happened_without_values"
    )
    assert ("very-secret" in line) == entities
