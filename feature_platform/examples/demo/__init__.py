"""The demonstrations of `make demo` and `make demo-retail`, from raw files to features over HTTP."""

from feature_platform.examples.demo.retail import run_retail_demo
from feature_platform.examples.demo.running import run_demo

__all__ = ["run_demo", "run_retail_demo"]
