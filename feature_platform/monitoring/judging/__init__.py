"""Judging: what monitoring says of committed partitions of a table, from profiles that are kept beside it."""
