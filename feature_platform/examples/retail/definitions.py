"""The code location of the second reference project: `dagster ... -m feature_platform.examples.retail.definitions`."""

from feature_platform.examples.retail import project
from feature_platform.orchestration.code_location import code_location

defs = code_location(project)
