"""How often drift monitoring cries wolf, what it finds and how soon, and what it costs: simulations that are commands.

`python -m benchmarks.monitoring --help` says how to run them; what they found is in `docs/monitoring.md`.
"""
