"""The plan of a training set: from which tables, at which versions, its rows are made."""

from collections.abc import Mapping

import polars as pl

from feature_platform.compute.features.training import plan_training_set, spine_of
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.transforms.rows import prepare_rows
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.offline import OfflineStore
from feature_platform.pipelines.tables import pieces_of_views
from feature_platform.training.dividing import divided_rows, is_divided
from feature_platform.training.labelled import label_tables


def tables_of(training_set: TrainingSet, store: OfflineStore) -> list[str]:
    """Return the tables that a training set is built from."""
    names = {name for view in training_set.service.views for name in view.tables_read}
    names |= {name for label in training_set.labels for name in label.tables_read}
    if isinstance(training_set.spine, Spine) or store.exists(training_set.spine.asset):
        names.add(training_set.spine.asset)
    return sorted(names)


def plan_set(training_set: TrainingSet, store: OfflineStore, pinned: Mapping[str, int]) -> JoinPlan:
    """Plan a training set from one version of each table that it reads; nothing is computed yet."""
    source = training_set.spine
    if isinstance(source, Spine) or source.asset in pinned:
        stored = store.read(source.asset, version=pinned[source.asset])
    else:
        stored = prepare_rows(source, source.connector.scan(source.name))
    tables = pieces_of_views(training_set.service.views, store, pinned)
    labels = label_tables(training_set, store, pinned)
    return plan_training_set(training_set, spine_of(source, stored, training_set.service.request), tables, labels)


def rows_of_set(training_set: TrainingSet, plan: JoinPlan) -> pl.LazyFrame:
    """Return the rows of a training set as its table has them."""
    return divided_rows(training_set, plan) if is_divided(training_set) else plan.lazy()
