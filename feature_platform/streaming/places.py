"""Places: where to go on reading a topic, by what the spool and the log have, and why that may be impossible."""

from feature_platform.declarations.source import Source
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.online.spool import Spool
from feature_platform.parts.sources import Kafka
from feature_platform.streaming.topic import Topic

_LOGS = (TableKind.PUSHES, TableKind.UNREADABLE)


def find_positions(
    topic: Topic, source: Source, words: Kafka, spool: Spool, store: OfflineStore, *, skip_lost: bool
) -> dict[str, int]:
    """Return the number of the message to go on with, for each partition.

    It is behind the last one that the spool of this machine took, or that the log has, whichever machine wrote it.

    Args:
        skip_lost: go on with the oldest message that there is, where some are gone that were never read.

    Raises:
        SourceUnreadable: messages are gone that were never read, or the topic is another one of the same name.
    """
    bounds = topic.bounds()
    known = read_upto(source, [*bounds], spool, store)
    begin = {stream: oldest if words.begin == "oldest" else end for stream, (oldest, end) in bounds.items()}
    positions = begin | known
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


def read_upto(source: Source, streams: list[str], spool: Spool, store: OfflineStore) -> dict[str, int]:
    """Return the number of the next message of each stream that was read before."""
    known = {stream: place for stream, place in spool.positions().items() if stream in streams}
    for log in _LOGS:
        for stream, last in store.appended_upto(log.of(source.name), *streams).items():
            if last >= 0:
                known[stream] = max(known.get(stream, 0), last + 1)
    return known
