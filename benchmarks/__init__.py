"""Ours beside raw Polars, DuckDB and Feast: the same data, the same answers, one process for each measurement.

`python -m benchmarks.run --help` says how to run it; what it found is in `docs/benchmarks.md`.
"""
