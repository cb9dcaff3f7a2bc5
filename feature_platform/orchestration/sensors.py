"""Sensors that launch runs: they recompute what is not up to date, and monitor what is new.

Each tick reads from the tables what is due. Events and the cursor make that cheap, and keep a run from being launched
twice; see `triggers` for what is tried again, when, and how often.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Asset, Project
from feature_platform.ground.clock import microsecond_of, moment_of
from feature_platform.ground.table_names import TableKind
from feature_platform.monitoring.partitions import find_unmonitored, monitoring_version
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.online import OnlineStore
from feature_platform.orchestration.batches import ATTEMPTS, Due, select_ended
from feature_platform.orchestration.metadata import asset_key
from feature_platform.orchestration.outdated import find_outdated, served_names
from feature_platform.orchestration.triggers import FIRST_WAIT, Cursor, Decision, Launch, decide_launches, parse_cursor

TRIGGER = "feature_platform/trigger"  # the tag of a run that says which sensor launched it
RECOMPUTE, MONITOR = "recompute_changed_data", "monitor_new_data"

Unmonitored = Callable[[Asset, Project, OfflineStore], Mapping[str, str]]

_RECOMPUTE_SECONDS = 60  # one look costs half a second for twelve partitions of the flights: one hundredth of a core
_MONITOR_SECONDS = 30  # Dagster's own interval; a look at one asset reads two logs
_MONITOR_ALL = "1h"  # how late a write without an event is monitored
_GOING_ON = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# NOT_STARTED is a run that Dagster created and could not launch: a request with the same key launches that one
_LAUNCHED = [*_GOING_ON, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(frozen=True)
class Trigger:
    """What one sensor checks, and what it runs.

    Attributes:
        targets: asset that may be due -> the Dagster asset that does the work.
        find_due: returns what is due of some of these assets at a moment.
        together: whether the targets read each other.
        look_at_all: how often all assets are checked, whatever events say; None for every tick.
        seconds: from one tick to the next, at least.
        first_wait: how long after a failed run its work is tried again; doubled with each further attempt.
    """

    name: str
    description: str
    targets: Mapping[str, dg.AssetKey]
    find_due: Callable[[Collection[str], OfflineStore, OnlineStore, int], Due]
    grid: Partitions
    together: bool
    look_at_all: str | None
    seconds: int
    first_wait: str
    now: Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def recompute_sensor(
    project: Project, *, first_wait: str = FIRST_WAIT, now: Callable[[], datetime] = _now
) -> dg.SensorDefinition:
    """Return the sensor that recomputes what is not up to date: tables, upstream first, and what is served of them."""

    def find_due(_: Collection[str], store: OfflineStore, online: OnlineStore, moment: int) -> Due:
        return find_outdated(project, store, online, moment)

    names = [*(each.asset for each in project.assets), *served_names(project)]
    return sensor_of(
        Trigger(
            name=RECOMPUTE,
            description="Recomputes and serves what is not up to date in partitions that have ended. Turn on either "
            "this sensor or Dagster's own `default_automation_condition_sensor`: one of them is enough. This one "
            "compares the tables themselves, so it also finds raw data that nobody observed, changed code, pushed "
            "rows, writes of others, rollbacks, and work that a failed run did not finish. The refresh schedule makes "
            "new partitions.",
            targets={name: asset_key(name) for name in names},
            find_due=find_due,
            grid=project.partitions,
            together=True,
            look_at_all=None,
            seconds=_RECOMPUTE_SECONDS,
            first_wait=first_wait,
            now=now,
        )
    )


def monitoring_sensor(
    project: Project,
    *,
    judge_next: Unmonitored = find_unmonitored,
    first_wait: str = FIRST_WAIT,
    seconds: int = _MONITOR_SECONDS,
    now: Callable[[], datetime] = _now,
) -> dg.SensorDefinition:
    """Return the sensor that monitors every committed partition, once for each content.

    Args:
        judge_next: returns the partitions of an asset that are committed and not judged, with the content of each.
        seconds: from one tick to the next, at least.
    """
    assets = {each.asset: each for each in project.assets}

    def find_due(names: Collection[str], store: OfflineStore, _: OnlineStore, __: int) -> Due:
        found = {name: judge_next(assets[name], project, store) for name in sorted(names)}
        rules = {name: monitoring_version(assets[name]) for name in found}
        return {name: {key: f"{content} {rules[name]}" for key, content in of.items()} for name, of in found.items()}

    return sensor_of(
        Trigger(
            name=MONITOR,
            description="Monitors new and changed partitions for drift, whoever wrote them, once for each content. A "
            "failed run is tried again. A write without an event is found within the hour.",
            targets={name: asset_key(TableKind.MONITORING.of(asset.asset)) for name, asset in assets.items()},
            find_due=find_due,
            grid=project.partitions,
            together=False,
            look_at_all=_MONITOR_ALL,
            seconds=seconds,
            first_wait=first_wait,
            now=now,
        )
    )


def sensor_of(trigger: Trigger) -> dg.SensorDefinition:
    """Return the Dagster sensor of a trigger; it is off until someone turns it on."""

    @dg.sensor(
        name=trigger.name,
        description=trigger.description,
        minimum_interval_seconds=trigger.seconds,
        asset_selection=dg.AssetSelection.assets(*trigger.targets.values()),
        default_status=dg.DefaultSensorStatus.STOPPED,
    )
    def evaluate(
        context: dg.SensorEvaluationContext,
        offline_store: dg.ResourceParam[OfflineStore],
        online_store: dg.ResourceParam[OnlineStore],
    ) -> dg.SensorResult:
        busy = _reason_to_wait(context, set(trigger.targets.values()))
        if busy is not None:
            return dg.SensorResult(skip_reason=busy)
        return _tick(context, trigger, offline_store, online_store)

    return evaluate


def _tick(
    context: dg.SensorEvaluationContext, trigger: Trigger, store: OfflineStore, online: OnlineStore
) -> dg.SensorResult:
    now = microsecond_of(trigger.now())
    cursor = _read_cursor(context).keep_assets(trigger.targets)
    newest = _newest_events(context.instance, trigger.targets)  # before the tables: later events are new next time
    looked_at = cursor.assets_to_check(trigger.targets, newest, now, trigger.look_at_all)
    due = select_ended(trigger.find_due(looked_at, store, online, now), trigger.grid, now)
    decision = decide_launches(
        cursor, due, looked_at, trigger.grid, now, together=trigger.together, first_wait=trigger.first_wait
    )
    next_cursor = decision.cursor.with_events(newest, now if looked_at == set(trigger.targets) else cursor.looked)
    sentences = [*_sentences_about(decision, trigger)]
    if not decision.launches:
        return dg.SensorResult(skip_reason=" ".join(sentences) or "Nothing is due.", cursor=next_cursor.as_json())
    for sentence in sentences:
        context.log.warning(sentence)
    after = _newest_run(context.instance, trigger)
    requests = [_request(each, trigger, after) for each in decision.launches]
    return dg.SensorResult(run_requests=requests, cursor=next_cursor.as_json())


def _read_cursor(context: dg.SensorEvaluationContext) -> Cursor:
    cursor = parse_cursor(context.cursor)
    if cursor is None:
        context.log.warning("The cursor is not one of this sensor's. It starts anew and checks all assets.")
    return cursor or Cursor()


def _newest_events(instance: dg.DagsterInstance, names: Collection[str]) -> dict[str, int]:
    """Return the storage id of the newest materialization of each asset.

    The newest is enough, however many there were: the tables say which partitions to run.
    """
    newest = {name: instance.fetch_materializations(asset_key(name), limit=1).records for name in names}
    return {name: records[0].storage_id for name, records in newest.items() if records}


def _reason_to_wait(context: dg.SensorEvaluationContext, targets: Collection[dg.AssetKey]) -> str | None:
    """Return why to wait, when another run computes the same assets: what it does not finish is due afterwards."""
    for record in context.instance.get_run_records(dg.RunsFilter(statuses=_GOING_ON)):
        run = record.dagster_run
        if _assets_of(run, context) & {*targets}:
            return (
                f"Waits for run {run.run_id[:8]} ({run.status.value.lower()}), which computes assets of this sensor. "
                "Cancel it if its process is gone."
            )
    return None


def _assets_of(run: dg.DagsterRun, context: dg.SensorEvaluationContext) -> Set[dg.AssetKey]:
    if run.asset_selection is not None:
        return run.asset_selection
    repository = context.repository_def
    if repository is None or not repository.has_job(run.job_name):
        return frozenset()
    return repository.get_job(run.job_name).asset_layer.selected_asset_keys


def _newest_run(instance: dg.DagsterInstance, trigger: Trigger) -> str:
    """Return the newest run that this sensor launched, as a part of the next run keys.

    Dagster never launches a run key twice. With this run in the key, content that was run before and comes back gets
    another key, even after the cursor was lost. A tick that is repeated because its cursor was not saved gets the same.
    """
    launched = dg.RunsFilter(tags={TRIGGER: trigger.name}, statuses=_LAUNCHED)
    return next((each.dagster_run.run_id for each in instance.get_run_records(launched, limit=1)), "none")


def _request(launch: Launch, trigger: Trigger, after: str) -> dg.RunRequest:
    batch = launch.batch
    tags = {TRIGGER: trigger.name}
    if batch.first is not None and batch.last is not None:
        tags |= {
            "dagster/asset_partition_range_start": batch.first,
            "dagster/asset_partition_range_end": batch.last,
        }
    keys = [trigger.targets[name] for name in batch.assets]
    return dg.RunRequest(run_key=f"{launch.key} after {after}", tags=tags, asset_selection=keys)


def _sentences_about(decision: Decision, trigger: Trigger) -> Iterator[str]:
    """Yield sentences about what is due and not launched."""
    if decision.later is not None:
        yield f"What failed is tried again from {moment_of(decision.later):%Y-%m-%d %H:%M:%S} UTC on."
    for name, keys in decision.given_up.items():
        yield (
            f"Gave up on {name}{_in_words(keys)} after {ATTEMPTS} failed runs. It is tried again when its data or code "
            f"changes, or after `dagster sensor cursor {trigger.name} --delete`."
        )


def _in_words(keys: Sequence[str]) -> str:
    parts = [key for key in keys if key != WHOLE]
    if not parts:
        return ""
    return f", partition {parts[0]}" if len(parts) == 1 else f", {len(parts)} partitions from {parts[0]} to {parts[-1]}"
