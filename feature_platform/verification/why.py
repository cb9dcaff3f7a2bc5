"""Why a feature has the value that it has: the row or window, the commit and the source rows behind it."""

from collections.abc import Mapping
from datetime import datetime

from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.on_demand import OnDemandView
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import instant
from feature_platform.offline import OfflineStore
from feature_platform.verification.tracing.services import Asker
from feature_platform.verification.tracing.traced import TracedValue
from feature_platform.verification.tracing.training_rows import trace_training_row

Explainable = FeatureView | OnDemandView | FeatureService
_KINDS = (FeatureView, OnDemandView, FeatureService)


def why(
    declared: Explainable,
    feature: str,
    key: Mapping[str, object],
    at: str | datetime,
    store: OfflineStore,
    versions: Mapping[str, int] | None = None,
) -> TracedValue:
    """Trace one value to the row or window, the commit and the source rows that made it, and make it once more.

    The value is the one that `historical_features` answers for this key at this moment. It is made again from the
    versions of its source that the commit read: a table that does not say what its source says is found. Only the
    partitions that are needed are read.

    Args:
        declared: a view, an alias of one, an on-demand view, or a service, whose gaps are filled as serving fills them.
        feature: its name there; of a service the column as it shows it.
        key: the join keys, and the request fields of on-demand features, by the columns of a spine.
        at: the moment, a datetime with a zone or ISO text; text without a zone means UTC.
        versions: Delta versions to read by table name; the newest by default. Those of a training set
            (`built.versions`) tell what its rows were made from.

    Raises:
        UnknownName: there is no such feature.
        MissingColumns, MissingRequestField: the key lacks a part, or a request field.
        InvalidKey, WrongColumnType: a part of the key is none of the type of the table.
        InvalidDeclaration: the moment is none.
        TableNotFound, VersionNotFound: a table is not in the store, or does not keep that version.

    >>> import tempfile
    >>> import polars as pl
    >>> import feature_platform as fp
    >>> at = datetime.fromisoformat("2024-05-01T12:00Z")
    >>> rows = pl.DataFrame({"customer": ["ann"], "at": [at], "amount": [10.0]})
    >>> orders = fp.Source("orders", fp.sources.Frame(rows), event_time="at")
    >>> customer = fp.Entity("customer", join_keys=["customer"])
    >>> last = fp.feature_view(entity=customer, source=orders, name="last")(lambda orders: orders)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = fp.OfflineStore(folder)
    ...     _ = fp.materialize(last, store)
    ...     found = why(last, "amount", {"customer": "ann"}, "2024-05-02", store)
    >>> found.value, str(found.reason), found.agrees, found.rows.height
    (10.0, 'present', True, 1)
    """
    require_kind("fp.why", declared, _KINDS, "a feature view, an on-demand view or a feature service")
    asker = Asker(key, instant(at, "why, at,"), store, versions or {})
    if isinstance(declared, FeatureService):
        return asker.trace_service(declared, feature)
    if isinstance(declared, OnDemandView):
        return asker.trace_on_demand(declared, feature)
    return asker.trace_view(declared, feature)


def why_row(
    training_set: TrainingSet, column: str, row: int, store: OfflineStore, version: int | None = None
) -> TracedValue:
    """Trace a feature in a row of a built training set, in the versions of the tables that it was built from.

    `found.inputs` has the answer of `why` for the key and moment of the row. A gap that was filled is told as such.

    Args:
        column: a feature, as the training set has it.
        row: its place in the training set; 0 is the first.
        version: of the training set. Defaults to the newest.

    Raises:
        UnknownName, InvalidDeclaration: there is no such column or row, or the column is no feature.
        TableNotFound: the training set was never built.
        VersionNotFound: it, or a table that it was built from, does not keep the version any more.
    """
    require_kind("fp.why_row", training_set, TrainingSet, "a training set")
    return trace_training_row(training_set, column, row, store, version)
