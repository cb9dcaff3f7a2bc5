"""Transformations of rows: prepared events, filled gaps, on-demand features, pushes."""
