"""Tests of the words of the SDK."""
