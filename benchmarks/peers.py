"""The interpreter of each engine; DuckDB and Feast live in an environment of their own, `.tools/bench`."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.cases.base import Engine

ROOT = Path(__file__).parents[1]
REQUIREMENTS = Path(__file__).with_name("requirements-peers.txt")
ENVIRONMENT = ROOT / ".tools" / "bench"
NO_TELEMETRY = {"FEAST_USAGE": "False", "DO_NOT_TRACK": "1"}


def interpreter(engine: Engine) -> str:
    """The Python that an engine runs in; makes the peers' environment when it is missing or out of date."""
    if engine not in ("duckdb", "feast"):
        return sys.executable
    return environment_python(ENVIRONMENT, REQUIREMENTS, "DuckDB and Feast")


def environment_python(environment: Path, requirements: Path, packages: str) -> str:
    """Return the Python of an environment; makes it when it is missing or was made from other requirements.

    Args:
        packages: what is installed, in words.
    """
    python, note = environment / "bin" / "python", environment / "requirements.hash"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not note.exists() or note.read_text() != wanted:
        print(f"Installing {packages} into {environment} ...", flush=True)
        uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True)
        subprocess.run([uv, "pip", "sync", "--quiet", "--python", python, requirements], check=True)
        note.write_text(wanted)
    return str(python)
