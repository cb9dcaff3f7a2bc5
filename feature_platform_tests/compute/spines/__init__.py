"""Tests of which keys are asked at which moments."""
