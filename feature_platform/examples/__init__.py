"""Reference projects on real data."""
