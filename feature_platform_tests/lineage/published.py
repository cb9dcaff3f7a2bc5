"""The schemas that OpenLineage publishes, as a judge of events: each by `RunEvent`, its facets by their own."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parent / "schemas"
EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

formats = FormatChecker(["uuid"])  # its other formats need packages that are not here, and pass everything without them


@formats.checks("date-time", raises=ValueError)
def is_moment(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


@formats.checks("uri", raises=ValueError)
def is_address(text: object) -> bool:
    return not isinstance(text, str) or bool(urlsplit(text).scheme and text.isprintable() and " " not in text)


@cache
def judge(schema: str) -> Draft202012Validator:
    """What judges by one schema; a reference to one that is not here is an error."""
    resources = [Resource.from_contents(json.loads(path.read_text())) for path in SCHEMAS.glob("*.json")]
    registry: Registry[Any] = Registry().with_resources([(each.contents["$id"], each) for each in resources])
    return Draft202012Validator({"$ref": schema}, registry=registry, format_checker=formats)


def facets_in(event: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each facet of an event with its name."""
    for holder in [event.get("run", {}), event["job"], *event["inputs"], *event["outputs"]]:
        for words in ("facets", "inputFacets", "outputFacets"):
            yield from (holder.get(words) or {}).items()


def faults_of(event: Mapping[str, Any]) -> list[str]:
    """What the published schemas say against an event."""
    told = [f"event: {each.message}" for each in judge(EVENT).iter_errors(event)]
    for name, facet in facets_in(event):
        told += [f"{name}: {each.message}" for each in judge(facet["_schemaURL"]).iter_errors(facet)]
    return told
