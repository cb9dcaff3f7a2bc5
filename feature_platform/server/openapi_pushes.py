"""The part of the OpenAPI document about pushes, for servers that take them."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]
_COLUMNS: Json = {"type": "object", "additionalProperties": {"type": "array"}, "description": "By column."}
_MOMENT: Json = {"type": ["string", "null"], "format": "date-time"}
_REFUSALS = {
    "401": "Nobody the server knows asks.",
    "403": "The key is not granted this.",
    "404": "No such source or view.",
    "409": "A publication is running.",
    "413": "The body is too large.",
    "422": "The rows do not fit, or the request cannot mean anything; the message says why. Nothing was taken.",
    "503": "A store cannot be written now, what is named was never made, or there is too much to do.",
}
_BARE = {"400": "The request is no HTTP.", "408": "The request did not come in time.", "431": "Too large headers."}


def push_paths(sources: Sequence[str], views: Sequence[str]) -> Json:
    """Return the paths of pushes and publications.

    Args:
        sources, views: the names that the project declares.
    """
    targets = {"enum": ["online", "offline", "online_and_offline"]}
    source, view = ({"enum": list(names)} if names else {"type": "string"} for names in (sources, views))
    push = _body(
        ["source", "rows"],
        source=source,
        rows={"type": "array", "items": {"type": "object"}, "description": "Each with all columns of the source."},
        to={**targets, "default": "online_and_offline"},
    )
    feast_push = _body(
        ["push_source_name", "df"], push_source_name=source, df=_COLUMNS, to={**targets, "default": "online"}
    )
    write = _body(["feature_view_name", "df"], feature_view_name=view, df=_COLUMNS)
    names = {"type": ["array", "null"], "items": view}
    publish = _body([], start_ts=_MOMENT, end_ts=_MOMENT, feature_views=names)
    taken = {
        "type": "object",
        "required": ["rows", "views"],
        "properties": {"rows": {"type": "integer"}, "views": {"type": "array", "items": {"type": "string"}}},
    }
    null = {"type": "null"}
    published = _post("Publish the newest offline values: Feast's endpoint.", publish, {"200": null, "202": null})
    published["parameters"] = [{"name": "async", "in": "query", "schema": {"type": "boolean"}}]
    return {
        "/v1/push": {"post": _post("Push rows of a source.", push, {"200": taken}, feast=False)},
        "/push": {"post": _post("Push columns of a source: Feast's endpoint.", feast_push, {"200": None})},
        "/write-to-online-store": {"post": _post("Write feature rows: Feast's endpoint.", write, {"200": null})},
        "/materialize": {"post": published},
        "/materialize-incremental": {"post": published},
    }


def _body(required: Sequence[str], **properties: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": properties}


def _post(summary: str, body: Json, answers: dict[str, Json | None], *, feast: bool = True) -> Json:
    error: Json = {"$ref": "#/components/schemas/Error"}
    if feast:
        error = {"type": "string", "contentMediaType": "application/json"}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            **{code: _answer("Done.", schema) for code, schema in answers.items()},
            **{code: _answer(why, error) for code, why in _REFUSALS.items()},
            **{code: _answer(why, None) for code, why in _BARE.items()},
        },
    }


def _answer(description: str, schema: Json | None) -> Json:
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    return {"description": description, **content}
