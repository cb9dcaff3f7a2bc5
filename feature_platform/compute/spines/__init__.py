"""Spines from events: which keys are asked at which moments; neither late data nor another machine changes a choice."""
