"""The events of a run: START, and COMPLETE or FAIL, made from its record and the declarations alone.

The id of a run follows from its record, so that a run that is sent again is the same run.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    JobFacet,
    RunFacet,
    documentation_job,
    error_message_run,
    job_type_job,
    nominal_time_run,
    ownership_job,
    parent_run,
    processing_engine_run,
    tags_run,
)

from feature_platform.declarations.project import Asset, Project
from feature_platform.ground.clock import GRAINS, partition_bounds, rfc3339, shift_moment
from feature_platform.lineage.datasets import INTEGRATION, PRODUCER, StoredTables, inputs_of, make_facet, output_of

_ENGINE = "feature_platform"
_PARENT = "materialize"
_DONE = ("published", "unchanged")
_SECOND = 1_000_000
_IDS = uuid5(NAMESPACE_URL, PRODUCER)


@dataclass(frozen=True)
class EventMaker:
    """Makes the events of the runs of a project.

    Attributes:
        tables: those of its store; their namespace is that of the jobs, too.
    """

    project: Project
    tables: StoredTables
    _assets: dict[str, Asset] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_assets", {each.asset: each for each in self.project.assets})

    def events_of(self, record: Mapping[str, Any]) -> tuple[RunEvent, RunEvent]:
        """Return the events of a run: that it started, and how it ended.

        Args:
            record: its row in table `runs`.
        """
        asset, started = self._assets.get(record["asset"]), record["started_at"]
        inputs, output = list(inputs_of(record, asset, self.tables)), output_of(record, asset, self.tables)
        start = self._event(record, RunState.START, started)
        start.inputs = [InputDataset(each.namespace, each.name) for each in inputs]
        start.outputs = [OutputDataset(output.namespace, output.name)]
        done = record["outcome"] in _DONE
        ended = shift_moment(started, round(record["duration_s"] * _SECOND))
        end = self._event(record, RunState.COMPLETE if done else RunState.FAIL, ended)
        end.inputs, end.outputs = [*inputs], [output]
        if not done:
            end.run.facets = {**(end.run.facets or {}), "errorMessage": _failure_of(record)}
        return start, end

    def _event(self, record: Mapping[str, Any], state: RunState, at: datetime) -> RunEvent:
        """Return an event with what is said of run and job in each."""
        namespace, name = self.tables.namespace, record["asset"]
        run = Run(run_uuid(record["run_id"], name, record["started_at"]), dict(_run_facets(record, namespace)))
        job = Job(namespace, name, dict(_job_facets(self._assets.get(name))))
        return RunEvent(eventType=state, eventTime=rfc3339(at), run=run, job=job, producer=PRODUCER)


def run_uuid(run_id: str, asset: str, started: datetime) -> str:
    """Return the id of a run of an asset; an attempt that Dagster makes again in the same run is another one.

    >>> from feature_platform.ground.clock import EPOCH
    >>> run_uuid("a1", "views/spending", EPOCH) == run_uuid("a1", "views/spending", EPOCH)
    True
    """
    return str(uuid5(_IDS, f"{run_id}/{asset}/{rfc3339(started)}"))


def parent_uuid(run_id: str) -> str:
    """Return the id of the run that runs of assets are part of: the one that Dagster gave it.

    >>> parent_uuid("0b7e4b52-6d0e-4a5c-9b0e-0f0f5ad1c3f1")
    '0b7e4b52-6d0e-4a5c-9b0e-0f0f5ad1c3f1'
    """
    try:
        return str(UUID(run_id))
    except ValueError:
        return str(uuid5(_IDS, run_id))


def _run_facets(record: Mapping[str, Any], namespace: str) -> Iterator[tuple[str, RunFacet]]:
    whole = parent_run.Run(runId=parent_uuid(record["run_id"]))
    yield "parent", make_facet(parent_run.ParentRunFacet, run=whole, job=parent_run.Job(namespace, _PARENT))
    version = record["platform_version"]
    kind = processing_engine_run.ProcessingEngineRunFacet
    yield "processing_engine", make_facet(kind, version=version, name=_ENGINE, openlineageAdapterVersion=version)
    yield "tags", make_facet(tags_run.TagsRunFacet, tags=list(_run_tags(record)))
    if (span := _nominal_span(record)) is not None:
        start, end = span
        yield (
            "nominalTime",
            make_facet(nominal_time_run.NominalTimeRunFacet, nominalStartTime=start, nominalEndTime=end),
        )


def _run_tags(record: Mapping[str, Any]) -> Iterator[tags_run.TagsRunFacetFields]:
    dirty = "+changes" if record["git_dirty"] else ""
    values = {
        "outcome": record["outcome"],
        "code_version": record["code_version"],
        "git_commit": f"{record['git_commit']}{dirty}" if record["git_commit"] else "",
        "partitions": str(len(record["partitions"] or ())),
    }
    for key, value in values.items():
        if value:
            yield tags_run.TagsRunFacetFields(key=key, value=value, source=INTEGRATION)


def _nominal_span(record: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return from when to when the partitions of a run are; of a run without them, the range that was asked for."""
    config = json.loads(record["config"] or "{}")
    grain, asked = next((each for each in GRAINS if each == config.get("grain")), None), config.get("span")
    keys: Sequence[str] = record["partitions"] or ()
    if keys and grain is not None:
        bounds = [partition_bounds(key, grain, f"Run `{record['run_id']}`") for key in (min(keys), max(keys))]
        return rfc3339(bounds[0][0]), rfc3339(bounds[1][1])
    return (rfc3339(datetime.fromisoformat(asked[0])), rfc3339(datetime.fromisoformat(asked[1]))) if asked else None


def _job_facets(asset: Asset | None) -> Iterator[tuple[str, JobFacet]]:
    words = {"processingType": "BATCH", "integration": INTEGRATION, "jobType": "MATERIALIZATION"}
    yield "jobType", make_facet(job_type_job.JobTypeJobFacet, **words)
    if asset is not None and asset.owner:
        owners = [ownership_job.Owner(name=asset.owner, type="OWNER")]
        yield "ownership", make_facet(ownership_job.OwnershipJobFacet, owners=owners)
    if asset is not None and asset.description:
        yield "documentation", make_facet(documentation_job.DocumentationJobFacet, description=asset.description)


def _failure_of(record: Mapping[str, Any]) -> RunFacet:
    """Return why a run failed; of a refused one which expectations failed, without the values that they found."""
    broken = [each["name"] for each in record["checks"] or () if not each["passed"] and each["severity"] == "critical"]
    if record["outcome"] == "refused":
        message = f"refused: {', '.join(broken) or 'a critical expectation failed'}"
    else:
        message = record["error"] or "no reason is recorded"
    return make_facet(error_message_run.ErrorMessageRunFacet, message=message, programmingLanguage="Python")
