"""The habits of the house that no linter knows."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_platform.ground.table_names import Beside, TableKind

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


def test_loading_the_code_location_leaves_out_what_only_some_runs_need() -> None:
    loaded = loaded_after("import feature_platform.definitions")

    assert "dagster" in loaded
    assert not {"great_expectations", "pandas", "openlineage"} & loaded


def test_the_sdk_stays_callable_when_the_code_location_of_its_own_name_is_imported() -> None:
    statement = "import feature_platform as fp; import feature_platform.definitions; assert callable(fp.definitions)"

    assert "dagster" in loaded_after(statement)


PUBLIC = """
    About Any BottomK Cadence CommitStamp Count CountDistinct DriftRule Entity Expect FeaturePlatformError
    FeatureService Field First FirstN Histogram Impute Kurtosis Last LastN Max Mean Min Mode Monitor OfflineStore
    Partitions Project Quantile Rate Recency Request Row Sample Secret Settings Skew Source Spine Split Spool Std
    Sum Target TimeTo TopK TrainingSet Union Var Weights access aggregations alert_channels alerts build_training_set
    definitions diff_versions drift_report drift_scores drop_orphans errors expectations_from_suite explain
    feature_view find_orphans flush historical_features imputation_statistics incomplete_tables label lineage_tree
    loaded_settings maintain_all materialize migrate monitor_asset on_demand online online_features plan_migration
    point_in_time_join project_of publish push ratio release reproduce_training_set roll_back sources stale_assets
    suite_of take_in testing why why_row
"""


def test_the_names_that_users_write_are_these() -> None:
    """A name that goes, or comes, is a decision: see the policy of deprecation in CONTRIBUTING.md."""
    import feature_platform as fp

    assert sorted(fp.__all__) == sorted(PUBLIC.split())


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
        (
            "a view is asked for its kind, not for its windowing",
            r"\.(windowing|accuracy)\b(?! import)",
            {"view.py", "windowing.py", "code_version.py"},
        ),
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


def texts_of(module: Path) -> Iterator[tuple[int, str]]:
    """The constant texts of a module with their lines, those in f-strings among them, but no docstrings."""
    tree = ast.parse(module.read_text())
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = [node for node in ast.walk(tree) if isinstance(node, holders) and ast.get_docstring(node) is not None]
    docstrings = {node.body[0].value for node in documented if isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield node.lineno, node.value


def test_only_the_register_spells_the_names_of_tables() -> None:
    beside = "|".join(kind.value for kind in TableKind if kind.beside not in (Beside.NOTHING, Beside.STORE))
    own = "|".join(kind.value for kind in TableKind if kind.beside is Beside.NOTHING)
    spelt = re.compile(rf"\b({beside})/|\b({own})/$")  # an example names a whole table of its own
    found = [
        f"{module.relative_to(PACKAGE)}:{line}: {text}"
        for module in MODULES
        if module != PACKAGE / "ground" / "table_names.py"
        for line, text in texts_of(module)
        if spelt.search(text)
    ]

    assert found == []


def test_no_module_is_longer_than_400_lines() -> None:
    folders = [PACKAGE, PACKAGE.parent / "feature_platform_tests", PACKAGE.parent / "benchmarks"]
    modules = [module for folder in folders for module in folder.rglob("*.py")]
    long = {module.name: n for module in modules if (n := len(module.read_text().splitlines())) > 400}

    assert not long


def test_the_lock_file_names_no_registry_host() -> None:
    lock = (PACKAGE.parent / "requirements.lock").read_text()

    assert "://" not in lock
    assert "--index-url" not in lock
