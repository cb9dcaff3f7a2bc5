"""The offline store: Delta tables, their commits and their history."""

from feature_platform.offline.commits import Commit, CommitStamp
from feature_platform.offline.store import OfflineStore

__all__ = ["Commit", "CommitStamp", "OfflineStore"]
