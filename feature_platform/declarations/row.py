"""A row as the function of an on-demand view sees it: each input by name, as a Polars expression."""

from collections.abc import Iterable, Mapping

import polars as pl

from feature_platform.declarations.view import FeatureView
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.errors import InvalidDeclaration, UnknownName

EVENT_TIME = "event_time"


_READ = "Read a feature of the view, or the time of a row view or of the request."


class Row:
    """What the function of an on-demand view gets: its inputs as expressions.

    `row["field"]` is a field of the request, `row["view.feature"]` a feature of an input view, and
    `row["view.event_time"]` the time (UTC) of the row that was found there: the event time of a row view, the
    instant of a windowed one; null where none was found or where it is older than the TTL. `row["feature"]` will
    do where one input view has it. Values are as the view says them, nulls included.
    """

    def __init__(self, owner: str, views: Mapping[FeatureView, tuple[str, ...] | None], fields: Iterable[str]) -> None:
        """Keep the inputs; `views` has the features that may be read of each, None where only data tells which."""
        self._owner = owner
        self._views = dict(views)
        self._named = {view.name: view for view in views}
        self._fields = tuple(fields)

    def __getitem__(self, name: str) -> pl.Expr:
        """Return the input of that name.

        Raises:
            UnknownName: there is none; it lists what there is.
            InvalidDeclaration: two views have it, or it is a time that there is none of.
        """
        if name in self._fields:
            return pl.col(name)
        view, dot, feature = str(name).partition(".")
        if dot and view in self._named:
            return self._read(self._named[view], feature)
        return self._read(self._owner_of(str(name)), str(name))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all inputs, as far as they are declared."""
        features = [
            f"{view.name}.{feature}"
            for view, known in self._views.items()
            for feature in (("<its features>",) if known is None else known)
        ]
        times = [f"{view.name}.{EVENT_TIME}" for view in self._views if _why_timeless(view) is None]
        return (*self._fields, *features, *times)

    def has_input(self, reference: str) -> bool:
        """Tell whether a column that an expression reads is one of the inputs."""
        view, dot, feature = reference.partition(".")
        if not dot or view not in self._named:
            return reference in self._fields
        known = self._views[self._named[view]]
        return feature == EVENT_TIME or known is None or feature in known

    def _read(self, view: FeatureView, feature: str) -> pl.Expr:
        known = self._views[view]
        if feature == EVENT_TIME:
            if reason := _why_timeless(view):
                raise InvalidDeclaration(self._owner, f"reads `{view.name}.{EVENT_TIME}`, {reason}", _READ)
        elif known is None:
            _ = view[feature]  # a join key or a clock is refused
        elif feature not in known:
            raise UnknownName(self._owner, "input", f"{view.name}.{feature}", self.names)
        return pl.col(f"{view.name}.{feature}")

    def _owner_of(self, feature: str) -> FeatureView:
        having = [view for view, known in self._views.items() if known is not None and feature in known]
        having = having or [view for view, known in self._views.items() if known is None]
        if not having:
            raise UnknownName(self._owner, "input", feature, self.names)
        if len(having) > 1:
            either = " and ".join(f"`{view.name}`" for view in having)
            raise InvalidDeclaration(
                self._owner,
                f"reads `{feature}`, which {either} may both have",
                f'Say which: row["{having[0].name}.{feature}"].',
            )
        return having[0]


def _why_timeless(view: FeatureView) -> str | None:
    """Return why the values of a view belong to no row with a time; None where they do."""
    if view.kind is ViewKind.EXACT:
        return "but the windows of an exact view end at the moment of the request and belong to no row"
    return "but its rows hold at all times" if view.event_time is None else None
