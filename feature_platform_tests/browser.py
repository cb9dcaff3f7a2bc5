"""A page in a real browser, without a network: what became of its markup once everything has run."""

import shutil
import subprocess
import tempfile
from pathlib import Path

BINARIES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=2000",
    "--dump-dom",
)


def browser() -> str | None:
    """The browser of this system; None without one."""
    return next((found for name in BINARIES if (found := shutil.which(name)) is not None), None)


def loaded_page(binary: str, page: Path) -> str:
    """The document that a browser made of a page, written as HTML, after its scripts and handlers have run."""
    with tempfile.TemporaryDirectory(prefix="fp-browser-", ignore_cleanup_errors=True) as folder:
        done = subprocess.run(
            [binary, *_FLAGS, f"--user-data-dir={folder}", page.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    return done.stdout
