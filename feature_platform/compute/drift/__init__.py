"""Drift: whether the distribution of new values differs from the reference by more than is normal for them."""
