"""A drift rule: which differences from the reference count as drift."""

from dataclasses import dataclass

from feature_platform.declarations.naming import describe_value
from feature_platform.ground.errors import InvalidDeclaration


@dataclass(frozen=True)
class DriftRule:
    """When a difference counts.

    A window differs when a score reaches its threshold *and* is not due to chance, by the false-discovery control
    over all scores of the window. A column drifts when it differs in `sustained[0]` of the last `sustained[1]` windows,
    or so much in one that this is enough.

    Args:
        sustained: in how many of how many neighbouring windows a column must differ.
        least_rows: below so many rows on either side the result is "insufficient", never "no drift".
        false_discovery: the largest expected share of chance findings among all findings of a window.
        margin: how far beyond the scores of the reference's own windows a threshold lies; 1 is at the largest of them.

    >>> DriftRule().sustained
    (2, 3)
    """

    sustained: tuple[int, int] = (2, 3)
    least_rows: int = 200
    false_discovery: float = 0.01
    margin: float = 1.65

    def __post_init__(self) -> None:
        whole = isinstance(self.sustained, tuple) and len(self.sustained) == 2
        if not whole or not all(_is_whole(each) for each in self.sustained) or self.sustained[0] > self.sustained[1]:
            raise InvalidDeclaration(
                "DriftRule",
                f"has sustained={describe_value(self.sustained)}",
                "Say in how many of how many windows, e.g. sustained=(2, 3).",
            )
        if not _is_whole(self.least_rows):
            raise InvalidDeclaration(
                "DriftRule",
                f"has least_rows={describe_value(self.least_rows)}",
                "Give a whole number of at least 1, e.g. 200.",
            )
        if not _is_number(self.false_discovery) or not 0 < self.false_discovery < 1:
            raise InvalidDeclaration(
                "DriftRule",
                f"has false_discovery={describe_value(self.false_discovery)}",
                "Give a share between 0 and 1.",
            )
        if not _is_number(self.margin) or not 0.5 <= self.margin <= 100:
            raise InvalidDeclaration(
                "DriftRule", f"has margin={describe_value(self.margin)}", "Give a number from 0.5 to 100."
            )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
