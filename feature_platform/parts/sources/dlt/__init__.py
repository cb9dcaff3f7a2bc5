"""What pipelines of dlt bring: rows of an API, kept as a Delta table that each run of the source adds to."""

from feature_platform.parts.sources.dlt.declaration import Dlt

__all__ = ["Dlt"]
