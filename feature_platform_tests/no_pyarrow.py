"""Hides the packages of the extras that bring pyarrow, as if they were not here: import it first, or `pytest -p` it."""

import sys
from importlib.machinery import ModuleSpec

HIDDEN = {"pyarrow", "pyiceberg", "polars_iceberg", "dlt"}


class _Hiding:
    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)
        return None


sys.meta_path.insert(0, _Hiding())
