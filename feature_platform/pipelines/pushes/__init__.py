"""Pushes: rows that were pushed to a source, from their acceptance over their log to the table that has them."""
