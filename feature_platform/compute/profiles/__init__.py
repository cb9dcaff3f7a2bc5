"""Profiles: counts of a column's values, from which distributions can be compared without the rows."""
