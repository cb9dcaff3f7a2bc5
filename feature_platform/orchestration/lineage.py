"""The sensor that sends runs as OpenLineage events. Runs send nothing: a dead server costs them no time.

Its cursor is where table `runs` was read up to. It moves past a run only when all of its events were taken.
"""

from collections.abc import Iterator

import dagster as dg

from feature_platform.declarations.project import Project
from feature_platform.lineage.configuration import is_switched_off, require_openlineage
from feature_platform.lineage.records import decode_position, encode_position
from feature_platform.offline import OfflineStore
from feature_platform.settings import Settings

SEND = "send_lineage"
_SECONDS = 60


def lineage_sensors(project: Project, settings: Settings) -> Iterator[dg.SensorDefinition]:
    """Yield the sensor when the setting `lineage` is there.

    Raises:
        InvalidDeclaration: the setting is wrong.
        PackageMissing: openlineage-python is not installed.
    """
    if settings.lineage:
        require_openlineage()
        settings.lineage_settings()
        yield lineage_sensor(project, settings)


def lineage_sensor(project: Project, settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that sends runs; it is off until someone turns it on.

    A tick that sends nothing because the server does not take it fails with one sentence. One that sends some stores
    how far it came, and the next tick goes on there.
    """

    @dg.sensor(
        name=SEND,
        description="Sends the runs that were recorded since its last tick as OpenLineage events.",
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
    )
    def send(context: dg.SensorEvaluationContext, offline_store: dg.ResourceParam[OfflineStore]) -> dg.SensorResult:
        if is_switched_off():
            return dg.SensorResult(skip_reason="OPENLINEAGE_DISABLED is set", cursor=context.cursor)
        from feature_platform.lineage.sending import send_new_runs

        done = send_new_runs(project, offline_store, settings.lineage_settings(), decode_position(context.cursor))
        if done.failure is not None and not done.sent:
            raise done.failure
        if done.failure is not None:
            context.log.error(str(done.failure))
        cursor = context.cursor if done.position is None else encode_position(done.position)
        return dg.SensorResult(skip_reason=done.describe(), cursor=cursor)

    return send
