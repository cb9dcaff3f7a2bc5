"""A question about one value: which feature of which key at which moment, and in which versions of the tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from feature_platform.compute.keys.join_keys import has_whole_key, key_names, key_parts, require_columns, shared_types
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import InvalidKey, MissingColumns
from feature_platform.offline import OfflineStore
from feature_platform.verification.tracing.traced import Reason, TracedValue


@dataclass(frozen=True, eq=False)
class ValueQuestion:
    """What is asked of one view.

    Attributes:
        key: the value of each of its join keys, by the columns of a spine.
        versions: Delta versions by table name; the newest by default.
    """

    view: FeatureView
    feature: str
    key: Mapping[str, object]
    at: datetime
    store: OfflineStore
    versions: Mapping[str, int]

    @staticmethod
    def about(
        view: FeatureView,
        feature: str,
        key: Mapping[str, object],
        at: datetime,
        store: OfflineStore,
        versions: Mapping[str, int],
    ) -> "ValueQuestion":
        """Return the question about a view, with its part of a key.

        Raises:
            MissingColumns: the key lacks a part.
        """
        missing = [name for name in view.join_keys if name not in key]
        if missing:
            raise MissingColumns(f"The key of feature view `{view.name}`", missing, key)
        return ValueQuestion(view, feature, {name: key[name] for name in view.join_keys}, at, store, versions)

    @property
    def owner(self) -> str:
        """Return the view as errors name it."""
        return f"Feature view `{self.view.name}`"

    @cached_property
    def key_row(self) -> pl.DataFrame:
        """Return the key as a row, its columns named as the table names them.

        Raises:
            InvalidKey: a part is no value that a column may have.
        """
        own = self.view.own_keys
        try:
            return pl.DataFrame([pl.Series(own[name], [value]) for name, value in self.key.items()])
        except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
            raise InvalidKey(self.owner, ", ".join(own), None, repr(dict(self.key)), "one value a part") from error

    def has_null_key(self, schema: pl.Schema) -> bool:
        """Tell whether a part of the key is null or NaN.

        Raises:
            WrongColumnType: a part is of a type that does not meet that of the table.
        """
        types = self._types(schema)
        return bool(types) and not self.key_row.select(has_whole_key(types)).item()

    def is_own(self, schema: pl.Schema) -> pl.Expr:
        """Return which rows of a table are those of the key."""
        types = self._types(schema)
        parts = self.key_row.select(key_parts(types)) if types else pl.DataFrame()
        same = [
            (pl.col(name) if schema[name] == dtype else pl.col(name).cast(dtype)) == pl.lit(parts[part].item(), dtype)
            for (name, dtype), part in zip(types.items(), key_names(list(types)), strict=True)
        ]
        return pl.all_horizontal(pl.lit(value=True), *same)

    def is_default(self) -> pl.Expr:
        """Return which rows of a windowed table are default rows; each is one where there are no keys."""
        return pl.all_horizontal(pl.lit(value=True), *(pl.col(name).is_null() for name in self.view.original.join_keys))

    def answer(self, reason: Reason, *steps: tuple[str, str]) -> TracedValue:
        """Return the answer that there is no value, for a reason."""
        return TracedValue(f"{self.view.name}.{self.feature}", self.key, self.at, None, reason, steps)

    def null_key(self) -> TracedValue:
        """Return the answer about a key of which a part is null."""
        return self.answer(Reason.NULL_KEY, ("key", "a part of it is null or NaN, and that matches nothing"))

    def _types(self, schema: pl.Schema) -> dict[str, pl.DataType]:
        keys = self.view.original.join_keys
        require_columns(schema, keys, self.owner)
        return shared_types(self.key_row.schema, schema, keys, self.owner) if keys else {}
