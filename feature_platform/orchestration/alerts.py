"""The sensor that sends alerts: it takes in new findings, then delivers messages.

Runs send nothing, since a run may be tried again. Findings are stored before anything is sent, and the cursor is stored
even when a channel fails.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from feature_platform.declarations.project import Project
from feature_platform.ground.clock import microseconds, shift_moment
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.monitoring.alerting import RETENTION, deliver_pending
from feature_platform.monitoring.watching import describe_look, take_in
from feature_platform.monitoring.watching.cursor import decode_cursor
from feature_platform.offline import OfflineStore
from feature_platform.pipelines.holders import hold
from feature_platform.settings import Settings

TELL = "tell_alerts"
_SECONDS = 60


def _now() -> datetime:
    return datetime.now(UTC)


def alert_sensor(project: Project, settings: Settings, *, now: Callable[[], datetime] = _now) -> dg.SensorDefinition:
    """Return the sensor that sends alerts when they open and when they end; it is off until someone turns it on.

    A channel that fails is in the log of the tick; its messages are stored and tried again. A wrong setting, or a store
    that cannot be written, fails the tick: the next one begins where the last good one ended, and nothing is lost.
    """

    @dg.sensor(
        name=TELL,
        description="Reads what was found since its last tick (drift, watches, refused and failed runs, foreign "
        "writes, freshness, late partitions), groups it into alerts, and sends them through the configured channels.",
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
    )
    def tell(context: dg.SensorEvaluationContext, offline_store: dg.ResourceParam[OfflineStore]) -> dg.SensorResult:
        hold(offline_store, "alerts", settings.alerts_folder)
        alerts, moment = settings.alert_store(), now()
        tables, forgotten = _read_cursor(context)
        taken = take_in(project, offline_store, alerts, settings.alert_policy(), moment, tables)
        delivered = deliver_pending(alerts, settings.alert_channels(), moment)
        for failure in delivered.failed:
            context.log.error(str(failure))
        today = f"{moment:%Y-%m-%d}"
        if forgotten != today:
            alerts.forget(shift_moment(moment, -microseconds(RETENTION, "Alerts, kept,")))
        cursor = json.dumps({"tables": taken.cursor, "forgotten": today})
        return dg.SensorResult(skip_reason=describe_look(taken, delivered), cursor=cursor)

    return tell


def _read_cursor(context: dg.SensorEvaluationContext) -> tuple[str | None, str]:
    """Return the cursor of the tables, and the day on which old findings were last deleted.

    A cursor that this sensor did not write is replaced by an empty one; nothing is sent twice by that.
    """
    if not context.cursor:
        return None, ""
    try:
        stored = json.loads(context.cursor)
        tables, forgotten = str(stored["tables"]), str(stored["forgotten"])
        decode_cursor(tables)
    except (ValueError, TypeError, KeyError, InvalidDeclaration):
        context.log.warning("The cursor is not one of this sensor's. It starts anew, and nothing is sent twice.")
        return None, ""
    return tables, forgotten
