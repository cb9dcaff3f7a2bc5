"""Joins: each row of a spine with what was known at its own moment."""
