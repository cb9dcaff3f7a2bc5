"""Data contracts: files of the Open Data Contract Standard, read safely and held to its schema."""
