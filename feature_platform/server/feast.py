"""Feast's endpoint: columns of entities in, columns of values out, as Feast's own server writes them.

An unmodified Feast client reads from it. What it says about time is in seconds, as Feast has it; everything else is
joined from the texts that the store holds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

import msgspec
import polars as pl

from feature_platform.compute.serving.answers import AnswerColumns, Texts
from feature_platform.compute.serving.values import NULL
from feature_platform.ground.errors import NamesCollide, RequestRefused
from feature_platform.server.answering import Answerer, Question
from feature_platform.server.catalogue import ServingPlan, Wanted, feature_list_of, full_names, split_reference
from feature_platform.server.feast_times import seconds_of
from feature_platform.server.limits import Limits
from feature_platform.server.native import Value, decode_body, question_route
from feature_platform.server.routes import Routes, ServerRequest

PATH = "/get-online-features"
_EPOCH = b'"1970-01-01T00:00:00Z"'
_PRESENT, _NULL_VALUE = b'"PRESENT"', b'"NULL_VALUE"'


class OnlineFeaturesRequest(msgspec.Struct):
    """The body that Feast's clients send; other fields are ignored."""

    entities: dict[str, list[Value]]
    features: list[str] | None = None
    feature_service: str | None = None
    full_feature_names: bool = False
    request_context: dict[str, list[Value]] | None = None


_decode = msgspec.json.Decoder(OnlineFeaturesRequest).decode


def feast_routes(answering: Answerer, limits: Limits) -> Routes:
    """Return Feast's endpoint."""

    def question(request: ServerRequest) -> Question[AnswerColumns]:
        body: OnlineFeaturesRequest = decode_body(_decode, request.body)
        wanted = _read_wanted(body, request, limits)
        plan = answering.catalogue.plan(wanted)
        entities = body.entities | body.request_context if body.request_context else body.entities
        height = _height(entities, plan)
        limits.check_entities(height)
        limits.check_keys(entities, plan.needed, request.body)
        names = _write_full if body.full_feature_names else _write_short
        return Question(wanted, entities, height, _compute, names)

    return {PATH: question_route(answering, question, feast=True)}


def _read_wanted(body: OnlineFeaturesRequest, request: ServerRequest, limits: Limits) -> Wanted:
    if body.feature_service:
        request.require(f"read:{body.feature_service}")
        return body.feature_service
    request.require("read:*")
    if not body.features:
        raise RequestRefused("has neither `features` nor `feature_service`", "List features, or name a service.")
    limits.check_features(len(body.features))
    _check_names(tuple(body.features), full=body.full_feature_names)
    return feature_list_of(body.features, full_names=True)


@lru_cache(maxsize=256)  # clients ask for the same features again and again; a refusal is not kept
def _check_names(references: tuple[str, ...], *, full: bool) -> None:
    names = [":".join(each) if full else each[1] for each in map(split_reference, references)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise NamesCollide(f"would get two features called `{twice}`", "List it once, or set full_feature_names.")


def _height(entities: Mapping[str, Sequence[object]], plan: ServingPlan) -> int:
    """Return the number of entities: each column has one value for each."""
    lengths = {len(values) for values in entities.values()}
    if len(lengths) > 1:
        raise RequestRefused("has columns of entities of different lengths", "Give each entity a value in each.")
    if not lengths and plan.needed:
        raise RequestRefused("has no entities", f"Give {', '.join(plan.needed)}.")
    return lengths.pop() if lengths else 1


def _compute(plan: ServingPlan, entities: Mapping[str, Sequence[object]], height: int, now: datetime) -> AnswerColumns:
    return plan.served.columns(entities, height, now)


def _write_full(plan: ServingPlan, question: Question[AnswerColumns], _now: datetime, columns: AnswerColumns) -> bytes:
    return _write_body(plan, question, columns, full=True)


def _write_short(plan: ServingPlan, question: Question[AnswerColumns], _now: datetime, columns: AnswerColumns) -> bytes:
    return _write_body(plan, question, columns, full=False)


def _write_body(plan: ServingPlan, question: Question[AnswerColumns], columns: AnswerColumns, *, full: bool) -> bytes:
    """Write the body: join keys first, then the features in the order of the request."""
    shown = _layout_of(plan, question.wanted, full=full)
    results = [_write_key(question.entities[key]) for key in plan.served.join_keys]
    statuses: Texts | None = None
    times: Texts | None = None
    rest = b""
    for name in shown.order:
        texts = columns.values[name]
        if shown.times and (dtype := shown.times.get(name)) is not None:
            texts = seconds_of(texts, dtype)
        if columns.statuses[name] is not statuses or columns.times[name] is not times:  # views share these lists
            statuses, times = columns.statuses[name], columns.times[name]
            rest = _write_rest(statuses, times)
        results.append(b'{"values":[%b%b' % (b",".join(texts), rest))
    return b'{"results":[%b],"metadata":{"feature_names":%b}}' % (b",".join(results), shown.names)


def _write_rest(statuses: Texts, times: Texts) -> bytes:
    """Write what stands behind the values of a feature: statuses and times."""
    shown = [_EPOCH if time == NULL else time for time in times] if NULL in times else times
    return b'],"statuses":[%b],"event_timestamps":[%b]}' % (b",".join(statuses), b",".join(shown))


def _write_key(values: Sequence[object]) -> bytes:
    """Write a join key as it was sent."""
    statuses: Texts = [_PRESENT] * len(values)
    if None in values:
        statuses = [_NULL_VALUE if value is None else _PRESENT for value in values]
    return b'{"values":%b,"statuses":[%b],"event_timestamps":[%b]}' % (
        msgspec.json.encode(values),
        b",".join(statuses),
        b",".join([_EPOCH] * len(values)),
    )


class _Layout(msgspec.Struct, frozen=True):
    """The order and the names of an answer.

    Attributes:
        order: the features as the service calls them, in the order of the answer.
        times: the features that are written in seconds, and their types.
        names: the names of the answer, as JSON.
    """

    types: Mapping[str, pl.DataType]
    order: Sequence[str]
    times: Mapping[str, pl.DataType]
    names: bytes


def _layout_of(plan: ServingPlan, wanted: Wanted, *, full: bool) -> _Layout:
    types, note = plan.served.last_types, "full" if full else "short"
    layout: _Layout | None = plan.notes.get(note)
    if layout is None or layout.types is not types:
        order, names = _names(plan, wanted, types, full=full)
        times = {name: dtype for name, dtype in types.items() if _is_time(dtype)}
        text = msgspec.json.encode([*plan.served.join_keys, *names])
        layout = plan.notes[note] = _Layout(types, order, times, text)
        plan.notes["width"] = len(types)
    return layout


def _names(
    plan: ServingPlan, wanted: Wanted, types: Mapping[str, pl.DataType], *, full: bool
) -> tuple[Sequence[str], Sequence[str]]:
    """Return the features as the service calls them, and as the answer does."""
    if not isinstance(wanted, str):
        references = [split_reference(each) for each in wanted[1:]]
        order = ["__".join(each) for each in references]
        names = order if full else [feature for _, feature in references]
    else:
        order = list(types)
        names = list(full_names(plan.served, types).values()) if full else order
    if clash := set(names) & set(plan.served.join_keys):
        raise NamesCollide(
            f"would get a feature called as the join key `{min(clash)}`", "Set full_feature_names to tell them apart."
        )
    return order, names


def _is_time(dtype: pl.DataType) -> bool:
    inner = dtype.inner if isinstance(dtype, (pl.List, pl.Array)) else dtype
    return inner == pl.Datetime or inner == pl.Date
