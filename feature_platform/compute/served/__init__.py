"""What is kept online of a view, and what it says at a moment: bytes and frames, no store and no server."""
