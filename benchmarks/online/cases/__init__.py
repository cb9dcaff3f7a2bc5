"""The catalogue of cases of the online suite: one file each."""

from benchmarks.online.base import Case
from benchmarks.online.cases import computed, kill, load, paced, refresh, remote, serve

CASES: dict[str, Case] = {each.CASE.name: each.CASE for each in (serve, paced, load, refresh, kill, remote, computed)}
"""All cases by name, in the order in which they are shown."""
