"""A condition as a flat tree: its ANDs, ORs and NOTs taken apart, each comparison printed on its own.

Ten thousand `OR`s are one node with ten thousand parts, and those that hold one column against a whole number or a
text are one set: as a chain they would end the process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from feature_platform.ground.sql.lexing import Dialect, Token, UnreadableSql, tokens_of
from feature_platform.ground.sql.printing import print_expression
from feature_platform.ground.sql.words import EXPRESSION_WORDS

DEEPEST = 100
_JOINED_BY: tuple[Literal["or", "and"], ...] = ("or", "and")
_OPENS, _CLOSES = ("(", "["), (")", "]")


@dataclass(frozen=True)
class Leaf:
    """One comparison as SQL that is safe to hand to Polars, with the values it compares for equality, if it does.

    Attributes:
        equal: the column and the value of `column = value` or, `negated`, of `column <> value`.
    """

    sql: str
    equal: tuple[str, int | str] | None = None
    negated: bool = False


@dataclass(frozen=True)
class Combination:
    """Parts joined by AND or by OR, or one part negated."""

    kind: Literal["and", "or", "not"]
    parts: "tuple[Part, ...]"


Part = Leaf | Combination


@lru_cache(maxsize=64)
def condition_of(text: str, columns: tuple[str, ...] | None = None, dialect: Dialect = "standard") -> Part:
    """Return the tree of an SQL condition.

    Args:
        columns: the columns there are; None when they are not known yet.

    Raises:
        UnreadableSql: it reads a table, names what is no column, or is nested too deeply.

    >>> condition_of("fare = 5 OR fare = 7").kind
    'or'
    """
    known, tokens = None if columns is None else frozenset(columns), tokens_of(text, dialect)
    _refuse_deep(tokens)
    return _part(tokens, known, 1)


def _refuse_deep(tokens: Sequence[Token]) -> None:
    depth = 0
    for token in tokens:
        depth += token.is_sign("(") - token.is_sign(")")
        if depth > DEEPEST:
            raise UnreadableSql(f"it is nested deeper than {DEEPEST} levels at character {token.at}")


def _part(tokens: Sequence[Token], columns: frozenset[str] | None, level: int) -> Part:
    if level > DEEPEST:
        raise UnreadableSql(f"it is nested deeper than {DEEPEST} levels; write it with fewer parentheses")
    words = {token.word for token in tokens}
    for kind in _JOINED_BY:
        pieces = _split(tokens, kind) if kind in words else ()
        if len(pieces) > 1:
            return Combination(kind, tuple(_part(piece, columns, level + 1) for piece in pieces))
    if len(tokens) > 1 and tokens[0].is_word("not"):
        return Combination("not", (_part(tokens[1:], columns, level + 1),))
    if _is_wrapped(tokens):
        return _part(tokens[1:-1], columns, level + 1)
    equal = _equality(tokens, columns)
    return Leaf(print_expression(tokens, columns)) if equal is None else equal


def _split(tokens: Sequence[Token], word: Literal["or", "and"]) -> list[Sequence[Token]]:
    """Split at the words that stand outside parentheses, CASE and BETWEEN."""
    pieces, start, depth, cases, between = [], 0, 0, 0, False
    for position, token in enumerate(tokens):
        depth += token.is_sign(*_OPENS) - token.is_sign(*_CLOSES)
        if depth:
            continue
        cases += token.is_word("case")
        cases -= token.is_word("end") and cases > 0
        if cases:
            continue
        if token.is_word("between"):
            between = True
        elif token.is_word("and") and between:
            between = False
        elif token.is_word(word):
            pieces.append(tokens[start:position])
            start = position + 1
    return [*pieces, tokens[start:]]


def _is_wrapped(tokens: Sequence[Token]) -> bool:
    """Tell whether one pair of parentheses holds everything."""
    if len(tokens) < 2 or not tokens[0].is_sign("("):
        return False
    depth = 0
    for position, token in enumerate(tokens):
        depth += token.is_sign("(") - token.is_sign(")")
        if depth == 0:
            return position == len(tokens) - 1
    return False


def _equality(tokens: Sequence[Token], columns: frozenset[str] | None) -> Leaf | None:
    """Return the leaf of `column = value` and `column <> value`; None for any other tokens."""
    if len(tokens) != 3 or not tokens[1].is_sign("=", "==", "<>", "!="):
        return None
    column, sign, value = tokens
    is_column = columns is not None and column.text in columns and column.kind in ("name", "word")
    is_whole = value.kind == "number" and value.text.isdecimal()
    if not is_column or column.word in EXPRESSION_WORDS or not (is_whole or value.kind == "text"):
        return None
    constant = int(value.text) if is_whole else value.text
    sql = f"{column.quoted_name} {sign.text} {value.sql}"
    return Leaf(sql, (column.text, constant), negated=sign.text in ("<>", "!="))
