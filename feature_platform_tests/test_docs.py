"""The documentation is true: its code runs, prints what it says, and its links lead somewhere.

A block whose first line is a comment with a file name (`# shop.py`) is saved under it, and a Python one imported;
a text block that follows a Python block is what that prints.
"""

import importlib
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from feature_platform_tests import floors

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "feature_platform"
README = ROOT / "README.md"
WITH_SERVERS = [ROOT / "docs" / "how-to" / "from-everywhere.md"]  # see test_docs_with_servers.py
HOW_TO = [page for page in sorted((ROOT / "docs" / "how-to").glob("*.md")) if page not in WITH_SERVERS]
PAGES = [ROOT / "docs" / "tutorial.md", *HOW_TO]
LINKING = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

NAMING_FILES = [page for page in LINKING if page.parent.name != "adr"]  # a decision names what there was on its day
MADE_BY_THE_READER = ("aggregations/spread.py",)

QUOTED_FILE = re.compile(r"`((?:\w+/)+\w+\.py|feature_platform(?:_tests)?/[\w/.]+)`")
FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$(?P<gap>\s*)", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (?P<name>[\w./-]+\.(py|toml))\n")
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block, and what it prints when a text block follows it with nothing between."""

    language: str
    text: str
    prints: str | None

    @property
    def file(self) -> str | None:
        found = FILE.match(self.text)
        return found["name"] if found else None


def blocks(page: Path) -> list[Block]:
    """The Python and TOML blocks of a page, in order."""
    found = list(FENCE.finditer(page.read_text()))
    after = [*found[1:], None]
    return [
        Block(each["language"], each["text"], then["text"] if then and follows(each, then) else None)
        for each, then in zip(found, after, strict=True)
        if each["language"] in ("python", "toml")
    ]


def follows(block: re.Match[str], then: re.Match[str]) -> bool:
    return (block["language"], then["language"]) == ("python", "text") and block.end() == then.start()


def run(block: Block, namespace: dict[str, object]) -> str:
    """What a block prints; the names that it makes are kept for the next one."""
    said = io.StringIO()
    if block.file:
        Path(block.file).write_text(block.text)
    with redirect_stdout(said):
        if block.file and block.language == "python":
            namespace |= vars(importlib.import_module(block.file.removesuffix(".py").replace("/", ".")))
        elif block.language == "python":
            exec(compile(block.text, "<docs>", "exec"), namespace)
    return said.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in; modules that are imported from it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [each for each in os.environ if each.startswith("FEATURE_PLATFORM_")]:
        monkeypatch.delenv(name)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.usefixtures("folder")
def test_the_first_example_of_the_readme_prints_what_stands_below_it() -> None:
    first = next(each for each in blocks(README) if each.language == "python")

    assert first.prints is not None
    assert run(first, {}) == first.prints
    assert len([line for line in first.text.splitlines() if line.strip()]) <= 15


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_from_top_to_bottom_and_prints_what_it_says(page: Path) -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}

    for block in blocks(page):
        said = run(block, namespace)
        if block.prints is not None:
            assert said == block.prints, block.text


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page: Path) -> None:
    targets = [each["target"] for each in LINK.finditer(page.read_text())]
    local = [each.split("#")[0] for each in targets if "://" not in each and not each.startswith(("#", "mailto:"))]

    assert [each for each in local if not (page.parent / each).exists()] == []


@pytest.mark.parametrize("page", NAMING_FILES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    named = [name for name in QUOTED_FILE.findall(page.read_text()) if not name.endswith(MADE_BY_THE_READER)]

    assert [name for name in named if not any((place / name).exists() for place in (ROOT, PACKAGE))] == []


def test_the_picture_of_the_floors_is_that_of_the_contracts() -> None:
    page = floors.PAGE.read_text()

    assert floors.page_with_floors(page) == page


def test_decisions_are_numbered_without_gaps_and_each_begins_with_its_number() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*"))

    assert all(re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", each.name) for each in records)
    assert [int(each.name[:4]) for each in records] == list(range(1, len(records) + 1))
    assert all(each.read_text().startswith(f"# {int(each.name[:4])}. ") for each in records)
