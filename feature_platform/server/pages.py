"""Pages about the server itself: whether it is alive and ready, what it offers, and its metrics.

`/health` and `/ready` are open, since balancers have no keys; the others need an identity where keys are used.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from feature_platform.declarations.field import Bound
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import rfc3339
from feature_platform.ground.errors import FeaturePlatformError, NotServed, OnlineStoreFailed
from feature_platform.online.base import Reader
from feature_platform.server.alert_numbers import AlertNumbers
from feature_platform.server.answering import Answerer
from feature_platform.server.catalogue import Catalogue
from feature_platform.server.metrics import CONTENT_TYPE, Metrics
from feature_platform.server.openapi import openapi_document
from feature_platform.server.readiness import Readiness
from feature_platform.server.routes import Response, Route, Routes, ServerRequest, as_json

_EMPTY = Response(headers=())


def page_routes(
    answering: Answerer,
    metrics: Metrics,
    alerts: AlertNumbers,
    readiness: Readiness,
    paths: Mapping[str, Any] | None = None,
) -> Routes:
    """Return the pages.

    Args:
        alerts: their counts are added to the metrics.
        readiness: what `/ready` answers.
        paths: further paths of the OpenAPI document.
    """

    async def health(_: ServerRequest) -> Response:
        return _EMPTY

    async def ready(_: ServerRequest) -> Response:
        return await readiness.tell()

    async def numbers(_: ServerRequest) -> Response:
        alerting = await alerts.text()  # first: its failures are counted in the metrics
        return Response(metrics.text() + alerting, headers=((b"content-type", CONTENT_TYPE.encode()),))

    async def services(_: ServerRequest) -> Response:
        return as_json(await answering.run_aside(lambda catalogue: describe_offer(catalogue, answering.clock.now())))

    async def openapi(_: ServerRequest) -> Response:
        document = openapi_document(
            await answering.run_aside(lambda catalogue: describe_offer(catalogue, answering.clock.now()))
        )
        return as_json({**document, "paths": {**document["paths"], **(paths or {})}})

    return {
        "/health": Route("GET", health, open=True),
        "/ready": Route("GET", ready, open=True),
        "/metrics": Route("GET", numbers),
        "/v1/services": Route("GET", services),
        "/openapi.json": Route("GET", openapi),
    }


def describe_offer(catalogue: Catalogue, now: datetime) -> dict[str, Any]:
    """Describe what can be requested, and how fresh it is; this reads the store, which may be slow."""
    offer = catalogue.offer
    return {
        "project": offer.project.name,
        "now": rfc3339(now),
        "services": [_service(catalogue, each) for each in offer.services.values()],
        "views": [_view(each, catalogue.reader) for each in offer.stored_views],
    }


def _service(catalogue: Catalogue, service: FeatureService) -> dict[str, Any]:
    plan = catalogue.plan(service.name)
    try:
        types = plan.served.types()
        keys = {
            key: str(dtype) for compiled in plan.served.compiled_views() for key, dtype in compiled.table.keys.items()
        }
    except FeaturePlatformError:
        types, keys = {}, dict.fromkeys(plan.served.join_keys, "")
    return {
        "name": service.name,
        "description": service.description,
        "owner": service.owner,
        "views": [view.name for view in service.views],
        "entity_keys": [{"name": key, "type": keys[key]} for key in plan.served.join_keys],
        "request_fields": [_request_field(service, name) for name in service.request],
        "features": [{"name": name, "type": str(dtype)} | _about(service, name) for name, dtype in types.items()],
    }


def _about(service: FeatureService, column: str) -> dict[str, Any]:
    """Return what is said of a feature."""
    view, name = service.described_columns.get(column, (None, ""))
    if view is None:
        return {}
    about, stage = view.about.get(name), view.stage_of(name)
    facts: dict[str, Any] = {} if stage is None else {"stage": stage}
    if about is not None:
        facts |= {"description": about.description, "tags": [*about.tags], "owner": about.owner or view.owner}
        facts |= {} if about.successor is None else {"successor": about.successor}
    return facts


def _request_field(service: FeatureService, name: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": name, "type": str(service.request[name])}
    field = service.bounded.get(name)
    if field is None or field.between is None:
        return facts
    return {**facts, "between": [_bound(each) for each in field.between], "outside": field.outside}


def _bound(value: Bound | None) -> float | str | None:
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value) if isinstance(value, date) else value


def _view(view: FeatureView, reader: Reader) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": view.name, "ttl": view.ttl, "entity_keys": list(view.join_keys)}
    try:
        table, _ = reader.get(view.name, ())
    except (NotServed, OnlineStoreFailed):
        return {**facts, "online": None}
    return {
        **facts,
        "online": {
            "kind": table.kind,
            "generation": table.generation,
            "change": table.change,
            "delta_versions": dict(table.versions),
            "published_at": table.published_at,
            "newest_event": table.newest,
            "entries": table.entries,
        },
    }
