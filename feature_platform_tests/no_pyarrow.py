"""Hides the packages of the extras that bring pyarrow, as if they were not here.

It hides them when it is imported, or given to `pytest -p`, in a process whose environment asks for that; a run of all
tests, which imports every module for its examples, hides nothing.
"""

import os
import sys
from importlib.machinery import ModuleSpec

ASKS = "FEATURE_PLATFORM_TESTS_HIDE_PYARROW"
HIDDEN = {"pyarrow", "pyiceberg", "polars_iceberg", "dlt"}


class _Hiding:
    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)
        return None


if os.environ.get(ASKS):
    sys.meta_path.insert(0, _Hiding())
