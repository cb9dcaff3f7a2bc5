"""Results that show themselves briefly: a small table of text in a console, and of HTML in a notebook.

A result has thousands of values behind it; what people see of it first is one line for each thing that it is about.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from feature_platform.ground.shortening import shorten

_MOST_ROWS, _WIDEST = 30, 100


@dataclass(frozen=True)
class ResultTable:
    """A title and a table.

    Attributes:
        heads: the names of the columns.
        rows: the cells of each line, as many as there are heads; `None` is an empty cell.
    """

    title: str
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()

    def text(self) -> str:
        """Return the table in columns of equal width, the title above; long tables end in how much was left out.

        >>> print(ResultTable("2 tables", ["table", "rows"], [["orders", 3], ["spending", None]]).text())
        2 tables
          table     rows
          orders    3
          spending
        """
        lines = [list(self.heads), *self._cells()] if self.rows else []
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([self.title, *(f"  {line}".rstrip() for line in padded), *self._left_out()])

    def html(self) -> str:
        """Return the table as HTML, with everything that comes from data escaped."""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.heads)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self._cells())
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if self.rows else ""
        below = "".join(f"<p>{escape(line)}</p>" for line in self._left_out())
        return f"<p><b>{escape(self.title)}</b></p>{table}{below}"

    def _cells(self) -> list[list[str]]:
        return [
            ["" if cell is None else shorten(" ".join(str(cell).split()), _WIDEST) for cell in row]
            for row in self.rows[:_MOST_ROWS]
        ]

    def _left_out(self) -> Iterable[str]:
        rest = len(self.rows) - _MOST_ROWS
        return [f"... and {rest} more"] if rest > 0 else []


class BriefResult:
    """What shows itself as a small table: the base of results, which only have to write `summary`."""

    def summary(self) -> ResultTable:
        """Return what people see first."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.summary().text()

    def _repr_html_(self) -> str:
        return self.summary().html()
