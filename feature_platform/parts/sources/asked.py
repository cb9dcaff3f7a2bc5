"""Rows of a place of its own kind, which Polars asks for by columns and filters when a query is made ready."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import polars as pl
from polars.io.plugins import register_io_source
from polars.lazyframe.resolver import FilterExpr, LazyFrameResolver, ResolvedLazyFrameProps


class AskedRows(LazyFrameResolver):
    """Rows that Polars asks for by columns and filters; it filters again itself."""

    @abstractmethod
    def schema(self) -> pl.Schema:
        """Return the columns of the rows."""

    @abstractmethod
    def batches(self, names: Sequence[str], filters: Sequence[str], limit: int | None) -> Iterator[pl.DataFrame]:
        """Yield rows, some at a time.

        Args:
            names: of the columns that are wanted; without any, the rows only have to be as many.
            filters: as Polars writes them for pyarrow; rows for which one does not hold may be left out.
            limit: how many rows are enough; None for all.
        """

    def resolve_lazyframe(
        self,
        *,
        projection: list[str] | None,
        limit: int | None,
        filters: list[FilterExpr],
        filter_columns: list[str],
        filter_drop_columns_idx: int | None,
        existing_resolved_version_key: str | None,
    ) -> tuple[pl.LazyFrame, ResolvedLazyFrameProps]:
        schema = self.schema()
        texts = [each.pyarrow_str for each in filters if each.pyarrow_str is not None]
        names = list(schema if projection is None else dict.fromkeys([*projection, *filter_columns]))
        most = None if filters else limit

        def read(
            columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            wanted = names if columns is None else columns
            inputs = [] if predicate is None else predicate.meta.root_names()
            bound = most if rows is None or predicate is not None else rows
            for batch in self.batches(list(dict.fromkeys([*wanted, *inputs])), texts, bound):
                kept = batch if predicate is None else batch.filter(predicate)
                yield kept.select(wanted) if wanted else kept

        return register_io_source(read, schema={name: schema[name] for name in names}), ResolvedLazyFrameProps()
