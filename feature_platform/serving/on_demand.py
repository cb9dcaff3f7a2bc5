"""On-demand features of one request: the stored texts become a frame, the declared expressions are evaluated on it.

All that does not depend on the request is looked up once. A request has few rows, so that the time goes to starting
Polars queries: there is one for each on-demand view.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.compute.serving.answers import AnswerColumns
from feature_platform.compute.serving.packed import stored_series_of
from feature_platform.compute.serving.request_values import request_column
from feature_platform.compute.serving.served_rows import NULL_VALUE, PRESENT
from feature_platform.compute.serving.values import NULL, texts_of
from feature_platform.compute.transforms.on_demand import Computation, on_demand_types
from feature_platform.compute.transforms.request_fields import Clipped, convert_request, owner_of_request
from feature_platform.declarations.on_demand import OnDemandSelection
from feature_platform.declarations.row import EVENT_TIME
from feature_platform.declarations.service import FeatureService
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import MissingRequestField

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
        self._view, self._request, self._bounded = selection.view, dict(selection.request), service.bounded
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
        saw_clipped: Clipped | None = None,
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
            else request_column(owner_of_request(self._view.name), name, self._request[name], entities[name])
            for name in self._computation.reads
        ]
        frame = pl.DataFrame(columns, height=height)
        rows = convert_request(self._view, frame, self._request, saw_clipped, bounded=self._bounded)
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
        texts = columns.row_times if self._is_time else columns.values[self._name]
        return stored_series_of(self._name, self._dtype, texts)


def _owner_and_feature(name: str) -> tuple[str, str]:
    owner, _, feature = name.partition(".")
    return owner, feature
