"""Intake: everything that is new is taken in once, as one round. Nothing is delivered.

Reading changes nothing, all evaluations are taken in by one transaction, and only then does the cursor move. An
interruption in between leaves the old cursor: the same evaluations come up again and are left out.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from feature_platform.declarations.project import Project
from feature_platform.monitoring.alerting import (
    AlertStore,
    DeliveryReport,
    Evaluation,
    Policy,
    evaluate,
    resolve_unwatched,
    tick,
)
from feature_platform.monitoring.watching.advice import remedy_for
from feature_platform.monitoring.watching.causes import causes_of, written_at
from feature_platform.monitoring.watching.foreign_writes import check_foreign_writes
from feature_platform.monitoring.watching.judgements import PartitionJudgement, read_judgements
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot, lineage
from feature_platform.monitoring.watching.repeatability import check_repeatability
from feature_platform.monitoring.watching.runs import check_runs
from feature_platform.monitoring.watching.timeliness import check_timeliness
from feature_platform.monitoring.watching.unwatched import find_unwatched
from feature_platform.offline import OfflineStore
from feature_platform.parts.alert_channels import Message


@dataclass(frozen=True)
class Intake:
    """The result of taking in what is new.

    Attributes:
        cursor: where the next intake begins.
        evaluations: how many were new.
        messages: those that are due now; they are in the outbox.
    """

    cursor: str
    evaluations: int
    messages: tuple[Message, ...]


def take_in(
    project: Project,
    store: OfflineStore,
    alerts: AlertStore,
    policy: Policy,
    now: datetime,
    cursor: str | None = None,
) -> Intake:
    """Take in what the store says since the cursor, and what is due by time alone.

    Args:
        now: of a project that is over no moment later than its end counts for its data.
        cursor: of the last intake; None takes in everything that the tables still have.

    Raises:
        AlertStoreFailed: nothing was changed; do it again with the same cursor.
        InvalidDeclaration: the cursor cannot be read.
        FeaturePlatformError: a table cannot be read; nothing was changed.
    """
    snapshot = ProjectSnapshot(project, store, now, cursor, alerts.positions())
    if whys := find_unwatched(snapshot, alerts):
        resolve_unwatched(alerts, whys, now)
    new = [_add_project(project, each) for each in _new_evaluations(snapshot, alerts)]
    above = lineage(project)
    messages = evaluate(alerts, new, above, policy, now, snapshot.positions()) if new else ()
    return Intake(snapshot.cursor(), len(new), (*messages, *tick(alerts, above, policy, now)))


def describe_look(taken: Intake, delivered: DeliveryReport) -> str:
    """Describe an intake and the delivery after it in one line.

    >>> describe_look(Intake("{}", 3, ()), DeliveryReport(1, (), 0))
    '3 evaluations, 0 messages, 1 delivered, 0 waiting'
    """
    evaluations, messages = taken.evaluations, len(taken.messages)
    counts = f"{evaluations} evaluation{'s' * (evaluations != 1)}, {messages} message{'s' * (messages != 1)}"
    failed = f", {len(delivered.failed)} failed" if delivered.failed else ""
    return f"{counts}, {delivered.delivered} delivered{failed}, {delivered.pending} waiting"


def _new_evaluations(snapshot: ProjectSnapshot, alerts: AlertStore) -> list[Evaluation]:
    """Return the evaluations that were never taken in, with the causes of what they found."""
    rounds = list(read_judgements(snapshot))
    others = [
        *check_timeliness(snapshot),
        *check_runs(snapshot),
        *check_foreign_writes(snapshot),
        *check_repeatability(snapshot),
    ]
    known = alerts.known_evaluations([*(each.evaluation.id for each in rounds), *(each.id for each in others)])
    return [*_explain(snapshot, rounds, known), *(each for each in others if each.id not in known)]


def _add_project(project: Project, evaluation: Evaluation) -> Evaluation:
    findings = tuple(replace(each, project=project.name) for each in evaluation.findings)
    return replace(evaluation, findings=findings)


def _explain(
    snapshot: ProjectSnapshot, rounds: list[PartitionJudgement], known: Collection[str]
) -> Iterator[Evaluation]:
    for judgement in rounds:
        if judgement.evaluation.id in known:
            continue
        if not judgement.evaluation.findings:
            yield judgement.evaluation
            continue
        causes = causes_of(snapshot, judgement.asset, judgement.partition, judgement.version)
        at, words = (
            written_at(snapshot, judgement.asset, judgement.partition, judgement.version),
            tuple(cause.text for cause in causes),
        )
        yield replace(
            judgement.evaluation,
            findings=tuple(
                replace(found, causes=words, at=at, remedy=remedy_for(causes) or found.remedy)
                for found in judgement.evaluation.findings
            ),
        )
