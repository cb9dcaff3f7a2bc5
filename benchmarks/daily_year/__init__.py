"""A year of daily partitions through Dagster beside the same year by the verbs: `python -m benchmarks.daily_year`."""
