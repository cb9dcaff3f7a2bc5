"""Candidates: the rows that a declaration makes for some partitions from what is already stored."""
