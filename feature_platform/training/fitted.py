"""Fitted statistics in the offline store: what the imputations of a service had learnt when a training set was built.

Serving fills gaps with them: they are learnt from rows known before the instant they are applied to.
"""

from dataclasses import replace

import polars as pl

from feature_platform.compute.transforms.fitted import fitted_statistics
from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.parts.imputation import FittedImputation


def imputation_statistics(service: FeatureService, store: OfflineStore, version: int | None = None) -> pl.DataFrame:
    """Return what the imputations of a service have learnt: a row for each imputed feature and group.

    The columns are those of `compute.fitted.fitted_statistics`; `compute.fitted.values_of` gives the values of one
    feature in their own types.

    Args:
        version: a training set's `manifest["imputation"]`; the newest by default.

    Raises:
        TableNotFound: no training set of the service was built, or nothing in it is fitted.
        VersionNotFound: the table does not keep that version any more.
    """
    require_kind("fp.imputation_statistics", service, FeatureService, "a feature service")
    return store.read(TableKind.IMPUTATION.of(service.name), version=version).collect()


def keep_statistics(training_set: TrainingSet, rows: pl.LazyFrame, store: OfflineStore, stamp: CommitStamp) -> int:
    """Commit what has been learnt by the end of a training set; return the version of the table `imputation/<service>`.

    The same statistics, learnt by the same code, make no new version.

    Args:
        rows: the rows of the training set, with their gaps.
        stamp: the stamp of the training set, whose run, code version and inputs become those of the statistics.
    """
    rules = _fitted_imputations(training_set.service)
    columns = dict.fromkeys([SPINE_TIME, *rules, *(rule.by for rule in rules.values() if rule.by is not None)])
    statistics = fitted_statistics(rows.select(list(columns)), rules, time=SPINE_TIME)
    table = TableKind.IMPUTATION.of(training_set.service.name)
    return store.replace(table, statistics, stamp=replace(stamp, asset=table), ordered=True).version


def is_fitted(service: FeatureService) -> bool:
    """Tell whether an imputation of the service learns from rows."""
    return bool(_fitted_imputations(service))


def with_gaps(training_set: TrainingSet) -> TrainingSet:
    """Return a training set of the same moments and features, without label, and with nothing filled."""
    service = training_set.service
    gaps = FeatureService(service.name, service.selections, full_names=service.full_names)
    return TrainingSet(training_set.name, service=gaps, spine=training_set.spine)


def _fitted_imputations(service: FeatureService) -> dict[str, FittedImputation]:
    return {name: rule for name, rule in service.impute.items() if isinstance(rule, FittedImputation)}
