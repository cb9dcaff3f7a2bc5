"""The tokens of SQL text: names, words, texts, numbers and signs; comments are left out.

Whatever is none of these (dollar quotes, prefixed texts such as `E'...'`, a second statement) is refused with its
place. Backslashes in a text are plain characters, as in standard SQL.
"""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["name", "word", "text", "number", "sign", "placeholder"]
Dialect = Literal["standard", "spark"]

_SIGNS = "<=> ->> !~~* !~~ !~* -> :: <= >= <> != == || ~~* ~~ ~* !~ ^@ // = < > + - * / % & | ^ ~ ( ) [ ] , . :"
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*)
    |(?P<comment>/\*)
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?!\w)
    |(?P<single>'(?:[^']|'')*')
    |(?P<double>"(?:[^"]|"")*")
    |(?P<backtick>`(?:[^`]|``)*`)
    |(?P<word>[^\W\d]\w*)
    |(?P<placeholder>\{[^\W\d]\w*\})
    |(?P<sign>"""
    + "|".join(re.escape(sign) for sign in _SIGNS.split())
    + ")",
    re.VERBOSE,
)
_QUOTES = ("single", "double", "backtick")
_QUOTED_AS: Mapping[Dialect, Mapping[str, Kind]] = {
    "standard": {"single": "text", "double": "name", "backtick": "name"},
    "spark": {"single": "text", "double": "text", "backtick": "name"},
}


class UnreadableSql(ValueError):
    """What SQL text says that is not read here: what was found, at which character, and what would do."""


class Token(NamedTuple):
    """One token: `text` is without quotes, `at` is its character from 1, `word` a bare word in lower case."""

    kind: Kind
    text: str
    at: int
    word: str = ""

    @property
    def quoted_name(self) -> str:
        """Return its text as a name in quotes."""
        return '"' + self.text.replace('"', '""') + '"'

    @property
    def sql(self) -> str:
        """Return the token as standard SQL writes it."""
        if self.kind == "name":
            return self.quoted_name
        if self.kind == "text":
            return "'" + self.text.replace("'", "''") + "'"
        return f"{{{self.text}}}" if self.kind == "placeholder" else self.text

    def is_word(self, *words: str) -> bool:
        """Return whether it is one of these words, written without quotes in any case."""
        return self.word != "" and self.word in words

    def is_sign(self, *signs: str) -> bool:
        """Return whether it is one of these signs."""
        return self.text in signs and self.kind == "sign"


def tokens_of(text: str, dialect: Dialect = "standard") -> tuple[Token, ...]:
    """Return the tokens of SQL text.

    In Spark's dialect double quotes hold a text, and a text with a backslash is refused: it means an escape there.

    Raises:
        UnreadableSql: a character is part of no token, or a name is empty.

    >>> [each.text for each in tokens_of("fare > 5 -- too much")]
    ['fare', '>', '5']
    """
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UnreadableSql(_describe_stranger(text, position))
        kind, end = str(match.lastgroup), match.end()
        if kind == "comment":
            end = _end_of_comment(text, position)
        elif kind != "space":
            tokens.append(_make_token(kind, match[0], position + 1, dialect))
        if kind == "word" and text[end : end + 1] in ("'", '"'):
            raise UnreadableSql(f"it has `{match[0]}` right before a quote at character {position + 1}; {_PLAIN_TEXT}")
        position = end
    return tuple(tokens)


def standard_text(text: str, dialect: Dialect) -> str:
    r"""Return SQL of a dialect in standard SQL: names in double quotes, texts in single ones.

    Raises:
        UnreadableSql: a character is part of no token.

    >>> standard_text('status = "paid" and `my city` = "a"', "spark")
    'status = \'paid\' and "my city" = \'a\''
    """
    return " ".join(token.sql for token in tokens_of(text, dialect))


_PLAIN_TEXT = "write plain text in single quotes"


def _make_token(kind: str, found: str, at: int, dialect: Dialect) -> Token:
    if kind == "placeholder":
        return Token("placeholder", found[1:-1], at)
    if kind == "word":
        return Token("word", found, at, found.lower() if found.isascii() else "")
    if kind == "number":
        return Token("number", found, at)
    if kind not in _QUOTES:
        return Token("sign", found, at)
    meant, quote = _QUOTED_AS[dialect][kind], found[0]
    inner = found[1:-1].replace(quote * 2, quote)
    if "\0" in inner or (meant == "name" and not inner):
        raise UnreadableSql(f"it has an empty name or a NUL at character {at}")
    if dialect == "spark" and meant == "text" and ("\\" in inner or quote * 2 in found[1:-1]):
        raise UnreadableSql(
            f"it has a backslash or a doubled quote in the text at character {at}, "
            "which Spark reads as an escape or as two texts; write the condition as SQL without `condition_parser`"
        )
    return Token(meant, inner, at)


def _end_of_comment(text: str, start: int) -> int:
    end = text.find("*/", start + 2)
    if end < 0:
        raise UnreadableSql(f"it has a comment at character {start + 1} that does not end; end it with `*/`")
    if "/*" in text[start + 2 : end]:
        raise UnreadableSql(f"it has a comment inside the comment at character {start + 1}; leave the inner one out")
    return end + 2


def _describe_stranger(text: str, position: int) -> str:
    excerpt = text[position : position + 12].splitlines()[0] if text[position].isprintable() else text[position]
    where = f"at character {position + 1}"
    if text[position] in "'\"`":
        return f"it has a quote {where} that does not end"
    if text[position] == ";":
        return f"it has a `;` {where}; write one statement"
    return f"it has {excerpt!r} {where}, which is no part of SQL here"
