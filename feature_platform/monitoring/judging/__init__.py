"""Judging: monitoring compares committed partitions of a table, from the profiles that are stored beside it."""
