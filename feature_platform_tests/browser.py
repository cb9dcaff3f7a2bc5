"""A page in a real browser, without a network: what became of its markup once everything has run."""

import subprocess
import tempfile
from pathlib import Path

from feature_platform_tests.programs import program

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


def loaded_page(page: Path) -> str:
    """Return the document that a browser made of a page, written as HTML, after its scripts and handlers have run."""
    with tempfile.TemporaryDirectory(prefix="fp-browser-", ignore_cleanup_errors=True) as folder:
        done = subprocess.run(
            [program("Chromium"), *_FLAGS, f"--user-data-dir={folder}", page.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    return done.stdout
