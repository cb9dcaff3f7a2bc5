"""A contract in which anything is something else makes a whole source, or one error of the platform."""

import json
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.contracts.document import parse_yaml
from feature_platform.ground.errors import ContractPartlyMapped, FeaturePlatformError
from feature_platform_tests.declarations.test_from_contract import FOREIGN, HERE


def places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping and list in a contract, with each of its keys."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield content, key
        yield from places(value)


COUNT = len(list(places(parse_yaml(FOREIGN))))
WORDS = [
    "",
    "x",
    "payments",
    "id",
    "latency",
    "custom",
    "greatExpectations",
    "nullValues",
    "rowCount",
    "percent",
    "date",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "type", *WORDS]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.lists(st.tuples(st.integers(0, COUNT - 1), VALUES), min_size=1, max_size=2))
def test_whatever_is_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, Any]]
) -> None:
    content = parse_yaml(FOREIGN)
    for place, value in changes:
        here, key = list(places(content))[place % len(list(places(content)))]
        here[key] = value
    file = tmp_path_factory.mktemp("damaged") / "payments.yaml"
    file.write_text(json.dumps(content))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ContractPartlyMapped)
        with suppress(FeaturePlatformError):
            assert fp.Source.from_contract(file, HERE, event_time="at").contract is not None
