"""Counts of alerts as Prometheus reads them; no names of assets, so that the number of series stays small."""

from collections import Counter
from datetime import datetime

from feature_platform.ground.clock import microsecond_of
from feature_platform.ground.findings import SEVERITIES
from feature_platform.monitoring.alerting.delivering import pending_messages
from feature_platform.monitoring.alerting.store import AlertStore

_STATES = ("open", "acknowledged", "silenced")


def prometheus_text(store: AlertStore, now: datetime) -> str:
    """Return the gauges `feature_platform_alerts`, `feature_platform_alert_messages_pending` and `..._oldest_seconds`.

    Inhibited alerts are not counted. Every series is there, also at 0.

    Raises:
        AlertStoreFailed: the store cannot be read.
    """
    counts = Counter(
        (each.state(now), each.severity)
        for each in store.book().alerts.values()
        if each.is_active and each.root is None
    )
    pending = pending_messages(store)
    age = 0.0 if pending.oldest is None else (microsecond_of(now) - microsecond_of(pending.oldest)) / 1_000_000
    lines = ["# HELP feature_platform_alerts Alerts that have not ended.", "# TYPE feature_platform_alerts gauge"]
    for state in _STATES:
        for severity in SEVERITIES:
            labels = f'severity="{severity}",state="{state}"'
            lines.append(f"feature_platform_alerts{{{labels}}} {counts[state, severity]}")
    for name, text, value in (
        ("messages_pending", "Messages that some channel still has to get.", pending.count),
        ("messages_oldest_seconds", "Age of the oldest of them.", max(age, 0.0)),
    ):
        full = f"feature_platform_alert_{name}"
        lines += [f"# HELP {full} {text}", f"# TYPE {full} gauge", f"{full} {value}"]
    return "\n".join(lines) + "\n"
