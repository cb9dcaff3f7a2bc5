"""The code location of the reference project: `dagster ... -m feature_platform.definitions`."""

import sys
from types import ModuleType

from feature_platform.declarations.project import Project
from feature_platform.examples.flights import project as flights_project
from feature_platform.orchestration.code_location import code_location
from feature_platform.settings import Settings

defs = code_location(flights_project)


class _CallableModule(ModuleType):
    """Keeps `fp.definitions(project)` callable: importing this module hides the SDK's function of its name."""

    def __call__(self, project: ModuleType | Project, settings: Settings | None = None) -> object:
        return code_location(project, settings)


sys.modules[__name__].__class__ = _CallableModule
