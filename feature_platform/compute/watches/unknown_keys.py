"""Entity keys that were never seen before."""

import math
from collections.abc import Collection, Mapping
from typing import ClassVar

import numpy as np
import polars as pl

from feature_platform.compute.profiles.distinct import EMPTY, SIZE, Sketch, merge_sketches
from feature_platform.compute.profiles.rows import arrays
from feature_platform.compute.watches.base import (
    LEAST_VALUES,
    ROWS,
    Observation,
    Watch,
    WatchResult,
    format_share,
    insufficient_data,
    partitions_in_words,
)
from feature_platform.ground.findings import FindingKind

FLOOR = 0.05  # of the keys; fewer new ones are no news
MARGIN = 1.5  # times the largest share that an earlier partition had
LEAST_SHARES = 2  # of earlier partitions
CHANCE = 4.0  # standard deviations of a share that is counted on a sketch
_MEASURE = "share of keys that no earlier partition has"


class UnknownKeys(Watch):
    """Far more keys that no earlier partition has than earlier ones had when they were new.

    Each earlier partition is compared with those before it, as this one is: a table whose keys grow steadily has new
    ones every day that later days have too. The first half of them has little before it and is left out.

    >>> UnknownKeys().kind.value
    'unknown_keys'
    """

    kind: ClassVar[FindingKind] = FindingKind.UNKNOWN_KEYS
    description: ClassVar[str] = "Far more entity keys that no earlier partition has than earlier partitions had."

    def look(self, observation: Observation) -> list[WatchResult]:
        now = _sketches(observation.current)
        if not now:
            return []
        before = _sketches(observation.history)
        known = [each for each in observation.before(ROWS) if each.partition in before]
        if why := observation.too_little(known):
            return [insufficient_data(None, "warning", _MEASURE, why)]
        return [
            _judge(now[observation.partition], before, {each.partition for each in observation.of_its_season(known)})
        ]


def _judge(now: Sketch, before: Mapping[str, Sketch], alike: Collection[str]) -> WatchResult:
    share, counted = _new(merge_sketches(list(before.values())), now)
    usual = {key: each for key, (each, many) in _when_new(before).items() if many >= LEAST_VALUES}
    if counted < LEAST_VALUES:
        return insufficient_data(None, "warning", _MEASURE, f"only {counted:,} keys could be compared")
    if len(usual) < LEAST_SHARES or not usual.keys() & alike:
        return insufficient_data(None, "warning", _MEASURE, "too few earlier partitions of its season have enough keys")
    most = max(usual.values())
    some = max(most, FLOOR)
    limit = max(FLOOR, MARGIN * most, most + CHANCE * math.sqrt(some * (1 - some) / counted))
    in_words = format_share(most)
    compared = f"at most {in_words} in {partitions_in_words(len(usual))}"
    evidence = (
        f"About {format_share(share)} of the keys are in no earlier partition, where at most {in_words} is usual."
    )
    return WatchResult(None, share > limit, share, min(limit, 1.0), "warning", _MEASURE, compared, evidence)


def _when_new(before: Mapping[str, Sketch]) -> dict[str, tuple[float, int]]:
    """Return the share of new keys of each partition of the later half when it came, and of how many keys it is."""
    shares: dict[str, tuple[float, int]] = {}
    seen_keys = EMPTY
    for at, (key, sketch) in enumerate(before.items()):
        if at >= max(len(before) // 2, 1):
            shares[key] = _new(seen_keys, sketch)
        seen_keys = merge_sketches([seen_keys, sketch])
    return shares


def _new(seen_keys: Sketch, keys: Sketch) -> tuple[float, int]:
    """Return the share of keys that are not among those seen, and of how many keys it is: those below both ends."""
    ends = [each[-1] for each in (seen_keys, keys) if len(each) == SIZE]
    counted = keys[keys <= min(ends)] if ends else keys
    if not len(counted) or not len(seen_keys):
        return math.nan, 0
    places = np.minimum(np.searchsorted(seen_keys, counted), len(seen_keys) - 1)  # both are sorted
    return float((seen_keys[places] != counted).mean()), len(counted)


def _sketches(rows: pl.DataFrame) -> dict[str, Sketch]:
    """Return the sketches of the partitions that have keys, in order."""
    keyed = rows.filter(pl.col("column") == ROWS, pl.col("sketch").list.len() > 0)
    return {key: each.view(np.uint64) for key, each in zip(keyed["partition"], arrays(keyed["sketch"]), strict=True)}
