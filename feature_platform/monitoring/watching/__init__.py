"""Watching: what the tables say about a project since the last time, taken in as findings.

Everything is read from the store: judgements of monitoring tables, records of runs, logs of tables, and the time. It
is safe to stop anywhere and begin again: an evaluation has a name made of what it is about, and counts once.
"""

from feature_platform.monitoring.watching.accepting import accept_level
from feature_platform.monitoring.watching.intake import Intake, describe_look, take_in
from feature_platform.monitoring.watching.project_snapshot import lineage

__all__ = ["Intake", "accept_level", "describe_look", "lineage", "take_in"]
