"""A label: what a model learns to predict, and when it can be known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from feature_platform.declarations.ahead import LookAhead, declare_look_ahead
from feature_platform.declarations.entity import Entity
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.monitor import Monitor, validate_monitor
from feature_platform.declarations.naming import (
    describe_value,
    name_of_declaration,
    validate_column,
    validate_function,
    validate_kind,
)
from feature_platform.declarations.source import Source, Transform, validate_expectations, validate_owner
from feature_platform.declarations.union import Union
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.table_names import TableKind
from feature_platform.parts.aggregations import Aggregation


@dataclass(frozen=True, eq=False)
class Label:
    """An outcome of an entity. Made by `fp.label`.

    Attributes:
        look_ahead: its windows, and when it is final; None for the first row from the moment on, final or not.
    """

    name: str
    entity: Entity
    source: Source | Union
    transform: Transform
    known_at: str | None
    expectations: tuple[Expect, ...]
    monitor: Monitor | None
    owner: str | None
    description: str
    look_ahead: LookAhead | None = None

    @property
    def asset(self) -> str:
        """Return its table in the offline store, which is its Dagster asset key, too."""
        return TableKind.LABELS.of(self.name)

    @property
    def aggregations(self) -> tuple[Aggregation, ...]:
        """Return what its windows compute; nothing for the first row from the moment on."""
        return self.look_ahead.aggregations if self.look_ahead else ()

    @property
    def has_table(self) -> bool:
        """Tell whether it is a table: windows are computed when a training set asks for them, from the source."""
        return not self.aggregations

    @property
    def members(self) -> "tuple[Label, ...]":
        """Return the labels whose tables have its rows: itself."""
        return (self,)

    @property
    def inputs(self) -> tuple[Source, ...]:
        """Return the assets whose tables its own is made from."""
        return self.source.members

    @property
    def read_from(self) -> "Source | Union | Label":
        """Return whose rows training sets read it from."""
        return self if self.has_table else self.source

    @property
    def tables_read(self) -> tuple[str, ...]:
        """Return the tables that training sets read it from."""
        return tuple(each.asset for each in self.read_from.members)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Return its columns in a training set; None for those of rows, which only data tells."""
        return self.look_ahead.columns if self.look_ahead and self.aggregations else None

    @property
    def join_keys(self) -> tuple[str, ...]:
        """Return the columns that find a label."""
        return self.entity.join_keys

    @property
    def event_time(self) -> str:
        """Return the column that says when the outcome happened."""
        return str(self.source.event_time)

    @property
    def partitioned(self) -> bool:
        """Tell whether its table is partitioned by time, as its source is."""
        return self.source.partitioned


def label(
    *,
    entity: Entity,
    source: Source | Union,
    aggregations: Sequence[Aggregation] = (),
    start: str | None = None,
    lateness: str | None = None,
    otherwise: Mapping[str, object] | None = None,
    known_at: str | None = None,
    expectations: Sequence[Expect] = (),
    monitor: Monitor | None = None,
    owner: str | None = None,
    name: str | None = None,
) -> Callable[[Transform], Label]:
    """Declare a label; the decorated function turns the source's rows into outcomes.

    The function keeps the entity's join keys, the source's event time and `known_at`. It works row by row, or within
    one event time, as that of a feature view.

    Without `aggregations` every other column is a label: its value in the first row at or after the moment, within the
    training set's horizon. With them a label at `t` aggregates the events of `[t + start, t + start + length)`, and is
    named `<column>_<aggregation>_next_<window>`; where there is a known-at clock, those known up to `lateness` after
    the end, and none that is known later.

    A label over a window is final when its end and the lateness have passed in the data that a training set reads; so
    is one of the first row that has a `lateness` or `otherwise`. Until then it is unknown, which is not a negative.

    Args:
        aggregations: what the windows compute; `fp.TimeTo` gives the time to the first event, and whether it happened.
        start: how long after the moment the windows begin. Defaults to `0d`, the moment itself.
        lateness: how long after its window an event may arrive and still count. Defaults to `0d` with aggregations.
        otherwise: what columns are when there is no row within the horizon, once that is final, e.g. `False`.
        known_at: the column that says from when on the outcome is known. Defaults to the event time.
        expectations, monitor: of the table of outcomes; a label with aggregations has none.

    Raises:
        InvalidDeclaration: says what is wrong and what would do.

    >>> import feature_platform as fp
    >>> customer = fp.Entity("customer", join_keys=["customer_id"])
    >>> orders = fp.Source("orders", fp.sources.Parquet("orders"), event_time="ordered_at")
    >>> @fp.label(entity=customer, source=orders, start="1d", aggregations=[fp.Sum("amount", windows=["28d"])])
    ... def next_month(orders):
    ...     return orders
    >>> next_month.columns
    ('amount_sum_next_28d',)
    """

    def declare(function: Transform) -> Label:
        called = name_of_declaration("Label", function, name)
        culprit = f"Label `{called}`"
        validate_function(culprit, "the function", function)
        validate_kind(culprit, "entity", entity, Entity, "Give the fp.Entity that the outcome is about.")
        validate_kind(culprit, "source", source, (Source, Union), "Give an fp.Source or an fp.Union.")
        if source.event_time is None:
            raise InvalidDeclaration(
                culprit, f"reads {describe_value(source)}, which has no event_time", "Say when an outcome happened."
            )
        look_ahead = declare_look_ahead(culprit, aggregations, start, lateness, otherwise, join_keys=entity.join_keys)
        if aggregations and (expectations or monitor):
            raise InvalidDeclaration(
                culprit,
                "has aggregations, and expectations or a monitor, but no table that they could be about",
                "Give them to its source.",
            )
        return Label(
            name=called,
            entity=entity,
            source=source,
            transform=function,
            known_at=validate_column(culprit, "known_at", known_at) or source.known_at,
            expectations=validate_expectations(culprit, expectations),
            monitor=validate_monitor(culprit, monitor, partitioned=source.partitioned),
            owner=validate_owner(culprit, owner),
            description=(function.__doc__ or "").strip(),
            look_ahead=look_ahead,
        )

    return declare
