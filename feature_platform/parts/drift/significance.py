"""The tails of the distributions that tests are judged by, exact, so that nothing but numpy is needed.

All are upper tails: the probability of a statistic at least as large as the one found.
"""

import math

import numpy as np

from feature_platform.parts.drift.base import Counts, DistributionPairs, Floats

_TERMS = 500  # of a continued fraction, which is exact after a few dozen


def chi_square_tail(statistics: Floats, freedom: Counts) -> Floats:
    """Return the tail of the chi-square distribution for whole degrees of freedom, by its finite series; 1 without any.

    >>> chi_square_tail(np.array([3.841458820694124]), np.array([1])).round(6).tolist()
    [0.05]
    """
    return np.array([_chi_square_tail(float(x), int(k)) for x, k in zip(statistics, freedom, strict=True)])


def _chi_square_tail(statistic: float, freedom: int) -> float:
    if math.isnan(statistic):
        return math.nan
    half = statistic / 2
    if freedom < 1 or half <= 0:
        return 1.0
    even = freedom % 2 == 0
    powers = np.arange(freedom // 2) + (0.0 if even else 0.5)
    start = 0.0 if even else math.erfc(math.sqrt(half))
    logs = [power * math.log(half) - math.lgamma(power + 1) - half for power in powers.tolist()]
    return min(start + math.fsum(math.exp(each) for each in logs), 1.0)


def kolmogorov_tail(statistics: Floats) -> Floats:
    """Return the tail of the limit distribution of sqrt(n m / (n + m)) times the Kolmogorov-Smirnov distance.

    >>> kolmogorov_tail(np.array([1.358])).round(3).tolist()
    [0.05]
    """
    points = np.asarray(statistics, dtype=np.float64)
    terms = np.arange(1, 101)[:, None]
    series = 2 * ((-1.0) ** (terms - 1) * np.exp(-2 * terms**2 * points**2)).sum(axis=0)
    return np.where(points < 0.2, 1.0, np.clip(series, 0.0, 1.0))  # below 0.2 the tail is 1 to 12 digits


def normal_tails(statistics: Floats) -> Floats:
    """Return both tails of the normal distribution.

    >>> normal_tails(np.array([-1.959963984540054])).round(6).tolist()
    [0.05]
    """
    return np.array([math.erfc(abs(each) / math.sqrt(2)) for each in statistics.tolist()])


def poisson_tail(found: Counts, expected: Floats) -> Floats:
    """Return the probability of at least `found` events where `expected` are expected, by the Poisson distribution.

    >>> poisson_tail(np.array([1, 0]), np.array([0.05, 3.0])).round(4).tolist()
    [0.0488, 1.0]
    """
    return np.array([_poisson_tail(int(n), float(mean)) for n, mean in zip(found, expected, strict=True)])


def _poisson_tail(found: int, mean: float) -> float:
    """Sum the terms from `found` on, which fall quickly when fewer are expected; else take those below it from 1."""
    if found <= 0 or mean >= found:
        return 1.0 - _chi_square_tail(2 * mean, 2 * found) if found > 0 else 1.0
    if mean <= 0:
        return 0.0
    first = found * math.log(mean) - math.lgamma(found + 1) - mean
    term, total, n = 1.0, 1.0, found
    while term > 1e-16 * total:
        n += 1
        term *= mean / n
        total += term
    return min(math.exp(first) * total, 1.0)


def binomial_tails(found: Floats, tries: Floats, share: Floats) -> Floats:
    """Return both tails of so many hits in some tries, each a hit with a chance of `share`; numbers need not be whole.

    >>> binomial_tails(np.array([2.0]), np.array([2.0]), np.array([0.1])).round(6).tolist()
    [0.02]
    """
    cases = zip(found.tolist(), tries.tolist(), share.tolist(), strict=True)
    return np.array([_binomial_tails(*case) for case in cases])


def _binomial_tails(found: float, tries: float, share: float) -> float:
    upper = _beta_tail(share, found, tries - found + 1)
    lower = _beta_tail(1 - share, tries - found, found + 1)
    return min(2 * min(upper, lower), 1.0)


def _beta_tail(at: float, a: float, b: float) -> float:
    """Return the share of a beta distribution below `at`: its continued fraction, on the side where that is quick."""
    if math.isnan(at) or a <= 0 or at >= 1:
        return 1.0
    if at <= 0:
        return 0.0
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(at) + b * math.log1p(-at)
    if at < (a + 1) / (a + b + 2):
        return math.exp(front) * _beta_fraction(at, a, b) / a
    return 1 - math.exp(front) * _beta_fraction(1 - at, b, a) / b


def _beta_fraction(at: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    tiny, numerator, denominator = 1e-300, 1.0, 1 / (1 - (a + b) * at / (a + 1))
    fraction = denominator
    for n in range(1, _TERMS):
        even = n * (b - n) * at / ((a + 2 * n - 1) * (a + 2 * n))
        odd = -(a + n) * (a + b + n) * at / ((a + 2 * n) * (a + 2 * n + 1))
        before = fraction
        for step in (even, odd):
            denominator = 1 / (1 + step * denominator or tiny)
            numerator = 1 + step / numerator or tiny
            fraction *= denominator * numerator
        if abs(fraction - before) <= 1e-12 * abs(fraction):
            break
    return fraction


def homogeneity(pairs: DistributionPairs) -> tuple[Floats, Counts]:
    """Return the chi-square statistic of the coarse groups and its degrees of freedom.

    A group that is empty on both sides does not count.
    """
    reference, current = (each.astype(np.float64) for each in pairs.coarse_counts)
    both = reference + current
    n, m = (each.sum(axis=1, keepdims=True) for each in (reference, current))
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = np.sqrt(m / n) * reference - np.sqrt(n / m) * current
        parts = np.where(both > 0, gaps**2 / np.maximum(both, 1), 0.0)
    statistic = np.where(pairs.empty, np.nan, parts.sum(axis=1))
    return statistic, np.maximum((both > 0).sum(axis=1) - 1, 0)


def homogeneity_tail(pairs: DistributionPairs) -> Floats:
    """Return the probability that the coarse groups differ as much by chance."""
    statistic, freedom = homogeneity(pairs)
    return chi_square_tail(np.asarray(statistic / pairs.alike), freedom)
