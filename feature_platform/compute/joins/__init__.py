"""Joins of a spine with tables: places first, values later (docs/adr/0017)."""
