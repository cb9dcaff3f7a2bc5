"""Tests of the quality floor: what each expectation means on Polars frames."""
