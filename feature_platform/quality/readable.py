"""Rules about text that must be readable as something: JSON, a date, a time format, a LIKE pattern.

Each distinct text is read once by the Python library that Great Expectations' pandas engine uses, so both give the same
answer. LIKE patterns become regular expressions; case matters, as in standard SQL.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache, reduce
from operator import and_, or_
from typing import Literal

import polars as pl

from feature_platform.quality.target import NotComputable, RuleTarget

_KEPT = 65_536
_LITERAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def not_json(target: RuleTarget) -> pl.Expr:
    """Return an expression that is true where the text is not JSON."""
    return _unreadable_rows(target, _is_json)


def not_of_json_schema(target: RuleTarget) -> pl.Expr:
    """Return an expression that is true where the text is not JSON, or does not match the JSON schema.

    Raises:
        NotComputable: it is not a JSON schema.
    """
    schema = target.values["json_schema"]
    reason = schema_fault(schema)
    if reason is not None or not isinstance(schema, Mapping):
        raise NotComputable(f"`json_schema` is not a JSON schema: {reason}.")
    return _unreadable_rows(target, _schema_reader(json.dumps(schema, sort_keys=True)))


def not_a_date(target: RuleTarget) -> pl.Expr:
    """Return an expression that is true where dateutil finds no date in the text."""
    return _unreadable_rows(target, _is_date)


def not_of_time_format(target: RuleTarget) -> pl.Expr:
    """Return an expression that is true where `strptime` cannot read the text by the format."""
    time_format = str(target.values["strftime_format"])

    def reads(text: str) -> bool:
        try:
            datetime.strptime(text, time_format)  # noqa: DTZ007  # only whether it reads matters
        except ValueError:
            return False
        return True

    return _unreadable_rows(target, reads)


def unlike(target: RuleTarget, match: Literal["one", "listed"]) -> pl.Expr:
    """Return an expression that is true where the text matches no pattern.

    With `match_on="all"` it is true where the text does not match all the patterns.
    """
    every = match == "listed" and target.values.get("match_on") == "all"
    return ~reduce(and_ if every else or_, _alike(target, match))


def like_any(target: RuleTarget, match: Literal["one", "listed"]) -> pl.Expr:
    """Return an expression that is true where the text matches one of the patterns."""
    return reduce(or_, _alike(target, match))


def schema_fault(schema: object) -> str | None:
    """Return why something is not a JSON schema, in one line; None when it is one.

    >>> schema_fault({"type": "object"})
    >>> schema_fault({"type": "objct"})
    "'objct' is not valid under any of the given schemas"
    """
    import jsonschema  # comes with Great Expectations

    if not isinstance(schema, Mapping):
        return f"{schema!r} is no mapping"
    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as error:
        return str(error.message).splitlines()[0]
    return None


def like_regex(pattern: str, escape: str | None = None) -> str:
    r"""Return the regular expression of an SQL LIKE pattern: `%` is any text, `_` any one character.

    Raises:
        NotComputable: `escape` is not one character, or the pattern ends with it.

    >>> like_regex("N_2%")
    '(?s)\\AN.2.*\\z'
    """
    if escape is not None and len(escape) != 1:
        raise NotComputable(f"`escape` is {escape!r}, but one character is needed.")
    parts, characters = [], iter(pattern)
    for character in characters:
        if character == escape:
            following = next(characters, None)
            if following is None:
                raise NotComputable(f"The pattern {pattern!r} ends with its escape character.")
            parts.append(_escape(following))
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or _escape(character))
    return rf"(?s)\A{''.join(parts)}\z"


def _escape(character: str) -> str:
    return character if character in _LITERAL else f"\\x{{{ord(character):x}}}"


def _alike(target: RuleTarget, match: Literal["one", "listed"]) -> list[pl.Expr]:
    argument = target.values["like_pattern" if match == "one" else "like_pattern_list"]
    patterns = [argument] if isinstance(argument, str) else argument
    if not isinstance(patterns, Sequence) or not patterns:
        raise NotComputable("`like_pattern_list` is empty. Give at least one pattern.")
    escape = target.values.get("escape")
    escape_character = None if escape is None else str(escape)
    return [target.text.str.contains(like_regex(str(pattern), escape_character)) for pattern in patterns]


def _unreadable_rows(target: RuleTarget, reads: Callable[[str], bool]) -> pl.Expr:
    cached_reads = lru_cache(maxsize=_KEPT)(reads)

    def judge(cells: pl.Series) -> pl.Series:
        texts = cells.unique().drop_nulls()
        broken = pl.Series([not cached_reads(text) for text in texts], dtype=pl.Boolean)
        return cells.replace_strict(texts, broken, default=None, return_dtype=pl.Boolean)

    return target.text.map_batches(judge, return_dtype=pl.Boolean, is_elementwise=True)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@cache
def _schema_reader(schema: str) -> Callable[[str], bool]:
    import jsonschema

    kind = jsonschema.validators.validator_for(json.loads(schema))
    validator = kind(json.loads(schema))

    def reads(text: str) -> bool:
        return _is_json(text) and bool(validator.is_valid(json.loads(text)))

    return reads


def _is_date(text: str) -> bool:
    from dateutil.parser import parse  # comes with Great Expectations

    try:
        parse(text, tzinfos=_accept_zone)
    except (ValueError, OverflowError):
        return False
    return True


def _accept_zone(_name: str | None, _offset: int | None) -> None:
    """Accept every zone: without it, dateutil warns of the abbreviations it does not know."""
