"""Monitoring: committed partitions are judged, projects are watched, and people are alerted when it matters."""
