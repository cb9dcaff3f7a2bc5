"""The native endpoint: entity rows in, rows of values out, joined from the texts that the store holds.

`event_times` and `ages` have one place for each view, in the order of `metadata.views`; values and statuses one for
each feature, in the order of `metadata.features`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from feature_platform.ground.clock import rfc3339
from feature_platform.ground.errors import RequestRefused
from feature_platform.server.answering import A, Answerer, Question
from feature_platform.server.catalogue import ServingPlan, Wanted, feature_list_of
from feature_platform.server.limits import Limits
from feature_platform.server.routes import Response, Route, Routes, ServerRequest

Value = Any
"""A text, a number, a flag, null; in request fields lists and objects of these, too. Its type is checked later."""
PATH = "/v1/features"


class FeaturesRequest(msgspec.Struct):
    """The body of a request: features of a service, or of a list, for some entities."""

    entities: list[dict[str, Value]]
    service: str | None = None
    features: list[str] | None = None
    full_names: bool = False


_decode = msgspec.json.Decoder(FeaturesRequest).decode


def native_routes(answering: Answerer, limits: Limits) -> Routes:
    """Return the native endpoint."""

    def question(request: ServerRequest) -> Question[bytes]:
        body: FeaturesRequest = decode_body(_decode, request.body)
        wanted = _read_wanted(body, request, limits)
        rows = body.entities
        limits.check_entities(len(rows))
        plan = answering.catalogue.plan(wanted)
        entities = _columns(rows, plan.needed)
        limits.check_keys(entities, plan.needed, request.body)
        return Question(wanted, entities, len(rows), _compute, _write)

    return {PATH: question_route(answering, question)}


def question_route(
    answering: Answerer, question: Callable[[ServerRequest], Question[A]], *, feast: bool = False
) -> Route:
    """Return the route of an endpoint that makes a question from a request."""

    async def answer(request: ServerRequest) -> Response:
        return Response(await answering.answer_body(question(request)))

    def quick(request: ServerRequest) -> Response | None:
        body = None if answering.is_remote else answering.answer_body_at_once(question(request))
        return None if body is None else Response(body)

    return Route("POST", answer, feast=feast, quick=quick)


def decode_body(decode: Any, body: bytes) -> Any:
    """Decode a body into the struct of an endpoint.

    Raises:
        RequestRefused: it is no JSON, or a value has another type; the message says where, and not the value.
    """
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = "text that is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise RequestRefused(f"has a body that cannot be read: {problem}", "See /openapi.json for its form.") from None
    except RecursionError:
        raise RequestRefused("has a body that is nested too deeply", "See /openapi.json for its form.") from None


def _read_wanted(body: FeaturesRequest, request: ServerRequest, limits: Limits) -> Wanted:
    if body.service is not None:
        if body.features is not None:
            raise RequestRefused("has both `service` and `features`", "Name a service, or list features.")
        request.require(f"read:{body.service}")
        return body.service
    request.require("read:*")
    if not body.features:
        raise RequestRefused("has neither `service` nor `features`", "Name a service, or list features.")
    limits.check_features(len(body.features))
    return feature_list_of(body.features, full_names=body.full_names)


def _columns(rows: Sequence[Mapping[str, Value]], names: Sequence[str]) -> Mapping[str, Sequence[object]]:
    """Return the entities by column: the columns that are needed and that any entity has."""
    try:
        return {name: [row[name] for row in rows] for name in names}
    except KeyError:
        return {name: _column(rows, name) for name in names if any(name in row for row in rows)}


def _column(rows: Sequence[Mapping[str, Value]], name: str) -> Sequence[object]:
    for number, row in enumerate(rows):
        if name not in row:
            raise RequestRefused(f"has no `{name}` in entity row {number} (the first is row 0)", "Give it in each row.")
    return [row[name] for row in rows]


def _compute(plan: ServingPlan, entities: Mapping[str, Sequence[object]], height: int, now: datetime) -> bytes:
    return plan.served.rows(entities, height, now)


def _write(plan: ServingPlan, question: Question[bytes], now: datetime, rows: bytes) -> bytes:
    types = plan.served.last_types
    if plan.notes.get("types") is not types:
        plan.notes["types"], plan.notes["width"] = types, len(types)
        name = plan.service.name if isinstance(question.wanted, str) else None
        head = {"service": name, "features": list(types), "views": [view.name for view in plan.served.views]}
        plan.notes["head"] = b'{"metadata":%b,"now":"' % msgspec.json.encode(head)[:-1]
    return b'%b%b"},"rows":[%b]}' % (plan.notes["head"], rfc3339(now).encode(), rows)
