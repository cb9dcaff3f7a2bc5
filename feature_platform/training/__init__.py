"""Training: what was known of each row at its own moment, and training sets that can be built again."""
