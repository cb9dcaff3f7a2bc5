"""How the rows of a training set are chosen and divided: a sample of keys, parts in time, weights of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from feature_platform.declarations.naming import describe_value, validate_column, validate_column_list
from feature_platform.declarations.spine import validate_share
from feature_platform.ground.clock import instant
from feature_platform.ground.errors import InvalidDeclaration

PART_COLUMN = "training_part"  # of a training set with a split: the part of a row
WEIGHT_COLUMN = "training_weight"  # of one with weights
TRAIN, VALIDATION, TEST, EMBARGO, HELD_OUT = "train", "validation", "test", "embargo", "held_out"
PARTS = (TRAIN, VALIDATION, TEST, EMBARGO, HELD_OUT)


@dataclass(frozen=True, init=False)
class Sample:
    """A share of keys, with all their rows; a larger share holds the smaller one.

    Args:
        share: above 0, at most 1.
        by: the columns of the key, of the spine or of features.

    >>> Sample(0.2, by=["customer"])
    Sample(share=0.2, by=('customer',))
    """

    share: float
    by: tuple[str, ...]

    def __init__(self, share: float, *, by: Sequence[str]) -> None:
        object.__setattr__(self, "share", validate_share("Sample", "share", share))
        object.__setattr__(self, "by", _require_key("Sample", by))


@dataclass(frozen=True, init=False)
class Split:
    """The parts of a training set, in the column `training_part`, by the moment of each row and the reach of its label.

    A row trains if it lies before validation and its label is known by then; it validates if it lies before the test
    and its label is known by then. A row whose label reaches into the next part is in `embargo`: nobody trains on it.
    Everything from `test_from` on is `test`. No gap has to be worked out: the reach is that of each row.

    Args:
        test_from: where the test begins (UTC); that moment belongs to it.
        validate_from: where validation begins, before the test. There is none by default.
        held_out: the share of keys that neither train nor validate (`held_out`), so that the test has keys that no
            model has seen; at least 0, less than 1.
        by: the columns of these keys.

    >>> split = Split(validate_from="2024-05-01", test_from="2024-06-01", held_out=0.1, by=["customer"])
    >>> split.train_until.isoformat()
    '2024-05-01T00:00:00+00:00'
    """

    test_from: datetime
    validate_from: datetime | None
    held_out: float
    by: tuple[str, ...]

    def __init__(
        self,
        *,
        test_from: str | datetime,
        validate_from: str | datetime | None = None,
        held_out: float = 0.0,
        by: Sequence[str] = (),
    ) -> None:
        test = instant(test_from, "Split, test_from,")
        validate = None if validate_from is None else instant(validate_from, "Split, validate_from,")
        if validate is not None and validate >= test:
            raise InvalidDeclaration(
                "Split",
                f"validates from {validate:%F %T} on and tests from {test:%F %T} on",
                "Validate before the test.",
            )
        if isinstance(held_out, bool) or not isinstance(held_out, (int, float)) or not 0 <= held_out < 1:
            raise InvalidDeclaration(
                "Split",
                f"has held_out={describe_value(held_out)}",
                "Give a share from 0 to below 1, e.g. held_out=0.1.",
            )
        if (held_out and not by) or (by and not held_out):
            raise InvalidDeclaration(
                "Split",
                f"has held_out={held_out} and by={describe_value(by)}",
                'Give both: held_out=0.1, by=["customer"], or neither.',
            )
        object.__setattr__(self, "test_from", test)
        object.__setattr__(self, "validate_from", validate)
        object.__setattr__(self, "held_out", float(held_out))
        object.__setattr__(self, "by", _require_key("Split", by) if by else ())

    @property
    def train_until(self) -> datetime:
        """Return where the part for training ends, which does not belong to it."""
        return self.test_from if self.validate_from is None else self.validate_from


@dataclass(frozen=True)
class Weights:
    """The weight of each row, in the column `training_weight`. Made by `Weights.balanced`."""

    column: str

    @classmethod
    def balanced(cls, column: str) -> "Weights":
        """Return weights by which each value of a column counts as much as any other in the part for training.

        A value with `n` of `N` rows of `k` values has the weight `N / (k * n)`. It is counted in the part `train` only
        (in all rows without a split), and is the same in all parts. A null, and a value that no such row has, has none.

        Args:
            column: a label, a feature or a column of the spine; no list or struct.
        """
        name = validate_column("Weights", "column", column)
        if name is None:
            raise InvalidDeclaration("Weights", "has no column", 'Name one: fp.Weights.balanced("refunded").')
        return cls(name)


def _require_key(culprit: str, by: Sequence[str]) -> tuple[str, ...]:
    columns = validate_column_list(culprit, "by", by)
    if not columns:
        raise InvalidDeclaration(culprit, "has by=[]", 'Name the columns of a key: by=["customer"].')
    return columns
