"""SQL printed from tokens: names in quotes, texts in quotes, known words and signs as they are, and nothing else.

A parenthesis comes only after a sign, a known word or a known function. So no table function can be called by it,
however its name was written: that is what keeps Polars from opening files.
"""

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches

from feature_platform.ground.sql.lexing import Token, UnreadableSql, tokens_of
from feature_platform.ground.sql.words import (
    BEFORE_PARENTHESIS,
    EXPRESSION_WORDS,
    FUNCTIONS,
    QUERY_WORDS,
    SOFT_WORDS,
    TYPE_PARTS,
    TYPES,
    UNITS,
)

MOST_OPERATORS, DEEPEST = 1_000, 40  # more ends the process (20,000 operators), or Polars gives up (50 levels)
_CASTS = ("cast", "try_cast")
_CALLS_WITH_FROM = ("extract", "substring", "trim")
_JOINED = (".", ",", "(", ")", "[", "]", "::", ":")


def print_expression(tokens: Sequence[Token], columns: Collection[str] | None) -> str:
    r"""Return one expression over columns as SQL that is safe to hand to Polars.

    Args:
        columns: the columns there are; None when they are not known yet, and any name may be one.

    Raises:
        UnreadableSql: it names what is no column, calls an unknown function, or is no single expression.

    >>> print_expression(tokens_of("fare > 5 and city = 'a'"), ["fare", "city"])
    '"fare" > 5 AND "city" = \'a\''
    """
    return _Printer(tokens, columns, tables=(), query=False).text()


def print_query(text: str, *, tables: Collection[str], columns: Collection[str] | None) -> str:
    """Return one SELECT over tables as SQL that is safe to hand to Polars.

    A table is written as its name or as a placeholder, `{batch}`; doubled braces in a text are single ones, as in a
    query that is formatted.

    Raises:
        UnreadableSql: it is no SELECT, reads another table, names what is no column and not introduced by the query
            itself, or calls an unknown function.

    >>> print_query("SELECT * FROM {batch} WHERE fare < 0", tables=["batch"], columns=["fare"])
    'SELECT * FROM "batch" WHERE "fare" < 0'
    """
    tokens = tokens_of(text.rstrip("; \t\r\n\v\f"))
    first = next((token for token in tokens if not token.is_sign("(")), None)
    if first is None or not first.is_word("select", "with"):
        raise UnreadableSql("it does not begin with SELECT or WITH")
    return _Printer(tokens, columns, tables=tables, query=True).text()


class _Printer:
    """One pass over tokens, with the word before each open parenthesis."""

    def __init__(
        self, tokens: Sequence[Token], columns: Collection[str] | None, *, tables: Collection[str], query: bool
    ) -> None:
        self.tokens = tokens
        self.columns = columns if columns is None or isinstance(columns, frozenset) else frozenset(columns)
        self.tables = frozenset(tables)
        self.query = query
        self.openers: list[str] = []
        self.cases = 0
        self.names: set[int] = set()
        self.introduced = frozenset(self._introduced_names()) if query else frozenset()

    def text(self) -> str:
        if not self.tokens:
            raise UnreadableSql("it is empty")
        self._check_size()
        printed = [self._print(position) for position in range(len(self.tokens))]
        if self.openers:
            raise UnreadableSql("it has a `(` that is not closed")
        return " ".join(printed)

    def _check_size(self) -> None:
        operators = sum(_is_operator(token) for token in self.tokens)
        if operators > MOST_OPERATORS:
            raise UnreadableSql(
                f"one expression of it has {operators:,} operators, and at most {MOST_OPERATORS:,} are computed; "
                "hold a column against many values with `IN (...)`"
            )

    def _at(self, position: int) -> Token | None:
        return self.tokens[position] if 0 <= position < len(self.tokens) else None

    def _follows(self, position: int, *signs: str) -> bool:
        following = self._at(position + 1)
        return following is not None and following.is_sign(*signs)

    def _comes_after(self, position: int, *words: str) -> bool:
        before = self._at(position - 1)
        return before is not None and before.is_word(*words)

    def _print(self, position: int) -> str:
        token = self.tokens[position]
        if token.kind == "sign":
            return self._print_sign(position)
        if token.kind == "number":
            self._refuse_neighbour(position)
            return token.text
        if token.kind == "text":
            self._refuse_neighbour(position)
            text = token.text.replace("{{", "{").replace("}}", "}") if self.query else token.text
            return token._replace(text=text).sql
        if token.kind == "placeholder":
            return self._print_placeholder(token)
        if token.kind == "word":
            known = self._print_known_word(position)
            if known is not None:
                return known
        return self._print_name(position)

    def _print_sign(self, position: int) -> str:
        token = self.tokens[position]
        if token.text == "(":
            self._open(position)
        elif token.text == ")":
            if not self.openers:
                raise UnreadableSql(f"it has a `)` at character {token.at} that closes nothing")
            self.openers.pop()
        return token.text

    def _open(self, position: int) -> None:
        before, at = self._at(position - 1), self.tokens[position].at
        word = before.word if before is not None else ""
        free = before is None or (before.kind == "sign" and before.text not in (")", "]", "."))
        if not free and word not in FUNCTIONS | BEFORE_PARENTHESIS | TYPES:
            raise UnreadableSql(f"it has a `(` at character {at} after {_describe(before)}, which is no known function")
        self.openers.append(word)
        if len(self.openers) > DEEPEST:
            raise UnreadableSql(f"it is nested deeper than {DEEPEST} levels at character {at}")

    def _print_placeholder(self, token: Token) -> str:
        if token.text not in self.tables:
            known = ", ".join(f"`{{{name}}}`" for name in sorted(self.tables)) or "none"
            raise UnreadableSql(f"it has `{{{token.text}}}` at character {token.at}; of placeholders there is {known}")
        return token.quoted_name

    def _print_known_word(self, position: int) -> str | None:
        """Return the word as it is printed; None when it is a name."""
        token = self.tokens[position]
        word = token.word
        before = self._at(position - 1)
        if before is not None and before.is_sign("."):
            return None
        if self._is_type(position, word) or self._is_unit(position, word) or self._is_zone_phrase(position):
            return word.upper()
        if word in ("both", "leading", "trailing") and self.openers[-1:] == ["trim"]:
            return word.upper()
        if self._follows(position, "("):
            return self._print_before_parenthesis(position, word)
        if word in EXPRESSION_WORDS:
            return word.upper() if self._is_expression_word(position, word) else None
        if word in QUERY_WORDS and self._may_query(position, word):
            if word in ("from", "join"):
                self._check_table(position)
            return word.upper()
        if self.query and word in ("left", "right") and self._joins(position):
            return word.upper()
        if word in ("first", "last") and self._comes_after(position, "nulls"):
            return word.upper()
        soft = word in SOFT_WORDS and not self._is_named(token.text)
        return word.upper() if soft and (self.query or word not in _QUERY_SOFT) else None

    def _is_expression_word(self, position: int, word: str) -> bool:
        """Tell whether a word is a keyword here.

        `end` and its like are only in a CASE; `all` and `any` only after `union`, `intersect`, `except` or `select`.
        """
        if word in ("when", "then", "else", "end"):
            inside = self.cases > 0
            self.cases -= word == "end" and inside
            return inside
        if word in ("all", "any"):
            return self._comes_after(position, "union", "intersect", "except", "select")
        self.cases += word == "case"
        return True

    def _may_query(self, position: int, word: str) -> bool:
        """Tell whether a word of queries is a keyword here: a bare expression has `AS` and `FROM` only inside a call.

        Raises:
            UnreadableSql: an expression would read a table.
        """
        if self.query:
            return True
        token, opener = self.tokens[position], self.openers[-1] if self.openers else ""
        if word in ("asc", "desc", "order", "by", "partition", "over", "nulls") and "over" in self.openers:
            return True
        if (word == "as" and opener in _CASTS) or (word == "from" and opener in _CALLS_WITH_FROM):
            return True
        if word in ("from", "with") and (self._comes_after(position, "distinct") or "timestamp" in opener):
            return True
        if word in _READING and not self._is_named(token.text):
            raise UnreadableSql(f"it has `{token.text}` at character {token.at}; an expression reads no table")
        return False

    def _is_type(self, position: int, word: str) -> bool:
        before, following = self._at(position - 1), self._at(position + 1)
        if before is None or (word not in TYPES and word not in TYPE_PARTS):
            return word in TYPES | {"interval"} and following is not None and following.kind == "text"
        opener = self.openers[-1] if self.openers else ""
        cast = before.is_sign("::") or (before.is_word("as") and opener in _CASTS)
        if word in TYPES and (cast or (following is not None and following.kind == "text")):
            return True
        parts = before.is_word(*TYPES, *TYPE_PARTS) or before.is_sign(")")
        return word in TYPE_PARTS and parts and not self._is_named(self.tokens[position].text)

    def _is_unit(self, position: int, word: str) -> bool:
        if word not in UNITS:
            return False
        before, earlier = self._at(position - 1), self._at(position - 2)
        if before is not None and before.is_sign("(") and self.openers and self.openers[-1] == "extract":
            return True
        return (
            before is not None
            and before.kind in ("text", "number")
            and earlier is not None
            and earlier.is_word("interval")
        )

    def _is_zone_phrase(self, position: int) -> bool:
        """Tell whether a word is part of AT TIME ZONE."""
        phrase = ("at", "time", "zone")
        for offset, word in enumerate(phrase):
            if self.tokens[position].is_word(word):
                neighbours = [self._at(position - offset + step) for step in range(3)]
                return all(
                    part is not None and part.is_word(each) for part, each in zip(neighbours, phrase, strict=True)
                )
        return False

    def _print_before_parenthesis(self, position: int, word: str) -> str:
        token = self.tokens[position]
        if word in BEFORE_PARENTHESIS and not (word == "filter" and self._at(position - 1) is None):
            if word in QUERY_WORDS and not self.query and word not in ("over", "exclude", "filter"):
                raise UnreadableSql(f"it has `{token.text}` at character {token.at}; an expression reads no table")
            if word in ("from", "join"):
                self._check_table(position)
            return word.upper()
        if word in FUNCTIONS:
            return word.upper()
        near = get_close_matches(word, FUNCTIONS, 1)
        hint = f"; near to it: {near[0]}" if near else ""
        raise UnreadableSql(f"it calls `{token.text}` at character {token.at}, which is no known function{hint}")

    def _joins(self, position: int) -> bool:
        following = self._at(position + 1)
        return following is not None and following.is_word("join", "outer", "semi", "anti")

    def _check_table(self, position: int) -> None:
        """Check what follows FROM or JOIN: a table of ours, one that the query makes, or a query in parentheses."""
        opener = self.openers[-1] if self.openers else ""
        no_clause = opener in _CALLS_WITH_FROM or self._comes_after(position, "distinct")
        if self.tokens[position].is_word("from") and no_clause:
            return
        following = self._at(position + 1)
        if following is not None and (following.is_sign("(") or following.kind == "placeholder"):
            return
        known = self.tables | self.introduced
        if following is None or following.kind not in ("name", "word") or following.text not in known:
            raise UnreadableSql(
                f"it reads {_describe(following)} at character {(following or self.tokens[position]).at}; only "
                f"{', '.join(f'`{{{name}}}`' for name in sorted(self.tables)) or 'nothing'} can be read"
            )

    def _print_name(self, position: int) -> str:
        token = self.tokens[position]
        self._refuse_neighbour(position)
        before = self._at(position - 1)
        part = before is not None and before.is_sign(".")
        if not part and self.columns is not None and not self._is_named(token.text):
            near = get_close_matches(token.text, self.columns, 3)
            hint = f"; near to it: {', '.join(near)}" if near else ""
            raise UnreadableSql(f"it names `{token.text}` at character {token.at}, which is no column{hint}")
        self.names.add(position)
        return token.quoted_name

    def _is_named(self, name: str) -> bool:
        return name in (self.columns or ()) or name in self.tables or name in self.introduced

    def _refuse_neighbour(self, position: int) -> None:
        """Refuse two values side by side: the second is an alias, which only a name in a query may be."""
        before, token = self._at(position - 1), self.tokens[position]
        if before is None or (self.query and token.kind in ("name", "word")):
            return
        plain = before.kind in ("name", "text", "number", "placeholder") or before.is_sign(")", "]")
        if plain or position - 1 in self.names:
            raise UnreadableSql(f"it has {_describe(token)} at character {token.at} right after {_describe(before)}")

    def _introduced_names(self) -> Iterator[str]:
        """Yield the names that the query itself gives to a column, a table or a window."""
        for position, token in enumerate(self.tokens):
            if token.kind not in ("name", "word"):
                continue
            before, following = self._at(position - 1), self._at(position + 1)
            if token.is_word(*EXPRESSION_WORDS, *QUERY_WORDS, *SOFT_WORDS, *TYPE_PARTS):
                continue
            earlier_value = before is not None and (
                before.kind in ("name", "text", "number", "placeholder")
                or before.is_sign(")", "]")
                or before.is_word("end")
                or (before.kind == "word" and not before.is_word(*EXPRESSION_WORDS, *QUERY_WORDS))
            )
            named = before is not None and before.is_word("as")
            makes = following is not None and following.is_word("as") and _opens(self._at(position + 2))
            if named or makes or earlier_value:
                yield token.text


_READING = ("select", "from", "with", "union", "intersect", "except", "exists", "join")
_QUERY_SOFT = SOFT_WORDS - {
    "filter",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "unknown",
}


def _is_operator(token: Token) -> bool:
    return (token.kind == "sign" and token.text not in _JOINED) or token.is_word("and", "or", "not", "when", "between")


def _opens(token: Token | None) -> bool:
    return token is not None and token.is_sign("(")


def _describe(token: Token | None) -> str:
    if token is None:
        return "the end"
    return f"`{token.text}`" if token.kind != "text" else f"the text {token.text[:40]!r}"
