"""Drift: whether the distribution of new values differs from the reference's by more than it usually does."""
