"""Streaming: messages of a topic become pushed rows of a source, each exactly once."""
