"""The OpenAPI document of a server, written from the project: services, features, types, entity keys, examples."""

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
_SCALAR: Json = {"type": ["string", "number", "boolean", "null"]}
_VALUE: Json = {"anyOf": [_SCALAR, {"type": ["array", "object"]}]}
_STATUS: Json = {"enum": ["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]}
_REFUSALS = {
    "400": "The request is no HTTP.",
    "401": "Nobody the server knows asks.",
    "403": "The key is not granted this, or a web page of another site asks a server without keys.",
    "404": "No such service, view or feature.",
    "408": "The request did not come in time.",
    "413": "The body is too large.",
    "421": "The request is for a host that the server is not.",
    "422": "The request cannot mean anything; the message says why.",
    "429": "One request would be too much work; ask for fewer entities at once.",
    "431": "The headers are too large.",
    "503": "The online store cannot be read now, a view was never published, or there is too much to do.",
}


def openapi_document(catalogue: Mapping[str, Any]) -> Json:
    """Return the document.

    Args:
        catalogue: what `/v1/services` says.
    """
    services = catalogue["services"]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Features of {catalogue['project']}",
            "version": "1",
            "description": _description(services),
        },
        "paths": {
            "/v1/features": {"post": _native(services)},
            "/get-online-features": {"post": _feast(services)},
            "/v1/services": {"get": _page("What can be asked for, and how fresh it is.")},
            "/health": {"get": _plain("Whether the process is alive.", {"200": "It is."}, open_=True)},
            "/ready": {
                "get": {
                    "summary": "Whether what was published is served; names what is not published.",
                    "security": [],
                    "responses": {
                        "200": _json("It is.", {"$ref": "#/components/schemas/Ready"}),
                        "503": _json("Something is not; says what, and why.", {"$ref": "#/components/schemas/Ready"}),
                    },
                }
            },
            "/metrics": {"get": _text("Metrics, as Prometheus reads them.")},
            "/openapi.json": {"get": _page("This document.")},
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"bearer": []}],
    }


def _description(services: Sequence[Mapping[str, Any]]) -> str:
    lines = ["Values by key as of now. Services:"]
    for each in services:
        keys = ", ".join(key["name"] for key in each["entity_keys"]) or "nothing"
        fields = "".join(f", {name['name']}" for name in each["request_fields"])
        features = ", ".join(f"`{feature['name']}` ({feature['type']})" for feature in each["features"])
        lines.append(f"- `{each['name']}`, by {keys}{fields}: {features or 'not published yet'}.")
    return "\n".join(lines)


def _native(services: Sequence[Mapping[str, Any]]) -> Json:
    names = [each["name"] for each in services]
    answer = {
        "type": "object",
        "required": ["metadata", "rows"],
        "properties": {
            "metadata": {
                "type": "object",
                "required": ["service", "features", "views", "now"],
                "properties": {
                    "service": {"type": ["string", "null"]},
                    "features": _strings("The name of each value and status of a row."),
                    "views": _strings("The view of each event time and age of a row."),
                    "now": {"type": "string", "format": "date-time"},
                },
            },
            "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}},
        },
    }
    body = {
        "type": "object",
        "required": ["entities"],
        "properties": {
            "service": _name_of(names),
            "features": _strings("Instead of a service: `view:feature`."),
            "entities": {"type": "array", "items": {"type": "object", "additionalProperties": _VALUE}},
            "full_names": {"type": "boolean", "default": False},
        },
    }
    return _post(
        "Features of entities, row by row.",
        "Name a service or list features. Values and statuses are in the order of `metadata.features`, which for a "
        "list is by view; event times and ages (seconds) in the order of `metadata.views`.",
        body,
        answer,
        {"service": names[0], "entities": [_entity(services[0])]} if names else None,
    )


def _feast(services: Sequence[Mapping[str, Any]]) -> Json:
    column = {
        "type": "object",
        "required": ["values", "statuses", "event_timestamps"],
        "properties": {
            "values": {"type": "array"},
            "statuses": {"type": "array", "items": _STATUS},
            "event_timestamps": {"type": "array", "items": {"type": "string", "format": "date-time"}},
        },
    }
    answer = {
        "type": "object",
        "required": ["results", "metadata"],
        "properties": {
            "results": {"type": "array", "items": column},
            "metadata": {"type": "object", "properties": {"feature_names": _strings("Join keys first.")}},
        },
    }
    columns = {"type": "object", "additionalProperties": {"type": "array", "items": _VALUE}}
    body = {
        "type": "object",
        "required": ["entities"],
        "properties": {
            "features": _strings("`view:feature`."),
            "feature_service": _name_of([each["name"] for each in services]),
            "entities": columns,
            "full_feature_names": {"type": "boolean", "default": False},
            "request_context": columns,
        },
    }
    entity = {key: [value] for key, value in _entity(services[0]).items()} if services else {}
    example = {"feature_service": services[0]["name"], "entities": entity} if services else None
    post = _post("Features of entities, column by column: Feast's endpoint.", "", body, answer, example)
    for code in _REFUSALS:
        if code not in ("400", "408", "431"):
            post["responses"][code] = _json(_REFUSALS[code], {"type": "string", "contentMediaType": "application/json"})
    return post


def _entity(service: Mapping[str, Any]) -> Json:
    asked = (*service["entity_keys"], *service["request_fields"])
    return {each["name"]: _inside(each["between"]) if "between" in each else _example(each["type"]) for each in asked}


def _inside(between: Sequence[object]) -> object:
    least, greatest = between
    return greatest if least is None else least


def _example(dtype: str) -> object:
    if dtype.startswith(("Int", "UInt")):
        return 1
    if dtype.startswith(("Float", "Decimal")):
        return 1.5
    if dtype == "Boolean":
        return True
    if dtype.startswith(("List", "Array", "Struct")):
        return [] if dtype.startswith("List") else None
    return "2024-01-01T00:00:00Z" if dtype.startswith("Date") else "a"


def _name_of(services: Sequence[str]) -> Json:
    return {"enum": list(services)} if services else {"type": "string"}


def _schemas() -> Json:
    return {
        "Error": {
            "type": "object",
            "required": ["error", "message"],
            "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
        },
        "Row": {
            "type": "object",
            "required": ["values", "statuses", "event_times", "ages"],
            "properties": {
                "values": {"type": "array"},
                "statuses": {"type": "array", "items": _STATUS},
                "event_times": {"type": "array", "items": {"type": ["string", "null"]}},
                "ages": {"type": "array", "items": {"type": ["number", "null"]}},
            },
        },
        "Ready": {
            "type": "object",
            "required": ["ready", "problems", "missing", "services"],
            "properties": {
                "ready": {"type": "boolean"},
                "problems": _strings("Why the server is not ready."),
                "missing": {"type": "array", "items": {"type": "object"}},
                "services": {"type": "object", "additionalProperties": {"type": "boolean"}},
                "pushes": {"type": "object"},
            },
        },
    }


def _post(summary: str, description: str, body: Json, answer: Json, example: Json | None) -> Json:
    content: Json = {"schema": body}
    if example is not None:
        content["example"] = example
    return {
        "summary": summary,
        "description": description,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {"200": _json("The features.", answer), **_refusals(_REFUSALS)},
    }


def _page(summary: str) -> Json:
    return {"summary": summary, "responses": {"200": _json("It.", {"type": "object"}), **_refusals(("401", "403"))}}


def _text(summary: str) -> Json:
    text = {"description": "They.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {"summary": summary, "responses": {"200": text, **_refusals(("401", "403"))}}


def _plain(summary: str, codes: Mapping[str, str], *, open_: bool) -> Json:
    security: Json = {"security": []} if open_ else {}
    return {"summary": summary, **security, "responses": {code: {"description": why} for code, why in codes.items()}}


def _refusals(codes: Sequence[str] | Mapping[str, str]) -> Json:
    bare = ("400", "408", "431")  # told before there is a request
    return {
        code: {"description": _REFUSALS[code]}
        if code in bare
        else _json(_REFUSALS[code], {"$ref": "#/components/schemas/Error"})
        for code in codes
    }


def _json(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _strings(description: str) -> Json:
    return {"type": "array", "items": {"type": "string"}, "description": description}
