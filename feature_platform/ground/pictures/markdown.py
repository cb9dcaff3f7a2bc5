"""Markdown from words that people write: what they write is shown as it is, never read as markup."""

import re
from collections.abc import Iterable, Sequence

_MARKUP = re.compile(
    r"[\\`*\[\]<>|~@]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # inside of a word it is no markup
    r"|&(?=[#\w])|:(?=//)|(?<=www)\.",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")
_SIMPLE = re.compile(r"\w(?:[\w .:-]*\w)?")


def escape_markdown(words: str) -> str:
    r"""Escape words so that Markdown shows them as they are inside of a line, also in a cell of a table.

    >>> print(escape_markdown("a|b *c*"))
    a\|b \*c\*
    """
    return _MARKUP.sub(r"\\\g<0>", _UNSEEN.sub("�", _SPACE.sub(" ", words)))


def name_as_code(words: str) -> str:
    """Return a name as code, where it has no sign that code cannot have in a table.

    >>> name_as_code("dep_delay")
    '`dep_delay`'
    """
    return f"`{words}`" if _SIMPLE.fullmatch(words) else escape_markdown(words)


def table_of_cells(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Write a table of cells that are Markdown; `right` lists the columns to align to the right, such as numbers.

    >>> print(table_of_cells(["a", "b"], [["x", "1"]], right=[1]))
    |a|b|
    |-|-:|
    |x|1|
    """
    rule = ["-:" if at in right else "-" for at in range(len(head))]
    return "\n".join(f"|{'|'.join(cells)}|" for cells in [head, rule, *rows])
