"""A shop whose store an earlier release wrote: `former_shop.zip`, made by the commit of 2026-11-26 (fae47a6).

`python -m feature_platform_tests.pipelines.former_shop FOLDER` writes it once more, by the release that runs it.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import feature_platform as fp
from feature_platform.declarations.project import Project, project_of
from feature_platform.declarations.view import FeatureView
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform_tests.shop import at, daily, last_order, same, source, spending, spine

STORE = Path(__file__).with_suffix(".zip")


def shop(*, reverse: bool = False) -> Project:
    """Orders, what is spent, the last order, countries without partitions, and a training set."""
    module: Any = ModuleType("former_shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(6))
    rows = daily()
    read = source(rows.reverse() if reverse else rows)
    module.spending = spending(read, windows=["1d", "2d"])
    module.last_order = last_order(read)
    module.totals = spending_of_all(read)
    asked = spine(("ann", at(3)), ("bob", at(4)), ("eve", at(4)), ("bob", at(2)))
    features = fp.FeatureService("v1", [module.spending, module.last_order], impute={"last_amount": fp.Impute.mean()})
    module.training = fp.TrainingSet("buying", service=features, spine=asked)
    return project_of(module)


def spending_of_all(read: fp.Source) -> FeatureView:
    """What all customers spend together."""
    mean = fp.Mean("amount", windows=["2d"])
    return fp.feature_view(entity=None, source=read, aggregations=[mean], name="totals")(same)


def materialize_shop(project: Project, store: fp.OfflineStore) -> None:
    """Compute everything, upstream first."""
    for asset in project.assets:
        if isinstance(asset, fp.TrainingSet):
            fp.build_training_set(asset, store)
        else:
            span = (at(0), at(6)) if asset.partitioned else None
            materialize_asset(asset, store, span, project.partitions).raise_if_refused()


if __name__ == "__main__":
    materialize_shop(shop(), fp.OfflineStore(sys.argv[1]))
