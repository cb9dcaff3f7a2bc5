"""The newest row of a key at a moment, over a table that comes piece by piece in order of time.

Of each piece only what can still win later is carried on: of each key the newest row that everybody can see
by now, and after it the rows that are not known yet.
"""

import numpy as np

from feature_platform.compute.joins.codes import Codes, Whole
from feature_platform.compute.joins.runs import Runs, runs_by_code
from feature_platform.compute.windows.ragged import spread

_NOTHING = np.zeros(0, dtype=np.int64)
_NO_CODES = np.zeros(0, dtype=np.int32)


class Newest:
    """The newest row of each key at given moments, for one piece after the other.

    Args:
        keys: how many codes of keys there are.
        bitemporal: whether rows have a time known of their own.
    """

    def __init__(self, keys: int, *, bitemporal: bool) -> None:
        self.keys = keys
        self._carried = runs_by_code(_NO_CODES, _NOTHING, _NOTHING if bitemporal else None, _NOTHING)

    def at(self, piece: Runs, codes: Codes, moments: Whole) -> tuple[Whole, Whole]:
        """Return the place and event time of the newest row that each key has at each moment; place -1 for none.

        Args:
            piece: rows later than those of all pieces carried.
        """
        row = piece.newest(self.keys, codes, moments)
        places, events = _places_and_events(piece, row)
        older = np.flatnonzero(row < 0)
        if len(older) and len(self._carried.codes):
            row = self._carried.newest(self.keys, codes[older], moments[older])
            places[older], events[older] = _places_and_events(self._carried, row)
        return places, events

    def carry(self, piece: Runs, horizon: int) -> None:
        """Take in a piece; all moments that are asked from now on are at `horizon` or later."""
        fresh, settled = _keep_useful(piece, horizon)
        old = self._carried
        stays = ~np.isin(old.codes, settled)
        rows = spread(old.starts[stays], (old.ends - old.starts)[stays])
        codes = np.append(np.repeat(old.codes[stays], (old.ends - old.starts)[stays]), _row_codes(fresh))
        order = np.argsort(codes, kind="stable")
        known = None if old.known is None or fresh.known is None else np.append(old.known[rows], fresh.known)[order]
        events, places = np.append(old.events[rows], fresh.events), np.append(old.places[rows], fresh.places)
        merged = runs_by_code(codes[order], events[order], known, places[order])
        self._carried = merged if known is None else _keep_useful(merged, horizon)[0]


def _places_and_events(runs: Runs, row: Whole) -> tuple[Whole, Whole]:
    if not len(runs.events):
        return np.full(len(row), -1), np.zeros(len(row), dtype=np.int64)
    return np.where(row >= 0, runs.places[row], -1), runs.events[row]


def _row_codes(runs: Runs) -> Codes:
    return np.repeat(runs.codes, runs.ends - runs.starts)


def _keep_useful(runs: Runs, horizon: int) -> tuple[Runs, Codes]:
    """Return of each run the last row seen by the horizon and all after it; and the keys that have such a row."""
    if not len(runs.codes):
        return runs_by_code(_NO_CODES, _NOTHING, None if runs.known is None else _NOTHING, _NOTHING), _NO_CODES
    if runs.known is None:
        first, settled = runs.ends - 1, runs.codes
    else:
        row = np.where(runs.visible_from() <= horizon, np.arange(len(runs.events)), -1)
        bounds = np.column_stack([runs.starts, runs.ends]).ravel()
        last = np.maximum.reduceat(np.append(row, -1), bounds)[::2]
        first, settled = np.maximum(last, runs.starts), runs.codes[last >= runs.starts]
    sizes = runs.ends - first
    rows = spread(first, sizes)
    known = None if runs.known is None else runs.known[rows]
    return runs_by_code(np.repeat(runs.codes, sizes), runs.events[rows], known, runs.places[rows]), settled
