"""Monitoring: partitions are judged, the world is watched, and people hear of what matters."""
