"""On-demand features of some rows: the one computation that offline joins and the server share.

Expressions are row by row, so the values of a row are the same in a batch of one and in a whole spine: see `several`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from feature_platform.compute.plans.several import as_several
from feature_platform.compute.transforms.request_fields import Clipped, convert_request
from feature_platform.declarations.field import Field
from feature_platform.declarations.on_demand import OnDemandSelection, OnDemandView, type_of_feature
from feature_platform.ground.errors import TransformFailed

_MANY = 10_000  # rows from which on they are worth the threads of Polars, whose parts then have rows enough


def compute_on_demand(
    view: OnDemandView, frame: pl.DataFrame, names: Mapping[str, str], features: Iterable[str] | None = None
) -> pl.DataFrame:
    """Compute on-demand features of the rows of a frame, one row for each, in order.

    Args:
        frame: has the inputs, in the types that the views and the request declare, gaps unfilled.
        names: the column of the frame for each input that is read, named as in `view.reads()`: `field`,
            `view.feature`, `view.event_time` (UTC microseconds).
        features: some of its features. Defaults to all.

    Raises:
        TransformFailed: Polars cannot compute an expression for one of the rows, e.g. a text that is no number.

    >>> from feature_platform.declarations.on_demand import on_demand
    >>> from feature_platform.declarations.request import Request
    >>> @on_demand(inputs=[Request({"amount": pl.Float64, "balance": pl.Float64})])
    ... def payment(row):
    ...     return {"share": row["amount"] / row["balance"]}
    >>> asked = pl.DataFrame({"amount": [2.0, 3.0], "b": [8.0, None]})
    >>> compute_on_demand(payment, asked, {"amount": "amount", "balance": "b"})["share"].to_list()
    [0.25, None]
    """
    computation = Computation(view, tuple(view.features if features is None else features))
    return computation.of(frame.select(pl.col(names[each]).alias(each) for each in computation.reads))


class Computation:
    """Some features of an on-demand view, looked up once: what they read, and their expressions.

    Attributes:
        reads: the inputs, named as in `view.reads()`.
    """

    def __init__(self, view: OnDemandView, features: tuple[str, ...]) -> None:
        self.view = view
        self.features = features
        self.reads = view.reads(features)
        self._expressions = [view.expressions[each].alias(each) for each in features]

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Compute the features of rows whose columns are named as in `reads`; raises as `compute_on_demand`.

        Those of few rows are computed by the calling thread, one after the other: the threads of Polars may be busy for
        seconds with something large, and would cut the rows in parts, of which one may have a single row.
        """
        whole = as_several(rows)
        with self._name_features_in_errors():
            if rows.height < _MANY:
                return whole.select_seq(self._expressions).head(rows.height)
            return whole.lazy().select(self._expressions).collect()

    @contextmanager
    def _name_features_in_errors(self) -> Iterator[None]:
        """Raise errors of Polars with the features that they are of."""
        try:
            yield
        except pl.exceptions.PolarsError as error:
            raise _failure_of(self.view, f"its feature(s) {', '.join(self.features)}", error, self.reads) from error


def on_demand_types(selection: OnDemandSelection, types: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Return the types of on-demand features, from those of their inputs.

    Args:
        types: by input, named as in `view.reads()`.

    Raises:
        TransformFailed: an expression cannot be computed from such columns.
        InvalidDeclaration: an expression takes more than one row into account.
    """
    view, feature_types = selection.view, {}
    for feature in selection.features:
        read = view.reads([feature])
        schema = {name: types[name] for name in read}
        try:
            feature_types[feature] = type_of_feature(
                f"On-demand view `{view.name}`", feature, view.expressions[feature], schema
            )
        except pl.exceptions.PolarsError as error:
            shown = [f"{name} ({dtype})" for name, dtype in schema.items()]
            raise _failure_of(view, f"its feature `{feature}`", error, shown) from error
    return feature_types


@dataclass(frozen=True)
class OnDemandColumns:
    """The columns that on-demand features add to a spine.

    Attributes:
        inputs: the column of each input, named as in `view.reads()`.
        request: the request fields that are read, and their types.
        bounded: those among them whose values have bounds.
        columns: the names of the columns, and of the features.
        added: the columns, and their types.
    """

    view: OnDemandView
    inputs: Mapping[str, str]
    request: Mapping[str, pl.DataType]
    bounded: Mapping[str, Field]
    columns: Mapping[str, str]
    added: Mapping[str, pl.DataType]

    def reads(self, names: Iterable[str]) -> list[str]:
        """Return the columns that some of the added columns are computed from."""
        return [self.inputs[each] for each in self.view.reads(self.columns[name] for name in names)]

    def values(self, frame: pl.DataFrame, names: Sequence[str], saw_clipped: Clipped | None = None) -> pl.DataFrame:
        """Compute some of the added columns, from a frame with what these read.

        Args:
            saw_clipped: called with the name of a request field and how many of its values were replaced by a bound.
        """
        features = [self.columns[name] for name in names]
        read = self.view.reads(features)
        fields = {name: dtype for name, dtype in self.request.items() if name in read}
        rows = convert_request(self.view, frame, fields, saw_clipped, bounded=self.bounded, is_spine=True)
        values = compute_on_demand(self.view, rows, self.inputs, features)
        return values.rename(dict(zip(features, names, strict=True)))


def _failure_of(
    view: OnDemandView, role: str, error: pl.exceptions.PolarsError, read: Iterable[str]
) -> TransformFailed:
    reason = str(error).strip().splitlines()[0]
    return TransformFailed(
        f"On-demand view `{view.name}`",
        role,
        f"failed with {type(error).__name__}: {reason}",
        f"It reads: {', '.join(read)}.",
    )
