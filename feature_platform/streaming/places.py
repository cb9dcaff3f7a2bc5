"""Places: where to go on reading a topic, by what the spool and the log have, and why that may be impossible."""

from collections.abc import Mapping

from feature_platform.declarations.source import Source
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.online.spool import Spool
from feature_platform.parts.sources import Kafka
from feature_platform.streaming.topic import Topic


def find_positions(
    topic: Topic, source: Source, words: Kafka, spool: Spool, store: OfflineStore, *, skip_lost: bool
) -> dict[str, int]:
    """Return the number of the message to go on with, for each partition.

    Args:
        skip_lost: go on with the oldest message that there is, where some are gone that were never read.

    Raises:
        SourceUnreadable: messages are gone that were never read, or the topic is another one of the same name.
    """
    bounds = topic.bounds()
    positions = next_places(source, words, bounds, spool, store)
    anew = {stream: place for stream, place in positions.items() if place > bounds[stream][1]}
    if anew:
        stream, place = next(iter(anew.items()))
        reason = f"{stream} ends before message {bounds[stream][1]:,}, but {place:,} were read: the topic was made anew"
        remedy = f"Count up `incarnation` (it is {words.incarnation}), and it is read from its start."
        raise SourceUnreadable(source.name, words.location, reason, remedy)
    lost = {stream: bounds[stream][0] - place for stream, place in positions.items() if place < bounds[stream][0]}
    if lost and not skip_lost:
        reason = f"{sum(lost.values()):,} messages of {', '.join(lost)} are gone that were never read"
        remedy = "Say `--skip-lost` to go on without them, and keep messages longer."
        raise SourceUnreadable(source.name, words.location, reason, remedy)
    return {stream: max(place, bounds[stream][0]) for stream, place in positions.items()}


def next_places(
    source: Source, words: Kafka, bounds: Mapping[str, tuple[int, int]], spool: Spool, store: OfflineStore
) -> dict[str, int]:
    """Return the number of the next message of each partition: behind those that were read, or where to begin.

    Read is what the spool of this machine took, and what is up to the last row in the log, whichever machine wrote it.
    Refused messages tell nothing: they may be logged while rows before them are lost with the spool of a machine.
    """
    begin = {stream: oldest if words.begin == "oldest" else end for stream, (oldest, end) in bounds.items()}
    logged = store.appended_upto(TableKind.PUSHES.of(source.name), *bounds)
    read = {stream: last + 1 for stream, last in logged.items() if last >= 0}
    for stream, place in spool.positions().items():
        if stream in bounds:
            read[stream] = max(place, read.get(stream, 0))
    return begin | read
