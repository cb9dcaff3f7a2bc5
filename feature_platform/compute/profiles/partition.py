"""The profile of a whole partition: its columns, its entity keys, and how many of its rows repeat another."""

from collections.abc import Mapping
from dataclasses import dataclass

from feature_platform.compute.profiles.distinct import Sketch
from feature_platform.compute.profiles.profile import ColumnProfile


@dataclass(frozen=True, eq=False)
class PartitionProfile:
    """The profile of the rows of one partition.

    Attributes:
        partition: its key, `""` for an unpartitioned table.
        content: the content hash of the rows.
        rows: how many there are, those of keys only.
        dtypes: the Polars type of each column as text, in the order of the table.
        columns: the profile of each column; one whose layout is lost is missing. Different values of floats and
            decimals are not counted: their sketches are empty.
        keys: of the entity keys, empty when the table has none. Rows without a whole key do not count.
        duplicates: rows beyond the first of their identity (null is equal to null); None when they were not counted.
    """

    partition: str
    content: str
    rows: int
    dtypes: Mapping[str, str]
    columns: Mapping[str, ColumnProfile]
    keys: Sketch
    duplicates: int | None
