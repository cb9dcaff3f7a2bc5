"""Assets of a project, looked up by name, as the kind that a test knows them to be."""

import feature_platform as fp
from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Project
from feature_platform.declarations.view import FeatureView


def table_asset(project: Project, name: str) -> fp.Source | FeatureView | Label | fp.Spine:
    """Return an asset that can be materialized."""
    asset = project.asset(name)
    assert not isinstance(asset, fp.TrainingSet)
    return asset


def training_set(project: Project, name: str = "training_sets/buying") -> fp.TrainingSet:
    """Return a training set."""
    asset = project.asset(name)
    assert isinstance(asset, fp.TrainingSet)
    return asset


def source_of(view: FeatureView) -> fp.Source:
    """Return the source that a view reads."""
    assert isinstance(view.source, fp.Source)
    return view.source
