"""Verification: whether what is served is what is stored and what training would see, and how versions differ."""
