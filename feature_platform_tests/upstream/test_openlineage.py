"""What we lean on in the client of OpenLineage; a failure here reads: the client changed."""

import json
from collections.abc import Iterator
from pathlib import Path

import attr
import pytest
from openlineage.client import facet_v2
from openlineage.client.generated.base import RunEvent
from openlineage.client.transport import AsyncHttpConfig, DatadogConfig, HttpConfig
from openlineage.client.transport.http_common import DEFAULT_RETRY_CONFIG

from feature_platform_tests.lineage.published import EVENT, SCHEMAS


def schemas_that_the_client_names() -> Iterator[str]:
    for module in (getattr(facet_v2, name) for name in facet_v2.__all__):
        for kind in vars(module).values() if hasattr(module, "__file__") else ():
            if isinstance(kind, type) and kind.__module__ == module.__name__ and hasattr(kind, "_get_schema"):
                yield kind._get_schema().partition("#")[0]


def test_the_schemas_that_tests_judge_by_are_of_the_versions_that_the_client_names() -> None:
    ids = {json.loads(path.read_text())["$id"] for path in Path(SCHEMAS).glob("*.json")}

    assert RunEvent._get_schema() == EVENT
    assert ids - set(schemas_that_the_client_names()) == {EVENT.partition("#")[0]}


@pytest.mark.parametrize("config", [HttpConfig, AsyncHttpConfig, DatadogConfig])
def test_transports_to_servers_have_a_timeout_and_retries_that_can_be_set(config: type) -> None:
    assert {"timeout", "retry"} <= {each.name for each in attr.fields(config)}


def test_by_default_the_client_tries_again_five_times_which_takes_nine_seconds() -> None:
    assert (DEFAULT_RETRY_CONFIG["total"], DEFAULT_RETRY_CONFIG["backoff_factor"]) == (5, 0.3)


def test_datadog_sends_from_a_thread_only_where_its_rules_say_so() -> None:
    assert "async_transport_rules" in {each.name for each in attr.fields(DatadogConfig)}
