"""The outcomes of publishing: what was done for each view."""

from dataclasses import dataclass
from typing import Literal

from feature_platform.compute.serving.tables import ServedTable
from feature_platform.ground.result_table import BriefResult, ResultTable

How = Literal["built", "changed", "unchanged"]


@dataclass(frozen=True)
class Publication:
    """The outcome of publishing one view.

    Attributes:
        how: a new generation was built, some entries were changed, or nothing had to be changed.
        written: how many entries were written.
    """

    table: ServedTable
    how: How
    written: int


class PublicationResults(BriefResult, list[Publication]):
    """The outcomes of publishing several views."""

    def summary(self) -> ResultTable:
        """Return one line for each view."""
        rows = [(each.table.view, each.how, each.written) for each in self]
        return ResultTable(f"{len(self)} published online", ("view", "outcome", "entries written"), rows)
