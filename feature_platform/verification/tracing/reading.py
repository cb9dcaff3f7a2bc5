"""Keys as people type them, read in the types of the columns that they are compared with."""

import json
from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.compute.joins.pieces import rows_of_table
from feature_platform.compute.serving.keys import typed_parts
from feature_platform.compute.serving.values import series_of
from feature_platform.compute.transforms.rows import rows_read
from feature_platform.declarations.on_demand import OnDemandView
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import InvalidKey, UnknownName
from feature_platform.offline import OfflineStore
from feature_platform.pipelines.tables import pieces_of_view
from feature_platform.verification.tracing.traced import only_value


def read_key(
    declared: FeatureView | OnDemandView | FeatureService,
    texts: Mapping[str, str],
    store: OfflineStore,
    versions: Mapping[str, int],
) -> dict[str, object]:
    """Return join keys and request fields that are given as text in their own types.

    Raises:
        UnknownName: a text is given for what is none of them.
        InvalidKey: a text stands for no value of the type.
        VersionNotFound: a table that tells a type does not keep that version.
    """
    views: Sequence[FeatureView] = [declared] if isinstance(declared, FeatureView) else declared.views
    request = {} if isinstance(declared, FeatureView) else declared.request
    owner = f"`{declared.name}`"
    types: dict[str, pl.DataType] = {}
    for view in views:
        if view.join_keys and all(store.exists(name) for name in view.tables_read):
            schema = rows_read(view, rows_of_table(pieces_of_view(view, store, versions)[:1])).collect_schema()
            types = {**{column: schema[key] for column, key in view.own_keys.items()}, **types}
    found: dict[str, object] = {}
    for name, text in texts.items():
        if name in types:
            found[name] = only_value(typed_parts({name: types[name]}, {name: [text]}, owner)[0])
        elif name in request:
            found[name] = _read_field(owner, name, request[name], text)
        else:
            raise UnknownName(owner, "join key or request field", name, [*types, *request])
    return found


def _read_field(owner: str, name: str, dtype: pl.DataType, text: str) -> object:
    """Return a request field: texts and times as they are typed, all else as JSON has it."""
    written = (
        json.dumps(text) if dtype.is_temporal() or isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)) else text
    )
    try:
        return only_value(series_of(name, dtype, [written.encode()]))
    except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
        raise InvalidKey(owner, name, None, repr(text), f"a value of type {dtype}", "request field") from error
