"""The demonstration of `make demo`, from raw files to features over HTTP."""

from feature_platform.examples.demo.running import run_demo

__all__ = ["run_demo"]
