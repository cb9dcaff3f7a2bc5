"""A spine: the keys and moments that features and labels are asked for, as a table of its own.

Which rows it has is decided by each row alone, by a stable hash or by the events of its key: late data adds rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypedDict, Unpack

from feature_platform.declarations.cadence import Cadence
from feature_platform.declarations.entity import Entity
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.naming import (
    SPINE_TIME,
    describe_value,
    validate_column_list,
    validate_kind,
    validate_name,
)
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.source import Source, validate_expectations, validate_owner
from feature_platform.declarations.union import Union, text_of_read
from feature_platform.ground.clock import instant, microseconds
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.table_names import TableKind


class SpineWords(TypedDict, total=False):
    """What each spine may say besides how its rows are found."""

    expectations: Sequence[Expect]
    owner: str | None
    description: str


@dataclass(frozen=True)
class ActiveKeys:
    """The rows of `Spine.every_key`: each active key at each instant."""

    source: Source | Union
    entity: Entity
    cadence: Cadence
    active: str

    @property
    def active_us(self) -> int:
        """Return how long an event keeps its key active, in microseconds."""
        return microseconds(self.active, "Spine, active,")


@dataclass(frozen=True)
class ChosenEvents:
    """The rows of `Spine.events`: a share of the rows of a source."""

    source: Source | Union
    share: float
    by: tuple[str, ...] | None


@dataclass(frozen=True)
class NegativePairs:
    """The rows of `Spine.negatives`: positives, and others that were none."""

    positives: "Source | Union | Spine"
    candidates: "Source | Union | Spine"
    ratio: int
    entity: Entity | None


@dataclass(frozen=True)
class LoggedRequests:
    """The rows of `Spine.requests`: what a service was asked, as its request log has it."""

    service: FeatureService
    share: float
    since: datetime | None

    @property
    def table(self) -> str:
        """Return the request log that the rows are read from."""
        return TableKind.REQUESTS.of(self.service.name)


SpineRule = ActiveKeys | ChosenEvents | NegativePairs | LoggedRequests


@dataclass(frozen=True, eq=False)
class Spine:
    """Rows with `event_timestamp`, the moment, and what is asked at it. Made by its class methods.

    It is a table, `spines/<name>`, which each run makes anew from all of its sources and commits as a whole.

    Attributes:
        rule: how its rows are found.

    >>> import polars as pl
    >>> import feature_platform as fp
    >>> orders = fp.Source("orders", fp.sources.Frame(pl.DataFrame({"customer": ["ann"]})), event_time="at")
    >>> weekly = fp.Spine.every_key("weekly", source=orders, entity=fp.Entity("customer", ["customer"]), active="28d")
    >>> weekly.asset, weekly.join_keys
    ('spines/weekly', ('customer',))
    """

    name: str
    rule: SpineRule
    expectations: tuple[Expect, ...] = ()
    owner: str | None = None
    description: str = ""

    event_time: ClassVar[str] = SPINE_TIME
    known_at: ClassVar[None] = None
    partitioned: ClassVar[bool] = False
    monitor: ClassVar[None] = None

    @classmethod
    def every_key(
        cls,
        name: str,
        *,
        source: Source | Union,
        entity: Entity,
        every: str = "7d",
        active: str = "90d",
        tz: str | None = None,
        **more: Unpack[SpineWords],
    ) -> "Spine":
        """Return the spine of each key at each instant of a grid, while it had an event in the time before.

        An event with `a - active <= event_time < a`, known by then (`known_at <= a` where the source has that clock),
        makes its key active at the instant `a`. Instants go from the first after the first event to the last that the
        source's table covers: the end of its newest partition, or of a table without partitions the first instant after
        its newest event; and none is later than the commit that is read.

        Args:
            source: the events, with an event time.
            entity: whose keys are asked.
            every: the distance of two instants, as in `fp.Cadence`; weeks begin on Monday.
            active: how long an event keeps its key in the spine, so that those who left are not asked for ever.
            tz: the zone whose midnights are the instants, e.g. `America/New_York`. Defaults to UTC.
            more: `expectations`, `owner` and `description`.

        Raises:
            InvalidDeclaration: says what is wrong and what would do.
        """
        culprit = _culprit(name)
        _require_clock(culprit, "source", source)
        validate_kind(culprit, "entity", entity, Entity, "Give the fp.Entity whose keys are asked.")
        microseconds(active, f"{culprit}, active,")
        return cls._make(name, ActiveKeys(source, entity, Cadence(every, tz=tz), active), more)

    @classmethod
    def events(
        cls,
        name: str,
        *,
        source: Source | Union,
        share: float = 0.1,
        by: Sequence[str] | None = None,
        **more: Unpack[SpineWords],
    ) -> "Spine":
        """Return the spine of a share of the rows of a source, with all their columns.

        The moment of a row is its event time, or when it became known where the source has a `known_at` that is later:
        nobody can ask about a row before. A larger share holds all rows of a smaller one.

        Args:
            source: the rows, with an event time.
            share: above 0, at most 1.
            by: the columns that decide with the moment whether a row is chosen; rows that share them are chosen
                together. Defaults to all columns of the source, so that another column of it chooses anew.
            more: `expectations`, `owner` and `description`.

        Raises:
            InvalidDeclaration: says what is wrong and what would do.
        """
        culprit = _culprit(name)
        _require_clock(culprit, "source", source)
        decide = None if by is None else validate_column_list(culprit, "by", by)
        return cls._make(name, ChosenEvents(source, validate_share(culprit, "share", share), decide), more)

    @classmethod
    def negatives(
        cls,
        name: str,
        *,
        positives: "Source | Union | Spine",
        candidates: "Source | Union | Spine",
        ratio: int = 5,
        entity: Entity | None = None,
        **more: Unpack[SpineWords],
    ) -> "Spine":
        """Return the spine of positives, each once, and for each up to `ratio` negatives at its moment.

        A negative is a candidate that is not among the positives of the same moment. A candidate counts from its event
        time on, and not before it was known; from a source without an event time it always does. Keys that candidates
        do not have are those of the positive: the same customer, another product. The smallest hashes of key and moment
        are taken, so that a larger ratio holds the negatives of a smaller one.

        Args:
            positives: what happened, with an event time.
            candidates: what could have happened.
            ratio: how many negatives there are for a positive, where there are enough candidates; at least 1.
            entity: whose keys a row has. Defaults to the columns that both have besides clocks.
            more: `expectations`, `owner` and `description`.

        Raises:
            InvalidDeclaration: says what is wrong and what would do.
        """
        culprit = _culprit(name)
        _require_clock(culprit, "positives", positives)
        remedy = "Give an fp.Source, an fp.Union or an fp.Spine."
        validate_kind(culprit, "candidates", candidates, (Source, Union, Spine), remedy)
        if isinstance(ratio, bool) or not isinstance(ratio, int) or ratio < 1:
            raise InvalidDeclaration(culprit, f"has ratio={describe_value(ratio)}", "Give a whole number from 1 on.")
        if entity is not None:
            validate_kind(culprit, "entity", entity, Entity, "Give the fp.Entity whose keys a row has.")
        return cls._make(name, NegativePairs(positives, candidates, ratio, entity), more)

    @classmethod
    def requests(
        cls,
        name: str,
        *,
        service: FeatureService,
        share: float = 1.0,
        since: str | datetime | None = None,
        **more: Unpack[SpineWords],
    ) -> "Spine":
        """Return the spine of what a service was asked: each entity of each request in its log, at the moment asked.

        A row has the join keys of the service and its request fields, in their types, and clipped as they were when the
        answer was computed. What was asked twice at one moment is one row. A request that failed or was refused is not
        in the log; a server keeps the share of requests that its setting `request_log_sample` says. Without a log
        there are no rows yet.

        Args:
            service: whose requests.
            share: above 0, at most 1; join keys and moment decide. A larger share holds all rows of a smaller one.
            since: requests before it are left out, such as those from before a request field changed its type.
            more: `expectations`, `owner` and `description`.

        Raises:
            InvalidDeclaration: says what is wrong and what would do.
        """
        culprit = _culprit(name)
        validate_kind(culprit, "service", service, FeatureService, "Give the fp.FeatureService that is asked.")
        first = None if since is None else instant(since, f"{culprit}, since,")
        return cls._make(name, LoggedRequests(service, validate_share(culprit, "share", share), first), more)

    @classmethod
    def _make(cls, name: str, rule: SpineRule, words: SpineWords) -> "Spine":
        culprit = _culprit(name)
        return cls(
            name,
            rule,
            validate_expectations(culprit, words.get("expectations", ())),
            validate_owner(culprit, words.get("owner")),
            words.get("description", ""),
        )

    @property
    def asset(self) -> str:
        """Return its table in the offline store, which is its Dagster asset key, too."""
        return TableKind.SPINES.of(self.name)

    @property
    def members(self) -> "tuple[Spine, ...]":
        """Return the spines whose tables have its rows: itself."""
        return (self,)

    @property
    def origins(self) -> "tuple[Source | Union | Spine, ...]":
        """Return what it is made from, each once; none where that is a request log."""
        rule = self.rule
        if isinstance(rule, LoggedRequests):
            return ()
        found = (rule.positives, rule.candidates) if isinstance(rule, NegativePairs) else (rule.source,)
        return tuple(dict.fromkeys(found))

    @property
    def inputs(self) -> "tuple[Source | Spine, ...]":
        """Return the assets whose tables it is made from, each once."""
        return tuple(dict.fromkeys(each for origin in self.origins for each in origin.members))

    @property
    def join_keys(self) -> tuple[str, ...]:
        """Return the keys of its entity or service; none where it has the columns of a source."""
        if isinstance(self.rule, LoggedRequests):
            return tuple(dict.fromkeys(key for view in self.rule.service.views for key in view.join_keys))
        entity = None if isinstance(self.rule, ChosenEvents) else self.rule.entity
        return () if entity is None else entity.join_keys

    @property
    def words(self) -> tuple[str, ...]:
        """Return what decides on its rows, in words that its code version covers."""
        match self.rule:
            case ActiveKeys(_, entity, cadence, active):
                return ("every_key", repr(entity.join_keys), repr(cadence), active)
            case ChosenEvents(_, share, by):
                return ("events", repr(share), repr(by))
            case NegativePairs(positives, candidates, ratio, entity):
                keys = None if entity is None else entity.join_keys
                return ("negatives", text_of_read(positives), text_of_read(candidates), repr(ratio), repr(keys))
            case LoggedRequests(service, share, since):
                fields = (dict(service.request), dict(service.bounded))
                return ("requests", self.rule.table, repr(self.join_keys), repr(fields), repr(share), repr(since))


def validate_share(culprit: str, word: str, share: object) -> float:
    """Return a share of rows or keys.

    Raises:
        InvalidDeclaration: it is not a number above 0 and at most 1.
    """
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise InvalidDeclaration(
            culprit, f"has {word}={describe_value(share)}", f"Give a share above 0 and at most 1, e.g. {word}=0.1."
        )
    return float(share)


def _culprit(name: object) -> str:
    return f"Spine `{validate_name('Spine', name)}`"


def _require_clock(culprit: str, word: str, source: object) -> None:
    validate_kind(culprit, word, source, (Source, Union, Spine), "Give an fp.Source with an event_time.")
    if isinstance(source, (Source, Union)) and source.event_time is None:
        raise InvalidDeclaration(
            culprit, f"has {word}={describe_value(source)}, which has no event_time", "Name the clock of its rows."
        )
