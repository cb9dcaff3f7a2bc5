"""A label: what a model learns to predict, and when it can be known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.table_names import TableKind


@dataclass(frozen=True, eq=False)
class Label:
    """An outcome of an entity. Made by `fp.label`."""

    name: str
    entity: Entity
    source: Source
    transform: Transform
    known_at: str | None
    expectations: tuple[Expect, ...]
    monitor: Monitor | None
    owner: str | None
    description: str

    @property
    def asset(self) -> str:
        """Return its table in the offline store, which is its Dagster asset key, too."""
        return TableKind.LABELS.of(self.name)

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
    source: Source,
    known_at: str | None = None,
    expectations: Sequence[Expect] = (),
    monitor: Monitor | None = None,
    owner: str | None = None,
    name: str | None = None,
) -> Callable[[Transform], Label]:
    """Declare a label; the decorated function turns the source's rows into outcomes.

    The function keeps the entity's join keys, the source's event time and `known_at`; every other
    column is a label. It works row by row, or within one event time, as that of a feature view.

    Args:
        known_at: the column that says from when on the outcome is known. Defaults to the event time.
        monitor: what new partitions are compared with for drift; nothing when None.

    Raises:
        InvalidDeclaration: says what is wrong and what would do.
    """

    def declare(function: Transform) -> Label:
        called = name_of_declaration("Label", function, name)
        culprit = f"Label `{called}`"
        validate_function(culprit, "the function", function)
        validate_kind(culprit, "entity", entity, Entity, "Give the fp.Entity that the outcome is about.")
        validate_kind(culprit, "source", source, Source, "Give an fp.Source.")
        if source.event_time is None:
            raise InvalidDeclaration(
                culprit, f"reads {describe_value(source)}, which has no event_time", "Say when an outcome happened."
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
        )

    return declare
