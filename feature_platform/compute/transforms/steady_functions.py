"""Steady functions: what is known late of an event changes its features, not whether it stays, nor its key and time.

The table of a row view says from when on a row is known, and not until when. A version of an event that is left out
would have to end the one before it, so that an older event is seen again; no row says that.
"""

from collections.abc import Mapping

import polars as pl

from feature_platform.compute.transforms.lineage import columns_read
from feature_platform.compute.transforms.version_rows import KEEP_VERSIONS
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import InvalidDeclaration, join_names


def require_steady_function(view: FeatureView, schema: Mapping[str, pl.DataType]) -> None:
    """Refuse a function that decides by a version of an event whether it stays, or which key and time it has.

    Args:
        schema: the columns that the function is given.

    Raises:
        InvalidDeclaration: names the columns.
    """
    behind = columns_read(view.transform, pl.Schema(schema), (*view.join_keys, *view.event_clocks))
    clocks, later = (str(view.event_known_at), str(view.event_known_until)), _columns_of_versions(view)
    deciding = [name for name in (*view.join_keys, *view.event_clocks) if name in behind]
    read = dict.fromkeys(
        column
        for name in deciding
        for column in behind[name]
        if column in later or (column in clocks and column != name)
    )
    wrong = [column for column in read if column in later] or list(read)
    if wrong:
        named = join_names(f"`{name}`" for name in wrong)
        raise InvalidDeclaration(
            f"Feature view `{view.name}`",
            f"has a function that decides by {named}, which may be known later, which rows there are, or what their "
            "key and time are",
            KEEP_VERSIONS,
        )


def _columns_of_versions(view: FeatureView) -> set[str]:
    """Return the columns that versions of one event may differ in: those of late rows, and what is found by these."""
    later = set[str]()
    for each in view.enrichments:
        if each.known_at is not None or later.intersection(each.on):
            later.update(each.columns)
    return later
