"""Peeking: what a topic holds, without taking any message: how many are unread, and how the first ones look."""

from time import monotonic

import polars as pl

from feature_platform.declarations.source import Source
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.offline import OfflineStore
from feature_platform.online.spool import Spool
from feature_platform.parts.sources import Kafka
from feature_platform.streaming.decoding import JsonDecoder
from feature_platform.streaming.messages import MESSAGE_VALUE, MESSAGES
from feature_platform.streaming.places import next_places
from feature_platform.streaming.topic import open_topic

_PATIENCE = 5.0  # seconds for the first messages


def count_unread(source: Source, words: Kafka, spool: Spool, store: OfflineStore) -> int:
    """Return how many messages of a topic this project has not read; those that it never will are not counted.

    Raises:
        SourceUnreadable: the topic cannot be reached.
    """
    with open_topic(words, source.name) as topic:
        bounds = topic.bounds()
    places = next_places(source, words, bounds, spool, store)
    return sum(max(end - max(places[stream], oldest), 0) for stream, (oldest, end) in bounds.items())


def read_first_messages(source: Source, words: Kafka, most: int) -> pl.DataFrame:
    """Return the oldest messages of a topic in the declared schema.

    Raises:
        SourceUnreadable: the topic cannot be reached, or the first message does not fit the schema.
    """
    found, begun = MESSAGES.to_frame(), monotonic()
    with open_topic(words, source.name) as topic:
        bounds = topic.bounds()
        topic.go_to({stream: oldest for stream, (oldest, _) in bounds.items()})
        there = sum(end - oldest for oldest, end in bounds.values())
        while found.height < min(most, there) and monotonic() - begun < _PATIENCE:
            found = found.vstack(topic.read(most, wait=0.2))
    values = found.filter(pl.col(MESSAGE_VALUE).is_not_null())[MESSAGE_VALUE].head(most).to_list()
    rows, reasons = JsonDecoder(words.schema, words.extra).decode(values)
    for reason in reasons:
        if reason is not None:
            raise SourceUnreadable(source.name, words.location, f"a message does not fit: {reason}", "Mend `schema`.")
    return rows
