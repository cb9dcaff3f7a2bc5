"""Tables and queries of databases: the declaration here, one module for each kind of database beside it."""

from feature_platform.parts.sources.database.database import Database

__all__ = ["Database"]
