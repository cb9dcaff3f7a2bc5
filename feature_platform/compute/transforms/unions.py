"""The rows of a union: those of its members as if one source held them.

Members come in their order, so that of rows with equal clocks those of a later member come last. Where rows have a
known-at clock they are in order of their clocks, as the table of one source is.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.declarations.label import Label
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureView
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.working_columns import MEMBER

PLACE_DIGITS = 4  # of the place of a member in its union, where it is text
Read = Source | Union | FeatureView | Label | Spine
"""What a view, label or spine reads: what has a table, or a union of several."""


def rows_of_read(read: Read, rows: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return the rows of what is read, from those of the tables that have them, by name.

    Raises:
        InvalidDeclaration: two members of a union have a column in different types, or one has its tag.
    """
    return unite(read, [rows[each.asset] for each in read.members])


def schema_of_read(read: Read, schemas: Mapping[str, pl.Schema]) -> pl.Schema:
    """Return the columns of what is read, from those of the tables that have its rows, by name; raises as `unite`."""
    return unite(read, [pl.LazyFrame(schema=schemas[each.asset]) for each in read.members]).collect_schema()


def unite(read: Read, rows: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Return the rows of the members of a union as one frame; of everything else its own.

    Columns are those of the first member, then what later ones add, then the tag. One that a member lacks is null.

    Raises:
        InvalidDeclaration: two members have a column in different types, or one has the tag.
    """
    if not isinstance(read, Union):
        return rows[0]
    schemas = [each.collect_schema() for each in rows]
    schema = schema_of_members(read, schemas)
    columns = [member_columns(read, name, own, schema) for name, own in zip(read.sources, schemas, strict=True)]
    parts = [part.select(own) for part, own in zip(rows, columns, strict=True)]
    united = pl.concat(parts)
    if read.event_time is None or read.known_at is None:
        return united
    return united.sort(read.event_time, read.known_at, maintain_order=True)


def member_columns(union: Union, name: str, own: pl.Schema, schema: pl.Schema) -> list[pl.Expr]:
    """Return what makes rows of one member those of its union.

    Args:
        name: of the member, as the tag shows it.
        own: the columns of the member.
        schema: those of the union, without the tag.
    """
    columns = [pl.col(each) if each in own else pl.lit(None, dtype).alias(each) for each, dtype in schema.items()]
    return columns if union.tag is None else [*columns, pl.lit(name).alias(union.tag)]


def member_of(union: Union, source: Source) -> str:
    """Return the name that a union gives a member."""
    return next(name for name, member in union.sources.items() if member is source)


def union_below(view: FeatureView) -> Union | None:
    """Return the union at the bottom of a chain of views; None where a source is."""
    read = view.source
    return union_below(read) if isinstance(read, FeatureView) else read if isinstance(read, Union) else None


def places_of_members(view: FeatureView, schema: pl.Schema) -> pl.Expr | None:
    """Return the place in its union of the member that a row of a view is of, from the tag; None where that is lost.

    A tag that the view's function has changed gives null.
    """
    union = union_below(view)
    if union is None or union.tag is None or schema.get(union.tag) != pl.String:
        return None
    names = list(union.sources)
    return pl.col(union.tag).replace_strict(names, list(range(len(names))), default=None, return_dtype=pl.Int64)


def with_members(view: FeatureView, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the events of an exact view with `fp_member`, where the tag of its union is among their columns."""
    if view.kind is not ViewKind.EXACT or union_below(view) is None:
        return rows
    places = places_of_members(view, rows.collect_schema())
    return rows if places is None else rows.with_columns(places.alias(MEMBER))


def schema_of_members(union: Union, schemas: Sequence[pl.Schema]) -> pl.Schema:
    """Return the columns of all members, in order and without the tag.

    Raises:
        InvalidDeclaration: two members have a column in different types, or one has the tag.
    """
    found: dict[str, tuple[Source, pl.DataType]] = {}
    for member, schema in zip(union.members, schemas, strict=True):
        if union.tag in schema:
            raise InvalidDeclaration(
                f"Union `{union.name}`",
                f"has the tag `{union.tag}`, and `{member.name}` a column of that name",
                "Give the tag another name, or rename the column in `prepare`.",
            )
        for name, dtype in schema.items():
            other, known = found.setdefault(name, (member, dtype))
            if known != dtype:
                raise InvalidDeclaration(
                    f"`{other.name}`",
                    f"has `{name}` as {known} and `{member.name}` as {dtype}",
                    "Cast it in `prepare`.",
                )
    return pl.Schema({name: dtype for name, (_, dtype) in found.items()})
