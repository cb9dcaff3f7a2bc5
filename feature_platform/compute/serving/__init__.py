"""What is kept online, and what it says at a moment."""
