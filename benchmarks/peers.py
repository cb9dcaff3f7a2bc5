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
    return _peers_python() if engine in ("duckdb", "feast") else sys.executable


def _peers_python() -> str:
    python, note = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "requirements.hash"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not note.exists() or note.read_text() != wanted:
        print(f"Installing DuckDB and Feast into {ENVIRONMENT} ...", flush=True)
        uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, ENVIRONMENT], check=True)
        subprocess.run([uv, "pip", "sync", "--quiet", "--python", python, REQUIREMENTS], check=True)
        note.write_text(wanted)
    return str(python)
