"""The tables of the members of a union as one table of pieces, in order of time."""

from collections.abc import Iterable, Iterator, Sequence

from feature_platform.compute.joins.pieces import Piece, Table, rows_of_table
from feature_platform.compute.transforms.unions import unite
from feature_platform.declarations.union import Union


def unite_pieces(union: Union, tables: Sequence[Table]) -> Table:
    """Return the tables of members as one table: pieces of overlapping times become one."""
    numbered = [(number, piece) for number, table in enumerate(tables) for piece in table]
    groups = list(_overlapping(sorted(numbered, key=lambda each: each[1].first)))
    return tuple(_unite_group(union, tables, group) for group in groups)


def _overlapping(pieces: Iterable[tuple[int, Piece]]) -> Iterator[list[tuple[int, Piece]]]:
    group: list[tuple[int, Piece]] = []
    for number, piece in pieces:
        if group and piece.first > max(each.last for _, each in group):
            yield group
            group = []
        group.append((number, piece))
    yield group


def _unite_group(union: Union, tables: Sequence[Table], group: Sequence[tuple[int, Piece]]) -> Piece:
    own = [[piece for at, piece in group if at == number] for number in range(len(tables))]
    rows = [rows_of_table(mine) if mine else table[0].rows.clear() for mine, table in zip(own, tables, strict=True)]
    pieces = [piece for _, piece in group]
    return Piece(
        unite(union, rows),
        first=min(piece.first for piece in pieces),
        last=max(piece.last for piece in pieces),
        height=_total(piece.height for piece in pieces),
        size=_total(piece.size for piece in pieces),
        name=pieces[0].name,
    )


def _total(counts: Iterable[int | None]) -> int | None:
    """Return the sum of counts; None where one is not known."""
    known = list(counts)
    return None if None in known else sum(each or 0 for each in known)
