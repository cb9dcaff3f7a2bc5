"""Atoms: numbers that occur as such keep their bin, however they are stored or computed."""

import numpy as np
import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.drift.classifier import measure_separation
from feature_platform.compute.profiles.atoms import atoms_of

RNG = np.random.default_rng(5)
FEW = {
    "tenths": [0.1, 0.2, 0.3, 0.7],
    "with_zero": [0.0, 0.5, 1.0],
    "prices": [19.99, 5.49, 100.1],
    "whole": [0.0, 1.0, 2.0, 3.0],
    "constant": [0.1],
    "huge": [1e300, -1e299, 0.0],
}
STORED_OTHERWISE = {
    "in 32 bits": lambda values: np.clip(values, -1e38, 1e38).astype(np.float32).astype(np.float64),
    "a last bit up": lambda values: np.nextafter(values, np.inf),
    "a last bit down": lambda values: np.nextafter(values, -np.inf),
    "computed otherwise": lambda values: values / 3 * 3,
}


@pytest.mark.parametrize("otherwise", STORED_OTHERWISE)
def test_few_valued_numbers_do_not_drift_when_they_are_stored_or_computed_otherwise(otherwise):
    values = {name: RNG.choice(few, 2000) for name, few in FEW.items() if otherwise != "in 32 bits" or name != "huge"}
    exact = pl.DataFrame(values)
    rounded = pl.DataFrame({name: STORED_OTHERWISE[otherwise](each) for name, each in values.items()})

    for before, after in ((exact, rounded), (rounded, exact)):
        scores = fp.drift_scores(before, after)
        assert scores.filter(pl.col("score") > 0).is_empty()
        assert measure_separation(before, after, list(values)).drifted is False


def test_noise_within_the_reference_itself_is_one_atom():
    values = np.array([0.3, 0.1 + 0.2, 0.30000001192] * 400 + [0.6] * 400)
    scores = fp.drift_scores(pl.DataFrame({"x": values}), pl.DataFrame({"x": [0.3] * 1200 + [0.6] * 400}))
    assert scores["score"].max() == 0


@pytest.mark.parametrize(
    "dense",
    [
        np.arange(10_000_000, 10_003_000, dtype=np.float64),  # ids: a 32-bit float would be off by one
        1.7e9 + np.arange(0, 86_400, 20.0),  # the seconds of a day
        np.sort(RNG.normal(0, 1, 4000)),
        np.array([1.0, 2.0, 1e20]),
    ],
)
def test_dense_numbers_stay_apart(dense):
    assert len(atoms_of(dense).lows) >= 0.99 * len(dense)


def test_another_number_next_to_an_atom_still_drifts():
    before = pl.DataFrame({"x": [0.1, 0.2] * 1000})
    assert fp.drift_scores(before, before.select(pl.col("x") * 1.0001))["drifted"].any()
