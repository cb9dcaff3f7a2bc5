"""A source: where raw rows come from and which of their columns are clocks."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypedDict, Unpack

import polars as pl

from feature_platform.declarations.aliases import validate_alias_keys
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.entity import Entity
from feature_platform.declarations.expectation import Expect, give_own_checks
from feature_platform.declarations.monitor import Monitor, validate_monitor
from feature_platform.declarations.naming import (
    describe_value,
    validate_column,
    validate_column_list,
    validate_function,
    validate_kind,
    validate_name,
)
from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.table_names import TableKind
from feature_platform.parts.sources import Connector

if TYPE_CHECKING:
    from feature_platform.declarations.contract import DataContract

_OWNER = re.compile(r"team:.+|[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+")
Transform = Callable[[pl.LazyFrame], pl.LazyFrame]


class SourceWords(TypedDict, total=False):
    """What a source may say besides its name, connector and event time."""

    entity: Entity | None
    known_at: str | None
    prepare: Transform | None
    expectations: Sequence[Expect]
    freshness: str | None
    monitor: Monitor | None
    partitioned: bool | None
    owner: str | None
    description: str


@dataclass(frozen=True, init=False, eq=False)
class Source:
    """Raw rows, prepared and validated, before any feature.

    Args:
        connector: where the rows are (`fp.sources.Csv(...)`, ...).
        entity: what its rows describe, for a source that feature views are enriched by: `enrich=[source["a"]]`.
        event_time: the column that says when a row happened. None: facts without a date,
            which hold at all times and are stored unpartitioned.
        known_at: the column that says when the platform could have known a row, when that lags.
        prepare: what is done to the raw frame first, e.g. parsing times. The rows that it makes of one partition must
            not depend on those of another; a run refuses a function where they do.
        expectations: rules the prepared rows must pass before they are published.
        freshness: how old the newest data may become, e.g. `36h`, before an alert is sent.
        monitor: what new partitions are compared with for drift; nothing when None.
        partitioned: False keeps one table that each run replaces whole (small reference data, spines).
        owner: `team:name` or an e-mail address.
    """

    name: str
    connector: Connector
    entity: Entity | None
    event_time: str | None
    known_at: str | None
    prepare: Transform | None
    expectations: tuple[Expect, ...]
    freshness: str | None
    monitor: Monitor | None
    partitioned: bool
    owner: str | None
    description: str
    contract: "DataContract | None" = field(repr=False)  # what `from_contract` read

    def __init__(
        self,
        name: str,
        connector: Connector,
        *,
        entity: Entity | None = None,
        event_time: str | None = None,
        known_at: str | None = None,
        prepare: Transform | None = None,
        expectations: Sequence[Expect] = (),
        freshness: str | None = None,
        monitor: Monitor | None = None,
        partitioned: bool | None = None,
        owner: str | None = None,
        description: str = "",
    ) -> None:
        culprit = f"Source `{validate_name('Source', name)}`"
        if not isinstance(connector, Connector):
            raise InvalidDeclaration(
                culprit,
                f"reads from {describe_value(connector)}",
                "Give a connector, e.g. fp.sources.Csv(path) or fp.sources.Frame(df).",
            )
        if entity is not None:
            validate_kind(culprit, "entity", entity, Entity, "Give the fp.Entity that its rows describe, or None.")
        validate_column(culprit, "event_time", event_time)
        validate_column(culprit, "known_at", known_at)
        if prepare is not None:
            validate_function(culprit, "prepare", prepare)
        if event_time is None and (known_at is not None or partitioned):
            raise InvalidDeclaration(
                culprit,
                "has no event_time but a known_at or partitions",
                "Name the column that says when a row happened.",
            )
        if freshness is not None:
            microseconds(freshness, f"{culprit}, freshness,")
        parted = event_time is not None if partitioned is None else partitioned
        values = {
            "name": name,
            "connector": connector,
            "entity": entity,
            "event_time": event_time,
            "known_at": known_at,
            "prepare": prepare,
            "expectations": validate_expectations(culprit, expectations),
            "freshness": freshness,
            "monitor": validate_monitor(culprit, monitor, partitioned=parted),
            "partitioned": parted,
            "owner": validate_owner(culprit, owner),
            "description": description or ((prepare.__doc__ or "").strip() if prepare else ""),
            "contract": None,
        }
        for word, value in values.items():
            object.__setattr__(self, word, value)

    @classmethod
    def from_contract(
        cls,
        path: str | os.PathLike[str],
        connector: Connector,
        *,
        table: str | None = None,
        name: str | None = None,
        event_time: str | None = None,
        **more: Unpack[SourceWords],
    ) -> "Source":
        """Return a source as a data contract in a file describes it (ODCS 3): expectations, freshness, owner.

        What is given here is taken instead of what the contract says; expectations are added to its own.

        Args:
            path: the contract, in YAML.
            connector: where the rows are; a contract names a server, but no keys.
            table: which of its tables. Defaults to its only one.
            name: of the source. Defaults to the name of the table.
            event_time: as of any source. Defaults to the column that the contract has as such.
            more: other words of a source, such as `prepare`.

        Raises:
            ContractRefused: it cannot be read, or says what cannot be; the file and the field are named.
            PackageMissing: open-data-contract-standard is not installed.

        Warns:
            ContractPartlyMapped: it says something that a source cannot; see `contract.left_out` of the source.
        """
        from feature_platform.declarations.contract import read_contract, words_of_source

        contract = read_contract(path, table)
        words = words_of_source(contract, {**more, **({} if event_time is None else {"event_time": event_time})})
        source = cls(contract.table if name is None else name, connector, **words)
        object.__setattr__(source, "contract", contract)
        contract.warn_of_left_out(stacklevel=2)
        return source

    @property
    def asset(self) -> str:
        """Return its table in the offline store, which is its Dagster asset key, too."""
        return TableKind.SOURCES.of(self.name)

    @property
    def members(self) -> "tuple[Source, ...]":
        """Return the sources whose tables have its rows: itself, where a union has several."""
        return (self,)

    def __getitem__(self, names: str | tuple[str, ...]) -> "SourceSelection":
        owner = f"Source `{self.name}`"
        wanted = validate_column_list(owner, "columns", [names] if isinstance(names, str) else names)
        if not wanted:
            raise InvalidDeclaration(owner, "is asked for no column", 'Name at least one: source["a"].')
        if self.entity is None:
            raise InvalidDeclaration(
                owner,
                "is used to enrich and says no entity",
                "Give it entity=..., or enrich by a feature view.",
            )
        for name in wanted:
            if name in (*self.entity.join_keys, self.event_time, self.known_at):
                raise InvalidDeclaration(
                    owner,
                    f"is asked for `{name}`, a join key or clock",
                    "Select others; the event has the keys.",
                )
        return SourceSelection(self, wanted)


@dataclass(frozen=True, eq=False)
class SourceSelection:
    """Some columns of a source, for the events of feature views: `enrich=[source["a", "b"]]`."""

    source: Source
    columns: tuple[str, ...]
    name: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)

    def alias(self, name: str, *, keys: Mapping[str, str]) -> "SourceSelection":
        """Return the same columns found by other columns of an event, called `<name>__<column>`.

        Args:
            keys: for join keys of the source's entity the columns that are taken for them, e.g.
                `{"product_id": "gift_id"}`.

        Raises:
            InvalidDeclaration, UnknownName: a key is none of the entity, or two are found by one column.
        """
        culprit = f"The alias `{validate_name('The alias', name)}` of source `{self.source.name}`"
        validate_alias_keys(culprit, keys, self._join_keys)
        return replace(self, name=name, keys=dict(keys))

    def enrichment(self) -> Enrichment:
        """Return what an event gets of it."""
        on = {self.keys.get(key, key): key for key in self._join_keys}
        before = "" if self.name is None else f"{self.name}__"
        return Enrichment(self.source, on, {f"{before}{column}": column for column in self.columns})

    @property
    def _join_keys(self) -> tuple[str, ...]:
        return () if self.source.entity is None else self.source.entity.join_keys


def validate_expectations(owner: str, expectations: Sequence[Expect]) -> tuple[Expect, ...]:
    """Return expectations as a tuple, each with a check of its own.

    Raises:
        InvalidDeclaration: something else than `Expect`, or two that say the same or have the same name.
    """
    if not isinstance(expectations, Sequence) or not all(isinstance(each, Expect) for each in expectations):
        raise InvalidDeclaration(
            owner, f"has expectations={describe_value(expectations)}", "Give a list of fp.Expect(...) values."
        )
    rules = give_own_checks(expectations)
    names = [each.check_name for each in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidDeclaration(
            owner,
            f"has the expectation {twice[0]} twice",
            "Join them into one, or give each its own columns or `name`.",
        )
    return rules


def validate_owner(owner: str, value: str | None) -> str | None:
    """Return an owner as Dagster accepts it: `team:name` or an e-mail address.

    Raises:
        InvalidDeclaration: any other text.
    """
    if value is not None and not (isinstance(value, str) and _OWNER.fullmatch(value)):
        raise InvalidDeclaration(
            owner, f"has the owner {describe_value(value)}", "Write `team:name` or an e-mail address."
        )
    return value
