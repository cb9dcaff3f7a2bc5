"""What a declaration means: pure functions over frames, in rooms that import one way, from keys to features."""
