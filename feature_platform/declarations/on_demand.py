"""An on-demand view: features computed at the moment of a request, from other features and from fields of the request.

Its function runs once, when it is declared, and gives expressions: the same ones offline and online, row by row,
over the values of views before any gap is filled.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from feature_platform.declarations.field import Field
from feature_platform.declarations.naming import (
    SPINE_TIME,
    describe_value,
    name_of_declaration,
    validate_added_column,
    validate_column_list,
    validate_name,
)
from feature_platform.declarations.request import Request, merge_bounds, merge_fields
from feature_platform.declarations.row import EVENT_TIME, Row
from feature_platform.declarations.row_wise import is_row_wise
from feature_platform.declarations.source import validate_owner
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import DuplicateName, InvalidDeclaration, UnknownName

Input = FeatureView | FeatureSelection | Request


@dataclass(frozen=True, eq=False)
class OnDemandView:
    """Features computed at the moment of a request. Made by `fp.on_demand`.

    Attributes:
        inputs: the views, or selections of their features, that may be read.
        request: the fields that come with the request, and their types.
        bounded: those among them whose values have bounds.
        expressions: the features. They read columns named as in `fp.Row`: `field`, `view.feature`, `view.event_time`.
    """

    name: str
    inputs: tuple[FeatureView | FeatureSelection, ...]
    request: Mapping[str, pl.DataType]
    bounded: Mapping[str, Field]
    expressions: Mapping[str, pl.Expr]
    function: Callable[[Row], Mapping[str, pl.Expr]]
    owner: str | None
    description: str

    def __getitem__(self, names: str | tuple[str, ...]) -> "OnDemandSelection":
        owner = f"On-demand view `{self.name}`"
        wanted = validate_column_list(owner, "features", [names] if isinstance(names, str) else names)
        for name in wanted:
            if name not in self.expressions:
                raise UnknownName(owner, "feature", name, self.features)
        if not wanted:
            raise InvalidDeclaration(owner, "is asked for no feature", 'Name at least one: view["a"].')
        return OnDemandSelection(self, wanted)

    @property
    def features(self) -> tuple[str, ...]:
        """Return its features in the order in which the function returns them."""
        return tuple(self.expressions)

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """Return the views among its inputs, each once, in order."""
        return tuple(dict.fromkeys(view_of(each) for each in self.inputs))

    def reads(self, features: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return the inputs that some of its features (default: all) are computed from, named as in `fp.Row`."""
        wanted = self.features if features is None else features
        return tuple(dict.fromkeys(name for each in wanted for name in self.expressions[each].meta.root_names()))


@dataclass(frozen=True, eq=False)
class OnDemandSelection:
    """Some features of an on-demand view, in the order in which they are requested."""

    view: OnDemandView
    features: tuple[str, ...]

    @property
    def request(self) -> Mapping[str, pl.DataType]:
        """Return the request fields that these features are computed from, and their types."""
        return {name: self.view.request[name] for name in self.view.reads(self.features) if name in self.view.request}

    @property
    def bounded(self) -> Mapping[str, Field]:
        """Return the request fields among these whose values have bounds."""
        return {name: field for name, field in self.view.bounded.items() if name in self.request}

    @property
    def needs(self) -> Mapping[FeatureView, tuple[str, ...]]:
        """Return what these features read of each view: names of features, and `event_time` for the time of its row."""
        read = [name.partition(".") for name in self.view.reads(self.features) if name not in self.view.request]
        names = {view: tuple(each for owner, _, each in read if owner == view.name) for view in self.view.views}
        return {view: found for view, found in names.items() if found}


def on_demand(
    *, inputs: Sequence[Input], name: str | None = None, owner: str | None = None
) -> Callable[[Callable[[Row], Mapping[str, pl.Expr]]], OnDemandView]:
    """Declare features that are computed at the moment of a request.

    The decorated function gets an `fp.Row` and returns a dict of Polars expressions by feature name. It runs once,
    when it is declared. Expressions work row by row: the server computes the rows of one request, offline the whole
    spine is computed at once, and the values must not differ. What is not row by row as far as Polars can tell
    (aggregations, shifts, ranks, `over`) is refused; a Python function inside `map_batches` is taken at its word.

    Args:
        inputs: feature views, selections of their features, and `fp.Request` objects, whose fields are taken together.
        name: the name of the view. Defaults to the function's name.

    Raises:
        InvalidDeclaration, UnknownName: says what is wrong and what would do.

    >>> @on_demand(inputs=[Request({"amount": pl.Float64, "balance": pl.Float64})])
    ... def payment(row: Row) -> dict[str, pl.Expr]:
    ...     '''How much of the balance a payment takes.'''
    ...     return {"share": row["amount"] / row["balance"]}
    >>> payment.features, payment.reads()
    (('share',), ('amount', 'balance'))
    """

    def declare(function: Callable[[Row], Mapping[str, pl.Expr]]) -> OnDemandView:
        called = name_of_declaration("On-demand view", function, name)
        culprit = f"On-demand view `{called}`"
        if not callable(function):
            raise InvalidDeclaration(
                culprit, f"has the function {describe_value(function)}", "Give a function of one fp.Row."
            )
        views = _validate_inputs(culprit, inputs)
        request = merge_fields(culprit, [each.fields for each in inputs if isinstance(each, Request)])
        row = Row(culprit, views, request)
        return OnDemandView(
            name=called,
            inputs=tuple(each for each in inputs if not isinstance(each, Request)),
            request=request,
            bounded=merge_bounds(culprit, [each.bounded for each in inputs if isinstance(each, Request)]),
            expressions=_validate_expressions(culprit, function(row), row, request),
            function=function,
            owner=validate_owner(culprit, owner),
            description=(function.__doc__ or "").strip(),
        )

    return declare


def type_of_feature(owner: str, feature: str, expression: pl.Expr, types: Mapping[str, pl.DataType]) -> pl.DataType:
    """Return the type of an expression over columns of some types, tried on a row of nulls.

    Raises:
        InvalidDeclaration: it takes more than one row into account.
        polars.exceptions.PolarsError: it cannot be computed from such columns.
    """
    if not is_row_wise(expression, types):
        raise InvalidDeclaration(
            owner,
            f"computes `{feature}` from more than one row: {describe_value(str(expression))}",
            "Work row by row, since a request may have one row only; aggregate in a feature view.",
        )
    nulls = pl.DataFrame({name: [None] for name in types}, schema=types)
    nulls.select(expression.alias(feature))  # a plan alone lets some wrong types pass
    return nulls.lazy().select(expression.alias(feature)).collect_schema()[feature]


def _validate_inputs(culprit: str, inputs: object) -> dict[FeatureView, tuple[str, ...] | None]:
    """Return the input views with the features that may be read of each; None where only data tells them."""
    remedy = 'Give a list of views, selections `view["a"]` and fp.Request({...}).'
    if not isinstance(inputs, Sequence) or isinstance(inputs, str) or not inputs:
        raise InvalidDeclaration(culprit, f"has inputs={describe_value(inputs)}", remedy)
    views: dict[FeatureView, tuple[str, ...] | None] = {}
    for item in inputs:
        if not isinstance(item, Input):
            raise InvalidDeclaration(culprit, f"has the input {describe_value(item)}", remedy)
        if not isinstance(item, Request):
            known, before = _declared_features(item), views.get(view_of(item), ())
            together = None if known is None or before is None else tuple(dict.fromkeys((*before, *known)))
            views[view_of(item)] = together
    names = [view.name for view in views]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DuplicateName("feature view", twice[0])
    return views


def _validate_expressions(
    culprit: str, found: object, row: Row, request: Mapping[str, pl.DataType]
) -> dict[str, pl.Expr]:
    if not isinstance(found, Mapping) or not found:
        raise InvalidDeclaration(
            culprit, f"returned {describe_value(found)}", 'Return expressions by name: {"a": row["b"] + 1}.'
        )
    for feature, expression in found.items():
        validate_name(f"{culprit}: feature", feature)
        validate_added_column(culprit, feature)
        if feature in (SPINE_TIME, *request):
            raise InvalidDeclaration(
                culprit, f"computes `{feature}`, which the spine has already", "Give the feature a name of its own."
            )
        if not isinstance(expression, pl.Expr):
            raise InvalidDeclaration(
                culprit,
                f"returned `{feature}` as {describe_value(expression)}",
                'Return a Polars expression of `row["..."]`.',
            )
        _check_columns(culprit, feature, expression, row)
        _check_rows(culprit, feature, expression, request)
    return dict(found)


def _check_columns(culprit: str, feature: str, expression: pl.Expr, row: Row) -> None:
    if expression.meta.has_multiple_outputs():
        raise InvalidDeclaration(
            culprit,
            f"computes `{feature}` as several columns: {describe_value(str(expression))}",
            'Name one input: row["a"].',
        )
    read = expression.meta.root_names()
    if not read:
        raise InvalidDeclaration(
            culprit, f"computes `{feature}` from no input: {describe_value(str(expression))}", 'Use `row["..."]` in it.'
        )
    for name in read:
        if not row.has_input(name):
            raise UnknownName(culprit, "input", name, row.names)


def _check_rows(culprit: str, feature: str, expression: pl.Expr, request: Mapping[str, pl.DataType]) -> None:
    """Check that an expression works row by row, as far as types are known now.

    The rest is checked when a service is compiled.
    """
    read = dict.fromkeys(expression.meta.root_names())
    known = {name: UTC for name in read if name.endswith(f".{EVENT_TIME}")} | dict(request)
    types = {name: known.get(name, pl.Null()) for name in read}
    try:
        type_of_feature(culprit, feature, expression, types)
    except pl.exceptions.PolarsError as error:
        if all(name in known for name in read):
            reason = str(error).strip().splitlines()[0]
            raise InvalidDeclaration(
                culprit, f"cannot compute `{feature}`: {reason}", f"It reads {describe_value(types)}."
            ) from error


def _declared_features(selected: FeatureView | FeatureSelection) -> tuple[str, ...] | None:
    return selected.features if isinstance(selected, FeatureSelection) else selected.declared_features
