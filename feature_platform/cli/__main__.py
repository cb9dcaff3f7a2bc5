"""`python -m feature_platform.cli`: the command without its entry point."""

from feature_platform.cli.app import app

app()
