"""A column of a feature service traced: to its view, to the inputs of an on-demand feature, to what filled a gap."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

import polars as pl

from feature_platform.compute.features.service import plan_features, selections_of
from feature_platform.compute.transforms.fitted import values_of
from feature_platform.compute.transforms.on_demand import compute_on_demand
from feature_platform.compute.transforms.request_fields import convert_request
from feature_platform.compute.transforms.rows import feature_names
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.on_demand import OnDemandSelection, OnDemandView
from feature_platform.declarations.row import EVENT_TIME
from feature_platform.declarations.service import FeatureService, selection_of
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import InvalidKey, MissingColumns, MissingRequestField, TableNotFound, UnknownName
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import INPUT
from feature_platform.offline import OfflineStore
from feature_platform.parts.imputation import FittedImputation, Imputation
from feature_platform.pipelines.tables import pieces_of_view, pieces_of_views
from feature_platform.training.fitted import imputation_statistics
from feature_platform.verification.tracing.instants import trace_instant, trace_moment
from feature_platform.verification.tracing.question import ValueQuestion
from feature_platform.verification.tracing.rows import trace_row
from feature_platform.verification.tracing.traced import Reason, TracedValue, only_value, short_moment, show_value


def trace_view(question: ValueQuestion) -> TracedValue:
    """Trace a feature of a view, of whatever kind; raises as `why`."""
    match question.view.kind:
        case ViewKind.ROW:
            return trace_row(question)
        case ViewKind.SNAPSHOT:
            return trace_instant(question)
        case ViewKind.EXACT:
            return trace_moment(question)
        case _:
            assert_never(question.view.kind)


@dataclass(frozen=True, eq=False)
class Asker:
    """Who asks about some values at one moment.

    Attributes:
        key: join keys and request fields, by the columns of a spine.
    """

    key: Mapping[str, object]
    at: datetime
    store: OfflineStore
    versions: Mapping[str, int]

    def trace_view(self, view: FeatureView, feature: str) -> TracedValue:
        """Trace a feature of a view."""
        return trace_view(ValueQuestion.about(view, feature, self.key, self.at, self.store, self.versions))

    def trace_service(self, service: FeatureService, column: str) -> TracedValue:
        """Trace a column of a service, its gap filled as serving fills it.

        Raises:
            UnknownName: the service has no such column.
        """
        columns = self.columns_of(service)
        if column not in columns:
            pieces_of_views(service.views, self.store, self.versions)  # refuses a table that was never made
            raise UnknownName(f"Feature service `{service.name}`", "feature", column, columns)
        owner, feature = columns[column]
        traced = (
            self.trace_view(owner, feature) if isinstance(owner, FeatureView) else self.trace_on_demand(owner, feature)
        )
        rule = service.impute.get(column)
        if rule is None or traced.value is not None:
            return traced
        return self._fill(service, column, rule, traced)

    def trace_on_demand(self, view: OnDemandView, feature: str) -> TracedValue:
        """Trace a feature of an on-demand view: each of its inputs, and the value that its expression makes of them.

        Raises:
            UnknownName: it has no such feature.
            MissingRequestField: a request field is not given.
        """
        selection = view[feature]
        if missing := [name for name in selection.request if name not in self.key]:
            raise MissingRequestField(view.name, missing, "The key", self.key)
        values, inputs, types = dict[str, object](), list[TracedValue](), self._input_types(selection)
        for needed, names in selection.needs.items():
            for name in names:
                found = self._trace_input(needed, name)
                inputs.append(found)
                values[f"{needed.name}.{name}"] = found.value
        series = [pl.Series(name, [value], types[f"{INPUT}{name}"]) for name, value in values.items()]
        request = [self._column(selection, name) for name in selection.request]
        frame = convert_request(view, pl.DataFrame([*series, *request]), selection.request)
        read = view.reads([feature])
        value = only_value(compute_on_demand(view, frame, {name: name for name in read}, [feature])[feature])
        steps = [("computed", f"of {', '.join(read)}")]
        for each in request:
            given, taken = only_value(each), only_value(frame[each.name])
            step = f"{each.name}={show_value(given)}"
            steps.append(
                ("request", step if show_value(given) == show_value(taken) else f"{step}, taken as {show_value(taken)}")
            )
        lacking = [each.reason for each in inputs if each.value is None]
        reason = Reason.PRESENT if value is not None else lacking[0] if lacking else Reason.NULL_IN_ROW
        asked = {name: part for name, part in self.key.items() if name in selection.request}
        keys = {name: part for each in inputs for name, part in each.key.items()}
        name = f"{view.name}.{feature}"
        return TracedValue(
            name, {**keys, **asked}, self.at, value, reason, tuple(steps), again=value, inputs=tuple(inputs)
        )

    def _trace_input(self, view: FeatureView, name: str) -> TracedValue:
        """Trace an input of an on-demand feature; all features of a view are of one row, which has the time."""
        if name != EVENT_TIME:
            return self.trace_view(view, name)
        table = pieces_of_view(view, self.store, self.versions)
        found = self.trace_view(view, feature_names(view, table[0].rows.collect_schema())[0])
        time = None if found.reason is Reason.EXPIRED else found.time
        reason = found.reason if time is None else Reason.PRESENT
        found = replace(found, feature=f"{view.name}.{EVENT_TIME}", value=time, reason=reason, stored=time, again=None)
        if found.agrees is False:
            return found
        return replace(found, agrees=None, steps=tuple(step for step in found.steps if step[0] != "again"))

    def _input_types(self, selection: OnDemandSelection) -> dict[str, pl.DataType]:
        """Return the types of the inputs of on-demand features, by the names of their hidden columns."""
        service = selections_of(selection)
        keys = {name for view in service.views for name in view.join_keys}
        if missing := sorted(keys - set(self.key)):
            raise MissingColumns(f"The key of on-demand view `{selection.view.name}`", missing, self.key)
        columns = [self._column(selection, name) for name in self.key if name in (*keys, *selection.request)]
        spine = pl.DataFrame([*columns, pl.Series(SPINE_TIME, [self.at], UTC)])
        plan = plan_features(service, spine.lazy(), pieces_of_views(service.views, self.store, self.versions))
        return {name: dtype for join in plan.joins for name, dtype in join.added.items()}

    def _column(self, selection: OnDemandSelection, name: str) -> pl.Series:
        """Return a join key or request field as a column of one value.

        Raises:
            InvalidKey: it is no value that a column may have, such as a list of numbers and texts.
        """
        value, dtype = self.key[name], selection.request.get(name)
        try:
            return pl.Series(name, [value])
        except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
            owner = f"On-demand view `{selection.view.name}`"
            wanted, part = ("one value", "join key") if dtype is None else (f"a value of type {dtype}", "request field")
            raise InvalidKey(owner, name, None, repr(value), wanted, part) from error

    def columns_of(self, service: FeatureService) -> Mapping[str, tuple[FeatureView | OnDemandView, str]]:
        """Return each column of a service with the view, and the feature of it, that it shows.

        Those of a row view that was never made are not known.
        """
        return dict(self._named_columns(service))

    def _named_columns(self, service: FeatureService) -> Iterator[tuple[str, tuple[FeatureView | OnDemandView, str]]]:
        for selection in map(selection_of, service.selections):
            if isinstance(selection, OnDemandSelection):
                for feature in selection.features:
                    yield service.column(selection, feature), (selection.view, feature)
                continue
            view = view_of(selection)
            features = selection.features if isinstance(selection, FeatureSelection) else view.declared_features
            if features is None and not self.store.exists(view.asset):
                continue
            if features is None:
                table = pieces_of_view(view, self.store, self.versions)
                features = feature_names(view, table[0].rows.collect_schema())
            for feature in features:
                yield service.column(selection, feature), (view, feature)

    # -------------------------------------------------------------- gaps

    def _fill(self, service: FeatureService, column: str, rule: Imputation, gap: TracedValue) -> TracedValue:
        """Return the value that serving fills a gap with: a constant, or what the newest training set had learnt."""
        if isinstance(rule, FittedImputation):
            value, step = self._learnt(service, column, rule)
        else:
            value, step = pl.select(rule.learnt(pl.lit(None)).alias(column)).item(), f"by {rule!r}"
        name = f"{service.name}.{column}"
        if value is None:
            return replace(gap, feature=name, steps=(*gap.steps, ("filled", step)))
        return TracedValue(name, gap.key, self.at, value, Reason.FILLED, (("filled", step),), inputs=(gap,))

    def _learnt(self, service: FeatureService, column: str, rule: FittedImputation) -> tuple[object, str]:
        table = TableKind.IMPUTATION.of(service.name)
        try:
            statistics = imputation_statistics(service, self.store, self.versions.get(table))
            values = values_of(statistics, column)
        except (TableNotFound, UnknownName):
            return rule.fallback, f"by the fallback of {rule!r}: no training set of the service taught it"
        rows, group = statistics.filter(pl.col("feature") == column), ""
        if rule.by is not None:
            of_group = self._group_of(service, rule.by)
            chosen = values[rule.by].is_null() if of_group is None else values[rule.by] == of_group
            rows, values, group = rows.filter(chosen), values.filter(chosen), f" for {rule.by}={show_value(of_group)}"
        if values.is_empty() or only_value(values["value"]) is None:
            return rule.fallback, f"by the fallback of {rule!r}: nothing was learnt{group}"
        facts, version = rows.row(0, named=True), self.versions.get(table, self.store.latest_version(table))
        learnt = f"learnt from {facts['learnt_from']:,} value(s) up to {short_moment(facts['as_of'])}{group}"
        return only_value(values["value"]), f"by {rule!r}, {learnt}: {table}@{version}"

    def _group_of(self, service: FeatureService, by: str) -> object:
        if by in self.key:
            return self.key[by]
        columns = self.columns_of(service)
        if by not in columns:
            raise MissingColumns(f"The key, whose imputation in `{service.name}` groups by it,", [by], self.key)
        owner, feature = columns[by]
        found = (
            self.trace_view(owner, feature) if isinstance(owner, FeatureView) else self.trace_on_demand(owner, feature)
        )
        return found.value
