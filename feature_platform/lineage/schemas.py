"""The columns of the tables of a project, without a row of them: as they are stored, else as they would be made."""

from dataclasses import dataclass, field

import polars as pl

from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.rows import as_events, prepare_rows, table_rows
from feature_platform.compute.transforms.unions import rows_of_read
from feature_platform.declarations.label import Label
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import LoggedRequests, Spine
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import EPOCH, UTC
from feature_platform.offline import OfflineStore


@dataclass(frozen=True, eq=False)
class ProjectSchemas:
    """The columns of the tables of a project; each is looked up once."""

    store: OfflineStore
    _known: dict[str, pl.Schema] = field(default_factory=dict, init=False)

    def schema_of(self, asset: Source | FeatureView | Label | Spine) -> pl.Schema:
        """Return the columns of a table; of one that was never made those that its declaration gives it.

        Raises:
            SourceUnreadable, TransformFailed: a table was never made, and its source cannot be opened, or its function
                fails.
        """
        if asset.asset not in self._known:
            stored = self.store.find(asset.asset)
            self._known[asset.asset] = self._make(asset) if stored is None else stored.collect_schema()
        return self._known[asset.asset]

    def read_by(self, view: FeatureView | Label) -> dict[str, pl.Schema]:
        """Return the columns of what a view or label is made from, by table."""
        return {each.asset: self.schema_of(each) for each in view.inputs}

    def _key_types(self, service: FeatureService) -> dict[str, pl.DataType]:
        """Return the types of the join keys of a service."""
        keys = {name: (view.original, key) for view in service.views for name, key in view.own_keys.items()}
        return {name: self.schema_of(view)[key] for name, (view, key) in keys.items()}

    def _make(self, asset: Source | FeatureView | Label | Spine) -> pl.Schema:
        match asset:
            case Source():
                return prepare_rows(asset, asset.connector.scan(asset.name)).collect_schema()
            case Spine(rule=LoggedRequests(service)):
                return pl.Schema({SPINE_TIME: UTC} | self._key_types(service) | dict(service.request))
            case Spine():
                return pl.Schema({name: dtype for each in asset.inputs for name, dtype in self.schema_of(each).items()})
            case _:
                frames = {name: pl.LazyFrame(schema=schema) for name, schema in self.read_by(asset).items()}
                events = as_events(asset.source, rows_of_read(asset.source, frames))
                if isinstance(asset, FeatureView):
                    events = enrich_events(asset, events, frames)
                return table_rows(asset, events, EPOCH, EPOCH).collect_schema()
