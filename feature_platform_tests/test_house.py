"""The habits of the house that no linter knows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "feature_platform"
MODULES = sorted(PACKAGE.rglob("*.py"))


def loaded_after(statement: str) -> set[str]:
    """The top-level packages in memory after a statement in a fresh interpreter."""
    code = f"import sys; {statement}; print(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_sdk_loads_nothing_heavy() -> None:
    heavy = {"dagster", "great_expectations", "pandas", "pyarrow", "deltalake", "numpy", "pydantic", "scipy"}
    heavy |= {"lmdb", "msgspec", "redis"}

    assert not heavy & loaded_after("import feature_platform")


def test_loading_the_code_location_leaves_great_expectations_and_pandas_out() -> None:
    loaded = loaded_after("import feature_platform.definitions")

    assert "dagster" in loaded
    assert not {"great_expectations", "pandas"} & loaded


def test_the_sdk_stays_callable_when_the_code_location_of_its_own_name_is_imported() -> None:
    statement = "import feature_platform as fp; import feature_platform.definitions; assert callable(fp.definitions)"

    assert "dagster" in loaded_after(statement)


def test_every_public_name_of_the_sdk_can_be_reached_and_says_what_it_is() -> None:
    import feature_platform as fp

    for name in fp.__all__:
        assert getattr(fp, name).__doc__, name


@pytest.mark.parametrize(
    ("habit", "pattern", "excepted"),
    [
        (
            "time arithmetic lives in clock.py",
            r"\btimedelta\(|pl\.duration\(|\.dt\.offset_by\(",
            {"clock.py", "data.py", "target.py"},
        ),
        ("errors are caught by name", r"except (Base)?Exception\b|except:", set()),
        ("nothing is left for later", r"\b(TODO|FIXME|XXX)\b", set()),
        ("nothing is unpickled", r"^\s*(import|from) (pickle|cloudpickle|dill)\b", set()),
    ],
)
def test_the_source_keeps_the_habit(habit: str, pattern: str, excepted: set[str]) -> None:
    found = [
        f"{module.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for module in MODULES
        if module.name not in excepted
        for number, line in enumerate(module.read_text().splitlines(), start=1)
        if re.search(pattern, line)
    ]

    assert not found, habit


def test_no_module_is_longer_than_400_lines() -> None:
    long = {module.name: n for module in MODULES if (n := len(module.read_text().splitlines())) > 400}

    assert not long


def test_the_lock_file_names_no_registry_host() -> None:
    lock = (PACKAGE.parent / "requirements.lock").read_text()

    assert "://" not in lock
    assert "--index-url" not in lock
