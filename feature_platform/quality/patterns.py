r"""Regular expressions of Python, which Great Expectations uses, translated into those of Rust.

`$` also matches before a last line end, and `\Z` is the very end. What both languages read in different ways is
refused with the reason; what only Rust reads (`\z`, `\p{L}`) has one meaning, and is kept.
"""

import re
import warnings

from feature_platform.quality.target import Misfit

_WORD_ENDS = {"<": "start", ">": "end"}
_SET_SIGNS = ("&&", "--", "~~")
_MULTILINE = re.compile(r"\(\?[a-zA-Z]*m")
_QUANTIFIERS = "*+?}"


def rust_regex(pattern: str) -> str:
    r"""Return the regular expression for Rust that finds what Python's expression finds, anywhere in a text.

    Raises:
        Misfit: both languages read it, but with different meanings; names the part, and the remedy.

    >>> rust_regex(r"\d+$")
    '\\d+(?:\\n?\\z)'
    """
    if not _python_reads(pattern):
        return pattern
    parts: list[str] = []
    position, inside, quantified = 0, False, False
    many_lines = _MULTILINE.search(pattern) is not None
    while position < len(pattern):
        sign, two = pattern[position], pattern[position : position + 2]
        if sign == "\\":
            parts.append(_escape(pattern, position, inside=inside))
            position, quantified = position + 2, False
            continue
        if inside:
            _refuse_set(pattern, two)
            inside = sign != "]" or pattern[position - 1] == "[" or pattern[position - 2 : position] == "[^"
        elif sign == "[":
            inside = True
        elif sign == "+" and quantified:
            raise _ambiguous(pattern, "+ after a repetition", "never gives back in Python", "write it in another way")
        quantified = not inside and sign in _QUANTIFIERS and not quantified
        parts.append(r"(?:\n?\z)" if sign == "$" and not inside and not many_lines else sign)
        position += 1
    return "".join(parts)


def _python_reads(pattern: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sets that a later Python may read in another way
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _escape(pattern: str, position: int, *, inside: bool) -> str:
    escaped = pattern[position + 1 : position + 2]
    if escaped == "Z" and not inside:
        return r"\z"
    if escaped in _WORD_ENDS and not inside:
        reason = f"is the sign itself in Python, and the {_WORD_ENDS[escaped]} of a word in Rust"
        raise _ambiguous(pattern, f"\\{escaped}", reason, f"write `{escaped}` for the sign")
    if escaped == "b" and not inside and pattern[position + 2 : position + 3] == "{":
        raise _ambiguous(pattern, r"\b{", "is a boundary and a brace in Python", r"write `\b` alone")
    return pattern[position : position + 2]


def _refuse_set(pattern: str, two: str) -> None:
    if two in _SET_SIGNS:
        raise _ambiguous(pattern, f"{two} in brackets", "is an operation on sets in Rust", "put `\\` before each sign")
    if two[:1] == "[":
        raise _ambiguous(pattern, "[ in brackets", "begins another set in Rust", "write `\\[`")


def _ambiguous(pattern: str, sign: str, reason: str, remedy: str) -> Misfit:
    return Misfit(f"The regular expression {pattern} has `{sign}`, which {reason}; {remedy}.")
