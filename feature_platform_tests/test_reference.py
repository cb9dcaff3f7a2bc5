"""The reference names everything that users meet, and each with a sentence of its own; the site builds from it."""

import subprocess
import sys
from pathlib import Path

import pytest

import feature_platform as fp
from feature_platform.compute.watches import WATCHES
from feature_platform.ground.table_names import TableKind
from feature_platform.parts.alert_channels import CHANNELS
from feature_platform.parts.drift import METRICS
from feature_platform.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of each page that is made from the code; what has no sentence ends the making."""
    sys.path.insert(0, str(DOCS))
    try:
        from reference_pages import write_pages
    finally:
        sys.path.remove(str(DOCS))
    folder = tmp_path_factory.mktemp("reference")
    write_pages(folder)
    return {path.stem: path.read_text() for path in folder.iterdir()}


def test_every_name_of_the_sdk_has_an_entry(pages: dict[str, str]) -> None:
    assert [name for name in fp.__all__ if name not in pages["sdk"]] == []


def test_every_setting_has_its_key_and_its_variable(pages: dict[str, str]) -> None:
    words = [word for name in Settings.model_fields for word in (f"| `{name}` |", f"`FEATURE_PLATFORM_{name.upper()}`")]

    assert [word for word in words if word not in pages["settings"]] == []


def test_every_part_of_a_catalogue_has_a_row(pages: dict[str, str]) -> None:
    names = [type(metric).__name__ for metric in METRICS] + [kind.__name__ for kind in CHANNELS.values()]

    assert [name for name in names if f"| `{name}` |" not in pages["parts"]] == []


def test_every_watch_has_a_row(pages: dict[str, str]) -> None:
    assert [watch.kind for watch in WATCHES if f"| `{watch.kind}` |" not in pages["watches"]] == []


def test_every_kind_of_table_has_a_row_with_what_it_is_beside(pages: dict[str, str]) -> None:
    rows = [f"| `{kind.pattern}` | {kind.beside.value} | {kind.sentence} |" for kind in TableKind]

    assert [row for row in rows if row not in pages["tables"]] == []
    assert "| `quarantine/<asset>` | asset | " in pages["tables"]


def test_every_page_of_the_reference_is_in_its_index(pages: dict[str, str]) -> None:
    index = (DOCS / "reference" / "index.md").read_text()

    assert [name for name in pages if f"made/{name}" not in index] == []


@pytest.mark.parametrize("name", ["", "  ", None])
def test_what_has_no_sentence_is_an_error_that_names_it(pages: dict[str, str], name: str | None) -> None:
    module = sys.modules["reference_pages"]

    class Nameless:
        __doc__ = name

    with pytest.raises(module.Undocumented, match="Nameless"):
        module.sentence_of(Nameless)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "-b", "html", str(DOCS), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)

    assert done.returncode == 0, done.stderr
    assert "fp.materialize" in (tmp_path / "reference" / "made" / "sdk.html").read_text()
