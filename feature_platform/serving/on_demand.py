"""On-demand features of one request: the stored texts become a frame, the declared expressions are evaluated on it.

All that does not depend on the request is looked up once. A request has few rows, so that the time goes to starting
Polars queries: there is one for each on-demand view.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone

import polars as pl

from feature_platform.compute.serving.answers import AnswerColumns
from feature_platform.compute.serving.served_rows import NULL_VALUE, PRESENT
from feature_platform.compute.serving.values import NULL, series_of, texts_of
from feature_platform.compute.transforms.on_demand import Computation, on_demand_types
from feature_platform.compute.transforms.request_fields import convert_request
from feature_platform.declarations.on_demand import OnDemandSelection
from feature_platform.declarations.row import EVENT_TIME
from feature_platform.declarations.service import FeatureService
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import MissingRequestField, NotUtc, WrongColumnType

_PRESENT, _NULL = f'"{PRESENT}"'.encode(), f'"{NULL_VALUE}"'.encode()


class OnDemand:
    """The on-demand features of a service from one view, prepared for the types that its inputs have now."""

    def __init__(
        self, service: FeatureService, selection: OnDemandSelection, types: Mapping[str, Mapping[str, pl.DataType]]
    ) -> None:
        """Prepare them.

        Args:
            types: the types of the features of each view.
        """
        self._view, self._request = selection.view, dict(selection.request)
        self._computation = Computation(selection.view, selection.features)
        self._names = {name: service.column(selection, name) for name in selection.features}
        self._stored = {
            name: _StoredInput(*_owner_and_feature(name), types)
            for name in self._computation.reads
            if name not in self._request
        }

    def columns(
        self,
        inputs: Mapping[str, AnswerColumns],
        entities: Mapping[str, Sequence[object]],
        height: int,
        saw_clipped: Callable[[str, int], None] | None = None,
    ) -> AnswerColumns:
        """Compute the features of some entities, all of one batch.

        Args:
            inputs: what is read of each view, by the name of the view and then by `view.feature`, gaps unfilled.
            saw_clipped: called with the name of a request field and how many of its values were replaced by a bound.

        Raises:
            MissingRequestField: the request lacks a field that they read.
            OutsideBounds: a field has a value that its declaration refuses.
            NotUtc, WrongColumnType: a field has a value that its type cannot hold.
            TransformFailed: an expression fails on one of the rows.
        """
        missing = [name for name in self._request if name not in entities]
        if missing:
            raise MissingRequestField(self._view.name, missing, "The request", entities)
        columns = [
            self._stored[name].series(inputs)
            if name in self._stored
            else _field(self._view.name, name, self._request[name], entities[name])
            for name in self._computation.reads
        ]
        rows = convert_request(self._view, pl.DataFrame(columns, height=height), self._request, saw_clipped)
        found = self._computation.of(rows)
        values = {shown: texts_of(found[name]) for name, shown in self._names.items()}
        statuses = {name: [_NULL if text == NULL else _PRESENT for text in texts] for name, texts in values.items()}
        return AnswerColumns(values, statuses, dict.fromkeys(values, [NULL] * height))


def computed_types(
    selection: OnDemandSelection, types: Mapping[str, Mapping[str, pl.DataType]]
) -> Mapping[str, pl.DataType]:
    """Return the types of on-demand features, given those of the features of each view."""
    inputs = {f"{view}.{name}": dtype for view, known in types.items() for name, dtype in known.items()}
    times = {f"{view}.{EVENT_TIME}": UTC for view in types}
    return on_demand_types(selection, {**times, **inputs, **selection.request})


class _StoredInput:
    """One input that a view has."""

    def __init__(self, view: str, feature: str, types: Mapping[str, Mapping[str, pl.DataType]]) -> None:
        self._view, self._name, self._is_time = view, f"{view}.{feature}", feature == EVENT_TIME
        self._dtype = UTC if self._is_time else types[view][feature]

    def series(self, inputs: Mapping[str, AnswerColumns]) -> pl.Series:
        """Return its values, in their own type."""
        columns = inputs[self._view]
        return series_of(self._name, self._dtype, columns.row_times if self._is_time else columns.values[self._name])


def _owner_and_feature(name: str) -> tuple[str, str]:
    owner, _, feature = name.partition(".")
    return owner, feature


def _field(view: str, name: str, dtype: pl.DataType, values: Sequence[object]) -> pl.Series:
    """Return a request field as a column; times may be text in RFC 3339."""
    owner = f"On-demand view `{view}`, its request"
    if dtype.is_temporal() and any(isinstance(value, str) for value in values):
        values = [_time(owner, name, dtype, value) for value in values]
    if dtype.is_float():
        values = _as_floats(values)
    try:
        return pl.Series(name, values, dtype if all(value is None for value in values) else None, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in values}))
        raise WrongColumnType(owner, name, kinds, dtype, "Send one type of value that fits.") from error


def _as_floats(values: Sequence[object]) -> Sequence[object]:
    """Return 8 as 8.0 where other values have a point, which JSON leaves out; a number that has no such float stays."""
    if {type(value) for value in values} - {type(None)} != {int, float}:
        return values
    return [float(value) if type(value) is int and _has_float(value) else value for value in values]


def _has_float(value: int) -> bool:
    return abs(value) <= 2**1023 and int(float(value)) == value


def _time(owner: str, name: str, dtype: pl.DataType, value: object) -> object:
    if not isinstance(value, str) or not isinstance(dtype, pl.Datetime):
        return value
    try:
        moment = datetime.fromisoformat(value)
        in_utc = moment if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:  # no time, or one that UTC has no year for
        raise WrongColumnType(owner, name, "text", dtype, "Write times as 2013-03-01T12:00:00Z.") from error
    if moment.tzinfo is None and dtype.time_zone is not None:
        raise NotUtc(owner, name, "text without a zone", "Write times as 2013-03-01T12:00:00Z.")
    return in_utc
