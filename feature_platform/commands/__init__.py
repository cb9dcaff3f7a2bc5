"""The commands of `feature-platform` that come in groups: one module each; `cli.py` puts them together."""
