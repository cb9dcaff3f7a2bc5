"""What holds for all tests: how much a law is tried, and what is said of tests that were left out.

| `--hypothesis-profile` | examples of a law | |
|---|---|---|
| `quick` | an eighth of what its author chose, the same in each run | `make test` |
| `full` | what its author chose, the same in each run | `make test-all` |
| `thorough` | twenty times as many, others in each run | by hand |

A commit is green or it is not, whoever asks: only `thorough` looks for what nobody has seen.
"""

import gc
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import HealthCheck, settings

import feature_platform as fp
from feature_platform_tests.databases import Server, mariadb_server, postgres_server
from feature_platform_tests.programs import left_out_line
from feature_platform_tests.tiers import is_repeated, tiers_of

if TYPE_CHECKING:
    from feature_platform_tests.buckets import Bucket

settings.register_profile(
    "full", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100, derandomize=True
)
settings.register_profile("quick", settings.get_profile("full"), max_examples=12)
settings.register_profile(
    "thorough", settings.get_profile("full"), max_examples=2_000, derandomize=False, print_blob=True
)
settings.load_profile("quick")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without looking for garbage, and never look for any in what was collected: it stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by what it needs, so that `-m pure` is what proves most in the least time."""
    for item in items:
        needs = tiers_of(item)
        for tier in needs or {"pure"}:
            item.add_marker(tier)
        if is_repeated(item):
            item.add_marker("repeated")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name and count the tests that were left out because a program is not here."""
    line = left_out_line(str(report.longrepr) for report in terminalreporter.stats.get("skipped", []))
    if line is not None:
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A real PostgreSQL, one for each process of the tests."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """A real MariaDB, one for each process of the tests."""
    with mariadb_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """The address of an S3 server, one for each process of the tests."""
    from feature_platform_tests.buckets import s3_server

    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> "Bucket":
    """An empty bucket."""
    from feature_platform_tests.buckets import make_bucket

    return make_bucket(s3_address, monkeypatch)


@pytest.fixture(scope="module")
def unrecorded() -> Iterator[None]:
    """Let runs keep neither profiles nor records, nearly half of the work of a small run: for laws about values."""
    from feature_platform.pipelines.publishing import Run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "_keep_all", lambda _run, _error: None)
        yield


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    """A store in a fresh folder."""
    return fp.OfflineStore(tmp_path / "store")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SQL by which rows of databases were asked for."""
    from feature_platform.parts.sources.database.opened import Transaction
    from feature_platform.parts.sources.database.session import Selection

    found: list[str] = []
    batches = Transaction.batches

    def noting(self: Transaction, selection: Selection) -> Iterator[pl.DataFrame]:
        found.append(selection.sql)
        return batches(self, selection)

    monkeypatch.setattr(Transaction, "batches", noting)
    return found
