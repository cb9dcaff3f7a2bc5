"""A union: several sources that are read as one, with one schema and no table of its own.

Its rows are those of its members as if one source held them: rows of equal clocks come in the order of the members.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from feature_platform.declarations.naming import (
    describe_value,
    validate_added_column,
    validate_column,
    validate_name,
)
from feature_platform.declarations.source import Source
from feature_platform.ground.errors import InvalidDeclaration


class Stored(Protocol):
    """What has a table of its own."""

    @property
    def asset(self) -> str:
        """Return the name of the table."""


_AGREE = {
    "event_time": "Give both clocks one name, e.g. by a `rename` in `prepare`.",
    "known_at": "Give both the clock, e.g. in `prepare`: `rows.with_columns(loaded_at=pl.col('at'))`.",
    "partitioned": "Say the same of both.",
}


@dataclass(frozen=True, init=False, eq=False)
class Union:
    """Several sources as one: what reads it reads the rows of all its members, each in its own table.

    A column that one member lacks is null in its rows. Whatever is made of a union is due when a member changes, and a
    push to a member reaches all that reads the union.

    Args:
        members: the sources by the names that `tag` shows. Rows of equal times come in this order.
        tag: a column that is added, with the name of the member that a row is from. None adds none.

    Raises:
        InvalidDeclaration: says what is wrong and what would do.

    >>> import polars as pl
    >>> import feature_platform as fp
    >>> rows = pl.DataFrame({"at": ["2024-05-01"], "amount": [1.0]})
    >>> web = fp.Source("web_orders", fp.sources.Frame(rows), event_time="at")
    >>> shop = fp.Source("shop_orders", fp.sources.Frame(rows), event_time="at")
    >>> orders = fp.Union("orders", {"web": web, "shop": shop}, tag="channel")
    >>> [member.asset for member in orders.members]
    ['sources/web_orders', 'sources/shop_orders']
    """

    name: str
    sources: Mapping[str, Source]
    tag: str | None
    description: str

    def __init__(
        self, name: str, members: Mapping[str, Source], *, tag: str | None = None, description: str = ""
    ) -> None:
        culprit = f"Union `{validate_name('Union', name)}`"
        sources = _validate_members(culprit, members)
        if tag is not None:
            validate_column(culprit, "tag", tag)
            validate_added_column(culprit, tag)
        first = next(iter(sources.values()))
        if tag is not None and tag in (first.event_time, first.known_at):
            raise InvalidDeclaration(culprit, f"has the tag `{tag}`, a clock of its members", "Give it another name.")
        for word, value in {"name": name, "sources": sources, "tag": tag, "description": description}.items():
            object.__setattr__(self, word, value)

    @property
    def members(self) -> tuple[Source, ...]:
        """Return the sources whose tables have its rows, in order."""
        return tuple(self.sources.values())

    @property
    def title(self) -> str:
        """Return what its rows are called: they have no table."""
        return f"union {self.name}"

    @property
    def event_time(self) -> str | None:
        """Return the column that says when a row happened, in all members; None for facts without a date."""
        return self.members[0].event_time

    @property
    def known_at(self) -> str | None:
        """Return the column that says when a row could be known, in all members; None where that is its own time."""
        return self.members[0].known_at

    @property
    def partitioned(self) -> bool:
        """Tell whether its members are partitioned by time; they all are, or none is."""
        return self.members[0].partitioned

    def __getitem__(self, names: object) -> object:
        raise InvalidDeclaration(
            f"Union `{self.name}`",
            "is used to enrich, and has no table in which a key finds a row",
            "Declare a row view over it and enrich by features of that.",
        )


def _validate_members(culprit: str, members: object) -> dict[str, Source]:
    """Return the members by name; of one shape, and each of them once."""
    if not isinstance(members, Mapping) or not all(isinstance(name, str) and name for name in members):
        raise InvalidDeclaration(
            culprit, f"has members={describe_value(members)}", 'Give sources by name: {"web": web, "shop": shop}.'
        )
    for member in members.values():
        if isinstance(member, Union):
            found = f"has {describe_value(member)} as a member"
            raise InvalidDeclaration(culprit, found, "Give the members of that union instead.")
        if not isinstance(member, Source):
            found = f"has {describe_value(member)} as a member"
            raise InvalidDeclaration(culprit, found, "Give an fp.Source; what a view makes is read from that view.")
    if len(members) < 2:
        found = f"has {len(members) or 'no'} member{'s' * (not members)}"
        raise InvalidDeclaration(culprit, found, "Give two sources or more; one is read without a union.")
    sources: dict[str, Source] = dict(members)
    assets = [source.asset for source in sources.values()]
    twice = next((asset for asset in assets if assets.count(asset) > 1), None)
    if twice is not None:
        raise InvalidDeclaration(culprit, f"has `{twice}` as a member twice", "Give each source once.")
    for one, other in pairwise(sources.values()):
        for word, remedy in _AGREE.items():
            mine, theirs = getattr(one, word), getattr(other, word)
            if mine != theirs:
                found = f"has `{one.name}` with {word}={mine!r} and `{other.name}` with {word}={theirs!r}"
                raise InvalidDeclaration(culprit, found, remedy)
    return sources


def title_of(read: "Union | Stored") -> str:
    """Return what the rows that a declaration reads are called: the name of their table, or that of a union."""
    return read.title if isinstance(read, Union) else read.asset


def text_of_read(read: "Union | Stored") -> str:
    """Return what a code version covers of what an asset reads: of a union its members, their order, and the tag."""
    if isinstance(read, Union):
        return f"union {[(name, member.asset) for name, member in read.sources.items()]!r} {read.tag!r}"
    return read.asset
