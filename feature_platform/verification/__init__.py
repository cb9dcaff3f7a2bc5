"""Verification: whether what is served is what is stored, how versions differ, and why a value is what it is."""
