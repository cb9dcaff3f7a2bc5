"""What code is the user's own: what is neither Python's, nor installed by others, nor the platform's.

A file is the user's own unless it lies in the standard library, in a folder `site-packages` or `dist-packages`, or in
feature_platform itself (its examples are a user's). An editable install lies where the user keeps it, and so it counts.
The package that a declaration's own function is from always counts, so that an installed project is followed, too.
"""

import sys
import sysconfig
from functools import cache
from importlib import import_module
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import FunctionType, ModuleType

_PACKAGE = "feature_platform"
_EXAMPLES = "feature_platform.examples"
_INSTALLED = {"site-packages", "dist-packages"}
_PYTHON = {sysconfig.get_path(each) for each in ("stdlib", "platstdlib")}


def home_of(module: str) -> str:
    """Return the top-level package of a module; empty for one that can never be a user's.

    >>> home_of("shop.features"), home_of("polars.functions"), home_of("json")
    ('shop', '', '')
    """
    top = module.partition(".")[0]
    foreign = top in sys.stdlib_module_names or top in (_PACKAGE, "polars")
    return "" if foreign and top != "__main__" else top


def is_own(module: str, file: str | None, homes: frozenset[str]) -> bool:
    """Tell whether code of a module, written in a file, is the user's own.

    Args:
        file: where the code is written; a name such as `<string>` or None where there is no file.
        homes: packages that count wherever they are, as `home_of` names them.
    """
    top = module.partition(".")[0]
    if top == _PACKAGE:
        return f"{module}.".startswith(f"{_EXAMPLES}.")
    if top in homes:
        return True
    if file is not None and not file.startswith("<"):
        return not _is_installed(file)
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is not None:
        return not _is_installed(loaded)
    return home_of(module) != "" and module != "builtins"


def is_own_function(function: FunctionType, homes: frozenset[str]) -> bool:
    """Tell whether a function is the user's own."""
    return is_own(module_of(function), function.__code__.co_filename, homes)


def is_own_class(kind: type, homes: frozenset[str]) -> bool:
    """Tell whether a class is the user's own."""
    module = sys.modules.get(kind.__module__)
    return is_own(kind.__module__, getattr(module, "__file__", None), homes)


def is_own_module(module: ModuleType, homes: frozenset[str]) -> bool:
    """Tell whether a module is the user's own; a package without a file is looked for where its folders are."""
    folders = list(getattr(module, "__path__", ()))
    return is_own(module.__name__, getattr(module, "__file__", None) or next(iter(folders), None), homes)


def module_of(function: FunctionType) -> str:
    """Return the name of the module that a function was written in, whatever a decorator made of it."""
    return str(function.__globals__.get("__name__", ""))


def import_own_module(name: str, level: int, package: str, homes: frozenset[str]) -> ModuleType | None:
    """Return a module of the user's own that a function imports when it runs; None for any other.

    It is imported if it was not yet, so that the result is the same before and after the function ran.

    Args:
        level: the dots before the name.
        package: the package of the function, which dots start from.
    """
    if level and not package:
        return None
    full = resolve_name(f"{'.' * level}{name}", package) if level else name
    if full not in sys.modules and not _may_be_own(full.partition(".")[0], homes):
        return None
    try:
        module = import_module(full)
    except ImportError:  # what is not there cannot change; the function meets it when it runs
        return None
    return module if is_own_module(module, homes) else None


def _may_be_own(top: str, homes: frozenset[str]) -> bool:
    if top in sys.modules:
        return is_own_module(sys.modules[top], homes) or top == _PACKAGE
    spec = find_spec(top)
    if spec is None:
        return False
    return is_own(top, spec.origin or next(iter(spec.submodule_search_locations or ()), None), homes)


@cache
def _is_installed(file: str) -> bool:
    path = Path(file)
    return not _INSTALLED.isdisjoint(path.parts) or any(path.is_relative_to(each) for each in _PYTHON)
