"""The tiers of tests, by what they need: nothing, Dagster, processes of their own, a server, much time.

A test says `slow` itself; the others follow from what its module imports and which fixtures it asks for.
"""

from types import FunctionType, ModuleType

import pytest

from feature_platform_tests.effort import pick_some, repetitions, tries

_PROCESSES = {"subprocess", "multiprocessing"}
_REPEATING = {repetitions.__name__, pick_some.__name__, tries.__name__}
_STARTERS = ("feature_platform_tests.racing", "feature_platform_tests.server.process", "feature_platform_tests.browser")


def tiers_of(item: pytest.Item) -> set[str]:
    """Return what a test needs: of `dagster`, `process`, `redis`, `database` and `slow`; nothing when it is pure."""
    module = getattr(item, "module", None)
    names = _imported_names(module) if isinstance(module, ModuleType) else set()
    fixtures = set(getattr(item, "fixturenames", ()))
    needs = {"slow"} if item.get_closest_marker("slow") else set()
    if "dagster" in names or "/orchestration/" in item.nodeid:
        needs.add("dagster")
    if names & _PROCESSES or any(name.startswith(_STARTERS) for name in names):
        needs.add("process")
    if "redis_address" in fixtures or "Redis]" in item.nodeid or "/test_redis" in item.nodeid:
        needs.add("redis")
    if fixtures & {"postgres", "mariadb"} or any(name in item.nodeid for name in ("Postgres", "MariaDB")):
        needs.add("database")
    return needs


def is_repeated(item: pytest.Item) -> bool:
    """Tell whether a test tries as much as the profile says, so that `make test-all` runs it, too."""
    function = getattr(item, "function", None)
    return isinstance(function, FunctionType) and not _REPEATING.isdisjoint(function.__code__.co_names)


def _imported_names(module: ModuleType) -> set[str]:
    """Return the modules that the names of a module are, or come from."""
    values = vars(module).values()
    modules = {value.__name__ for value in values if isinstance(value, ModuleType)}
    return modules | {str(getattr(value, "__module__", "")) for value in values}
