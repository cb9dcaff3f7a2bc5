"""A wavelet matrix: order statistics of any range of a sequence in the time of its bits, however long it is.

Claude, Navarro and Ordóñez, "The wavelet matrix" (2015). For numbers below `2**levels` it keeps one bit for each
number and level, and counts of set bits for each word: about a fifth of a byte for a number and level.
"""

import numpy as np
import numpy.typing as npt

from feature_platform.compute.windows.timeline import Whole

_WORD = 64


class WaveletMatrix:
    """Whole numbers from 0 on, for questions about ranges of them.

    >>> matrix = WaveletMatrix(np.array([3, 0, 2, 1]))
    >>> matrix.smallest(np.array([0]), np.array([3]), np.array([1])).tolist()
    [2]
    >>> matrix.below(np.array([0]), np.array([4]), np.array([3])).tolist()
    [3]
    """

    def __init__(self, numbers: Whole | npt.NDArray[np.uint32]) -> None:
        self.levels: list[_Bits] = []
        self.bits = int(numbers.max()).bit_length() if len(numbers) else 0
        for level in reversed(range(self.bits)):
            ones = (numbers >> level & 1).astype(np.bool_)
            self.levels.append(_Bits(ones))
            numbers = np.concatenate([numbers[~ones], numbers[ones]])

    def smallest(self, low: Whole, high: Whole, place: Whole) -> Whole:
        """Return the number at a place (from 0) of each range `[low, high)` in ascending order."""
        numbers = np.zeros_like(low)
        for bits in self.levels:
            before_low, before_high = bits.ones(low), bits.ones(high)
            zeros = (high - before_high) - (low - before_low)
            up = place >= zeros
            place = np.where(up, place - zeros, place)
            low = np.where(up, bits.zeros + before_low, low - before_low)
            high = np.where(up, bits.zeros + before_high, high - before_high)
            numbers = numbers << 1 | up
        return numbers

    def below(self, low: Whole, high: Whole, bound: Whole) -> Whole:
        """Count the numbers of each range `[low, high)` that are below a bound of at least 0."""
        counts = np.where(bound >> self.bits > 0, high - low, 0)
        open_ = bound >> self.bits == 0
        for level, bits in zip(reversed(range(self.bits)), self.levels, strict=True):
            before_low, before_high = bits.ones(low), bits.ones(high)
            up = (bound >> level & 1).astype(np.bool_)
            counts += np.where(up & open_, (high - before_high) - (low - before_low), 0)
            low = np.where(up, bits.zeros + before_low, low - before_low)
            high = np.where(up, bits.zeros + before_high, high - before_high)
        return counts


class _Bits:
    """Flags, and how many are set before each position."""

    def __init__(self, flags: npt.NDArray[np.bool_]) -> None:
        words = len(flags) // _WORD + 1
        packed = np.zeros(words * _WORD // 8, dtype=np.uint8)
        packed[: -(-len(flags) // 8)] = np.packbits(flags, bitorder="little")
        self.words = packed.view(np.uint64)
        counts = np.cumsum(np.bitwise_count(self.words), dtype=np.int64)
        self.before = (counts - np.bitwise_count(self.words)).astype(np.uint32 if len(flags) < 2**32 else np.int64)
        self.zeros = len(flags) - int(counts[-1])

    def ones(self, position: Whole) -> Whole:
        word = position // _WORD
        below = (np.uint64(1) << (position % _WORD).astype(np.uint64)) - np.uint64(1)
        return self.before[word].astype(np.int64) + np.bitwise_count(self.words[word] & below)
