"""Profiles: what is kept of a column's values so that distributions can be compared without the rows."""
