"""Write, audit, publish: the only way in which an asset gets new rows.

Rows are written as files that no version names yet, and expectations run on those files. When a critical one fails, the
refused rows go to quarantine, the files are removed, and the last good version stays.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from uuid import uuid4

import polars as pl

from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import (
    FeaturePlatformError,
    PublishedRowsGone,
)
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import PARTITION
from feature_platform.offline import Commit, CommitStamp, OfflineStore
from feature_platform.offline.environment import describe_environment, measure_cost
from feature_platform.offline.names import WHOLE
from feature_platform.offline.opened import OpenedTables
from feature_platform.offline.runs import Outcome, RunRecord, record_run
from feature_platform.offline.soundness import damage_error_of_run
from feature_platform.offline.staged import Staged
from feature_platform.offline.staging import collect_in_batches
from feature_platform.pipelines.profiling import Tap
from feature_platform.pipelines.results import Candidate, PublishResult
from feature_platform.quality.refusal import first_broken, rows_as_json
from feature_platform.quality.validation import validate

UNREPEATABLE = "partitions_that_do_not_repeat"
PREVIEW_ROWS = 5
REFUSED_ROWS = 20
ROWS_GONE = "no_published_rows_gone"  # the check that fails for a partition that a run leaves as it is
KEPT_TOLD = 100  # partitions in the record of a run


class Run:
    """One run of one asset, from its first read to its record.

    Args:
        config: the resolved arguments of the run; stored in the record.

    Attributes:
        input_store: the store through which the run reads its inputs, so that they are in its record.

    Use it as a context: `with Run(...) as run: run.publish(candidate)`.
    """

    def __init__(
        self,
        store: OfflineStore,
        asset: str,
        *,
        run_id: str | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        self._opened = OpenedTables()
        self.store, self.input_store = store, store.recording(self._opened)
        self.asset = asset
        self.run_id = run_id or uuid4().hex
        self.config = dict(config or {})
        self._published: PublishResult | None = None
        self._tap: Tap | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "Run":
        self._measurement = self._stack.enter_context(measure_cost())
        self.started_at = self._measurement.started_at
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        damage_error = damage_error_of_run(error, self.store.location(self.asset), self._opened)
        self._keep_all(damage_error or error)
        if damage_error:
            raise damage_error from error

    def _keep_all(self, error: BaseException | None) -> None:
        """Store profiles and the record of the run, also when it failed; nothing when it was interrupted."""
        if error is not None and not isinstance(error, Exception):
            return
        keepers: dict[str, Callable[[], None]] = {
            "profiles": self._keep_profiles,
            "record of the run": partial(self._keep_record, error),
        }
        lost = {what: failure for what, keep in keepers.items() if (failure := _failure_of(keep))}
        if error is not None:  # what stopped the run is what people must see
            for what, failure in lost.items():
                error.add_note(f"The {what} was not kept: {failure}")
        elif lost:
            first, *others = lost.values()
            first.add_note(f"This is about the {' and the '.join(lost)} only: `{self.asset}` itself is done.")
            for failure in others:
                first.add_note(str(failure))
            raise first

    def publish(self, candidate: Candidate) -> PublishResult:
        """Publish a candidate: write, validate what was written, then commit it or put it into quarantine.

        When a pin holds all that was requested, nothing is written, and what is stored is validated.
        """
        if candidate.held and not candidate.partitions:
            self._published = _add_held(self._validate_stored(candidate), self.store)
            return self._published
        with (
            Tap(self.store, candidate.asset, candidate.profile_spec) as tap,
            self.store.stage(candidate.asset, candidate.rows, candidate.plan, tap.see) as staged,
        ):
            facts = candidate.select_facts(staged.scan())
            validation = validate(facts, candidate.expectations, name=candidate.asset)
            validation.raise_misfit()
            judged = PublishResult(
                candidate,
                None,
                validation,
                rows=_rows_by_partition(candidate, staged, tap),
                schema=facts.collect_schema(),
                preview=facts.head(PREVIEW_ROWS).collect(),
                broken=first_broken(
                    facts, validation.computed_failures, candidate.partition_of, candidate.keys, candidate.sort_by
                ),
            )
            if validation.critical_failures:
                self._published = self._refuse(judged, validation.refused_rows(facts))
            else:
                commit = self.store.publish(staged, stamp=self.stamp(candidate))
                self._published, self._tap = replace(judged, commit=commit), tap
                profiles = tap.profiles(commit.hashes, staged.schema)
                published = _count_unrepeatable(replace(self._published, profiles=profiles), commit)
                self._published = _add_held(published, self.store)
        return self._published

    def _validate_stored(self, candidate: Candidate) -> PublishResult:
        """Validate what is stored of the partitions that are held, as if it had been made again."""
        partitions = None if candidate.held == [WHOLE] else candidate.held
        facts = candidate.select_facts(self.input_store.read(candidate.asset, partitions=partitions))
        commit = Commit(candidate.asset, self.store.latest_version(candidate.asset))
        validation = validate(facts, candidate.expectations, name=candidate.asset)
        preview = facts.head(PREVIEW_ROWS).collect()
        return PublishResult(candidate, commit, validation, {}, facts.collect_schema(), preview)

    def stamp(self, candidate: Candidate) -> CommitStamp:
        """Return what a commit of this run says about where its rows come from."""
        return CommitStamp(
            run_id=self.run_id,
            asset=candidate.asset,
            code_version=candidate.code_version,
            inputs=candidate.inputs,
            grain=candidate.plan.grain,
            extra=candidate.extra,
            delivered=candidate.delivered,
            functions=candidate.functions,
            units=candidate.units,
            comments=candidate.comments,
        )

    def quarantine(self, candidate: Candidate, refused: pl.DataFrame) -> int:
        """Quarantine rows that a candidate leaves out, each once, and return how many were not there yet.

        Args:
            refused: rows of any columns that tell them apart, with the column `expectation`.
        """
        name, rows = TableKind.QUARANTINE.of(candidate.asset), self._quarantine_rows(candidate, refused)
        if self.store.exists(name):
            stored = self.input_store.read(name).filter(pl.col("row").is_in(rows["row"].implode()))
            rows = rows.join(stored.select("row").unique().collect(), on="row", how="anti", maintain_order="left")
        if rows.height:
            self.store.append(name, rows, stamp=self.stamp(candidate))
        return rows.height

    def _keep_profiles(self) -> None:
        if self._tap is not None and self._published is not None:
            self._tap.keep(list(self._published.profiles.values()), self.run_id)

    def _keep_record(self, error: BaseException | None) -> None:
        record_run(self.store, self._record(error))

    def _refuse(self, judged: PublishResult, refused: pl.LazyFrame) -> PublishResult:
        name, first = TableKind.QUARANTINE.of(judged.candidate.asset), None
        for batch in collect_in_batches(refused):
            self.store.append(name, self._quarantine_rows(judged.candidate, batch), stamp=self.stamp(judged.candidate))
            first = batch.head(REFUSED_ROWS) if first is None else first
        return replace(judged, quarantine=name, refused=pl.DataFrame() if first is None else first)

    def _quarantine_rows(self, candidate: Candidate, refused: pl.DataFrame) -> pl.DataFrame:
        rows = refused.drop("expectation")
        partition = candidate.partition_of if candidate.partition_of is not None else pl.lit(None, pl.String)
        return pl.DataFrame(
            {
                "run_id": pl.repeat(self.run_id, refused.height, eager=True),
                "refused_at": pl.repeat(self.started_at, refused.height, dtype=UTC, eager=True),
                "expectation": refused["expectation"],
                "partition": rows.select(partition.alias("p")).to_series() if rows.width else [],
                "row": rows_as_json(rows),
            }
        )

    def _record(self, error: BaseException | None) -> RunRecord:
        published = self._published
        candidate = published.candidate if published else None
        commit = published.commit if published else None
        return RunRecord(
            run_id=self.run_id,
            asset=self.asset,
            code_version=candidate.code_version if candidate else "",
            outcome=_outcome(published, error),
            environment=describe_environment(),
            cost=self._measurement,
            partitions=tuple(candidate.partitions or ()) if candidate else (),
            version=commit.version if commit else None,
            rows_in=candidate.rows_in if candidate else None,
            rows_out=sum(published.rows.values()) if published else None,
            inputs_declared=candidate.inputs if candidate else {},
            inputs_opened=self._opened,
            checks=_checks(published, error),
            config=self.config,
            error=None if error is None else (str(error).splitlines() or [type(error).__name__])[0][:1000],
        )


def _add_held(published: PublishResult, store: OfflineStore) -> PublishResult:
    """Return the result with the rows and hashes of the partitions that a pin holds."""
    candidate, commit = published.candidate, published.commit
    if not candidate.held or commit is None:
        return published
    states = store.partition_states(candidate.asset)
    rows = {key: states[key].rows if key in states else 0 for key in candidate.held}
    hashes = {key: (states[key].hash if key in states else None) or f"version {commit.version}" for key in rows}
    commit = replace(commit, hashes={**hashes, **commit.hashes}, rows={**rows, **commit.rows})
    return replace(published, commit=commit, rows={**rows, **published.rows})


def _count_unrepeatable(published: PublishResult, commit: Commit) -> PublishResult:
    """Return the result with a count of the partitions that the same code made differently from the same data."""
    if not commit.unrepeatable:
        return published
    notes = {**published.candidate.notes, UNREPEATABLE: len(commit.unrepeatable)}
    return replace(published, candidate=replace(published.candidate, notes=notes))


def _failure_of(keep: Callable[[], None]) -> FeaturePlatformError | None:
    """Return why something was not stored; None when it was."""
    try:
        keep()
    except FeaturePlatformError as lost:
        return lost
    return None


def _rows_by_partition(candidate: Candidate, staged: Staged, tap: Tap) -> dict[str, int]:
    counted = staged.rows if candidate.audited is None else tap.count_rows()
    if counted is None and candidate.partition_of is None:
        counted = {WHOLE: candidate.select_facts(staged.scan()).select(pl.len()).collect().item()}
    elif counted is None:
        facts = candidate.select_facts(staged.scan(partition_column=True))
        counted = dict(facts.group_by(PARTITION).len().collect().iter_rows())
    asked = (WHOLE,) if candidate.partitions is None else candidate.partitions
    return {**dict.fromkeys(asked, 0), **counted}


def _checks(published: PublishResult | None, error: BaseException | None) -> list[dict[str, object]]:
    kept = published.candidate.kept if published else {}
    losses = [f"{key}: {loss}" for key, loss in sorted(kept.items())]
    if isinstance(error, PublishedRowsGone):
        losses.append(error.found)
    return [
        {"name": ROWS_GONE, "severity": "critical", "passed": False, "found": loss} for loss in losses[:KEPT_TOLD]
    ] + [
        {
            "name": each.expectation.check_name,
            "severity": each.expectation.severity,
            "passed": each.success,
            "found": each.summary,
        }
        for each in (published.validation.outcomes if published else ())
    ]


def _outcome(published: PublishResult | None, error: BaseException | None) -> Outcome:
    if published is not None and published.commit is None:
        return "refused"
    if error is not None or published is None:
        return "failed"
    return "published" if published.commit and published.commit.changed else "unchanged"
