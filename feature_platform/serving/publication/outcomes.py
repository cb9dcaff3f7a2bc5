"""The outcomes of publishing: what was done for each view."""

from collections.abc import Sequence
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


def join_publications(published: Sequence[Publication]) -> Publication:
    """Return the outcome of a view that was published in parts, of which the last has its events."""
    written = sum(each.written for each in published)
    last = published[-1]
    changes = [each.how for each in (last, *published) if each.how != "unchanged"]
    return Publication(last.table, changes[0] if changes else "unchanged", written)


class PublicationResults(BriefResult, list[Publication]):
    """The outcomes of publishing several views."""

    def summary(self) -> ResultTable:
        """Return one line for each view."""
        rows = [(each.table.view, each.how, each.written) for each in self]
        return ResultTable(f"{len(self)} published online", ("view", "outcome", "entries written"), rows)
