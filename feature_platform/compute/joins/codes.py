"""The keys of a spine as whole numbers, so that numpy can look them up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.keys.codes import NO_KEY as NO_KEY
from feature_platform.compute.keys.codes import key_codes, sorted_keys
from feature_platform.compute.keys.join_keys import key_names, key_parts, none_is_null

Whole = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class KeyCodes:
    """A code from 0 to `count - 1` for each key of a spine; any other key, and a null one, is `NO_KEY`.

    Attributes:
        keys: each once, in their shared types under their travelling names.
    """

    keys: pl.DataFrame
    names: Sequence[str]

    @property
    def count(self) -> int:
        """Count the codes; without a key all rows have the same one."""
        return self.keys.height if self.names else 1

    def of(self, rows: pl.DataFrame) -> Codes:
        """Return the code of each row of a frame with such keys."""
        return key_codes(rows, self.keys, self.names).astype(np.int32)


def codes_for(rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> tuple[KeyCodes, Codes]:
    """Return codes for the keys of some rows, and the code of each row."""
    names = key_names(list(types))
    keys = rows.select(key_parts(types)) if types else rows
    codes = KeyCodes(sorted_keys(keys.filter(none_is_null(names)), names), names)
    return codes, codes.of(keys)
