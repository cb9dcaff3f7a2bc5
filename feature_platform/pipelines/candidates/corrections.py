"""Corrections: published partitions whose rows were changed in the units that they were made of.

A source may refuse them (`changed="refuse"`); then nothing of it is run until somebody decides, as about losses.
"""

from collections.abc import Mapping

from feature_platform.declarations.source import Source
from feature_platform.ground.errors import PublishedRowsChanged
from feature_platform.offline.history import PartitionState
from feature_platform.pipelines.candidates.deliveries import Delivery
from feature_platform.pipelines.candidates.losses import join_texts

_REMEDY = (
    "If the new rows are right, confirm them: `feature-platform confirm {source} FIRST LAST`, or "
    'changed="taken" (see docs/how-to/late-and-gone-data.md).'
)


def corrections_of(source: Source, delivery: Delivery, published: Mapping[str, PartitionState]) -> dict[str, str]:
    """Return the published partitions that a source refuses to change, each with what happened to it, in words.

    New units change none: their rows are late ones. A unit that has come back under another name does. Where units are
    read together, it is not known which of them changed, so that any other rows are a change.
    """
    if source.connector.changed != "refuse":
        return {}
    different = {key: state for key, state in published.items() if delivery.differs(key, state)}
    return {
        key: delivery.reason_of(key, state)
        for key, state in different.items()
        if delivery.is_in_one_piece or delivery.were_replaced(key, state, source.connector.gone)
    }


def refuse_corrections(source: Source, corrections: Mapping[str, str]) -> None:
    """Refuse a run of a source whose published rows were changed.

    Raises:
        PublishedRowsChanged: names the first partitions and the units.
    """
    if corrections:
        found = join_texts(f"{key} ({why})" for key, why in sorted(corrections.items()))
        raise PublishedRowsChanged(source.name, source.connector.location, found, _REMEDY.format(source=source.name))
