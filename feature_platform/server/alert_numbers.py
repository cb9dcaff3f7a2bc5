"""The numbers of alerts, beside the server's own metrics: the worker that is asked reads them from the alert store.

A store that cannot be read breaks nothing: a gauge says so, and the log says why, once for each reason.
"""

import asyncio
from datetime import datetime, timezone
from pathlib import Path

from feature_platform.ground.errors import AlertStoreFailed
from feature_platform.monitoring.alerting import AlertStore, prometheus_text
from feature_platform.server.logs import logger
from feature_platform.server.metrics import Metrics

_WAIT = 1.0  # seconds for a locked store; Prometheus gives up on a page after ten
_READABLE = "feature_platform_alerts_readable"


class AlertNumbers:
    """The metrics of the alerts of one folder.

    Args:
        folder: where the alert store is; None for a server without one.
    """

    def __init__(self, folder: Path | None, metrics: Metrics) -> None:
        self._store = None if folder is None else AlertStore(folder, wait=_WAIT)
        self._metrics = metrics
        self._log = logger()
        self._failing: str | None = None

    async def text(self) -> bytes:
        """Return the metrics as Prometheus reads them; no bytes while there is no alert store."""
        return b"" if self._store is None else await asyncio.to_thread(self._text, self._store)

    def _text(self, store: AlertStore) -> bytes:
        try:
            numbers = "" if not store.exists() else prometheus_text(store, datetime.now(timezone.utc))
        except AlertStoreFailed as error:
            self._report_failure(str(error))
            return _gauge(0).encode()
        self._failing = None
        return (numbers and numbers + _gauge(1)).encode()

    def _report_failure(self, why: str) -> None:
        self._metrics.count_failure("AlertStoreFailed")
        if why != self._failing:
            self._log.error("cannot read the alerts", error="AlertStoreFailed", message=why)
        self._failing = why


def _gauge(value: int) -> str:
    return (
        f"# HELP {_READABLE} Whether the alert store can be read; when it cannot, its counts are not there.\n"
        f"# TYPE {_READABLE} gauge\n{_READABLE} {value}\n"
    )
