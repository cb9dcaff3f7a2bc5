"""Make the picture of the README anew: the Dagster UI of the reference project in headless Chromium.

make picture        # after make demo
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "asset.png"
PORT, PAGE = 3987, "/assets/views/carrier_delays"
_START_SECONDS, _PAINT_MS = 120, 30_000


@contextmanager
def dagster_ui() -> Iterator[str]:
    """Run the webserver on what the demo has left in `.dagster`; yield its address."""
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-m", "feature_platform.definitions"]
    environment = {**os.environ, "DAGSTER_HOME": str(ROOT), "DAGSTER_DISABLE_TELEMETRY": "1"}
    with subprocess.Popen([*command, "-h", "127.0.0.1", "-p", str(PORT)], env=environment, cwd=ROOT) as server:
        try:
            address = f"http://127.0.0.1:{PORT}"
            _wait_for(address)
            yield address
        finally:
            server.terminate()


def take_picture(address: str) -> None:
    """Load a page, wait until it is painted, and write what is seen."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("There is no Chromium here: `make services` installs it, as root.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1600,1000"]
        flags += [f"--user-data-dir={profile}", f"--virtual-time-budget={_PAINT_MS}", f"--screenshot={PICTURE}"]
        subprocess.run([browser, *flags, address + PAGE], check=True, timeout=300, stderr=subprocess.DEVNULL)


def _wait_for(address: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{address}/server_info", timeout=5).close()
        except (URLError, OSError):
            time.sleep(0.5)
        else:
            return
    raise SystemExit(f"The UI was not ready after {_START_SECONDS} s.")


if __name__ == "__main__":
    with dagster_ui() as address:
        take_picture(address)
