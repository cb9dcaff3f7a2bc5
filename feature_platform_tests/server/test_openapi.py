"""The OpenAPI document: true, whatever is sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from feature_platform.server.app import FeatureServer
from feature_platform_tests.effort import tries
from feature_platform_tests.server.driver import ask
from feature_platform_tests.server.process import serving

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def url(published: Path) -> Iterator[str]:
    with serving(published, "--now", "2024-01-06T13:00") as process:
        yield f"http://127.0.0.1:{process.port}"


@pytest.mark.parametrize("path", ["/v1/features", "/get-online-features"])
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_whatever_is_sent_only_documented_answers_come_back(url: str, path: str, mode: str) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    generation = getattr(schemathesis.GenerationMode, mode.upper())
    strategy = schema[path]["POST"].as_strategy(generation_mode=generation)

    @seed(2013)
    @settings(
        max_examples=tries(25),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=url, checks=CHECKS)

    check()


def test_the_pages_are_as_documented(url: str) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")

    for path in ("/health", "/ready", "/metrics", "/v1/services", "/openapi.json"):
        schema[path]["GET"].Case().call_and_validate(base_url=url, checks=CHECKS)


def test_every_route_is_documented_and_its_example_works(server: FeatureServer) -> None:
    document = ask(server, "/openapi.json").json

    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == set(server.routes)
    for path in ("/v1/features", "/get-online-features"):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert ask(server, path, body["example"]).status == 200
    assert "`last_amount` (Float64)" in document["info"]["description"]
