"""Losses: published partitions whose rows are not in their source any more. Somebody decides whether they go, too.

A partition has a loss when a unit that held rows of it is gone and it has fewer rows now, or when at most a tenth of
its rows is left. Its connector (`gone`), or an argument of the run, says what a run does about it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.source import Source
from feature_platform.ground.errors import PublishedRowsGone
from feature_platform.offline.history import PartitionState
from feature_platform.parts.sources.base import Gone
from feature_platform.pipelines.candidates.deliveries import Delivery, delivered_rows

ALMOST_NOTHING = 10  # at most one row in so many is left
_TOLD = 5  # partitions in one sentence
_REMEDY = (
    'If they were deleted on purpose, confirm it: `feature-platform confirm {source} FIRST LAST`, or gone="taken" '
    "(see docs/how-to/late-and-gone-data.md)."
)


@dataclass(frozen=True)
class Loss:
    """What a published partition has lost.

    Attributes:
        before: how many rows its connector had when it was made.
        now: how many rows the connector has now.
        gone: the units that held rows of it and are gone.
        why: what happened, in words.
    """

    before: int
    now: int
    gone: Collection[str]
    why: str

    def __str__(self) -> str:
        return f"{self.why}; {self.before - self.now:,} of {self.before:,} published rows are not there any more"


def losses_of(source: Source, delivery: Delivery, published: Mapping[str, PartitionState]) -> dict[str, Loss]:
    """Return what each published partition of a source has lost; those that have lost nothing are not there.

    Rows that changed code leaves out are no loss: then only units that are gone count.
    """
    version, found = code_version(source), {}
    for key, state in published.items():
        before, now = delivered_rows(state), delivery.rows.get(key, 0)
        if now >= before or not delivery.differs(key, state):
            continue
        gone = [] if source.connector.rewrites_units else delivery.gone(key, state)
        emptied = now * ALMOST_NOTHING <= before and state.code_version == version
        if gone or emptied:
            found[key] = Loss(before, now, gone, delivery.reason_of(key, state))
    return found


def kept_losses(gone: Gone, losses: Mapping[str, Loss]) -> dict[str, Loss]:
    """Return the losses of partitions that a run leaves as they are."""
    return {} if gone == "taken" else dict(losses)


def undecided_losses(gone: Gone, losses: Mapping[str, Loss]) -> dict[str, Loss]:
    """Return the losses that nobody has decided about: all that are kept, except those of a rolling window."""
    kept = kept_losses(gone, losses)
    return {key: loss for key, loss in kept.items() if gone != "rolling" or not loss.gone}


def refuse_losses(source: Source, losses: Mapping[str, Loss]) -> None:
    """Refuse a run of a source that has lost published rows.

    Raises:
        PublishedRowsGone: names the first partitions and what they lost.
    """
    if losses:
        raise PublishedRowsGone(source.name, source.connector.location, describe_losses(losses), remedy_of(source))


def refuse_a_lost_place(source: Source, delivery: Delivery) -> None:
    """Refuse a source of which less than half is left, in units and in rows, as when a folder is not mounted.

    Raises:
        PublishedRowsGone: says how much was there.
    """
    if delivery.inventory is None or not delivery.inventory.gone:
        return
    (units, rows), (units_before, rows_before) = delivery.inventory.now, delivery.inventory.before
    if units * 2 < units_before and rows * 2 < rows_before:
        word = source.connector.units_are
        found = f"{units:,} of {units_before:,} {word} are left, with {rows:,} of {rows_before:,} rows"
        raise PublishedRowsGone(
            source.name,
            source.connector.location,
            found,
            f"Check that all of its {word} are there. {remedy_of(source)}",
        )


def describe_losses(losses: Mapping[str, Loss]) -> str:
    """Return losses in words: the first partitions, and how many more there are."""
    return join_texts([f"{key} ({loss})" for key, loss in sorted(losses.items())])


def remedy_of(source: Source) -> str:
    """Return what to do about rows that are gone."""
    return _REMEDY.format(source=source.name)


def join_texts(texts: Iterable[str]) -> str:
    """Join what happened to partitions: the first, and how many more there are."""
    every = list(texts)
    more = f"; and {len(every) - _TOLD} more" if len(every) > _TOLD else ""
    return "; ".join(every[:_TOLD]) + more
