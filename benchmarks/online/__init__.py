"""The feature server beside Feast's own, under load on loopback: the same data, the same keys, the same answers.

`python -m benchmarks.online.run --help` says how to run it; what it found is in `docs/benchmarks.md`.
"""
