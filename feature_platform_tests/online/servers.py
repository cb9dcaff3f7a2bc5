"""A real Redis or Valkey of a test's own: on a socket in a folder of its own, keeping nothing, ended by its process."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from feature_platform_tests.programs import program


@contextmanager
def redis_server(*options: str) -> Iterator[str]:
    """The address of a server that takes connections."""
    binary = program("Redis or Valkey")
    with tempfile.TemporaryDirectory(prefix="fp-redis-") as folder:  # short: the path of a socket has 107 bytes
        socket = Path(folder) / "socket"
        words = [binary, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", *options]
        server = subprocess.Popen(
            [*words, "--dir", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert server.stdout is not None
            said = []
            for line in server.stdout:
                said.append(line)
                if "eady to accept connections" in line:
                    break
            else:
                pytest.fail(f"{binary} did not start: {''.join(said[-5:])}", pytrace=False)
            yield f"unix://{socket}"
        finally:
            server.kill()
            server.communicate()
