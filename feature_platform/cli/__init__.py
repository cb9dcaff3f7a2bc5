"""The `feature-platform` command, one module for each group of its commands."""
