"""The offline store as a Dagster resource."""

import dagster as dg
from pydantic import Field

from feature_platform.offline import OfflineStore


class OfflineStoreResource(dg.ConfigurableResource[OfflineStore]):
    """Where the assets of a code location are stored; `open()` gives the store itself."""

    root: str = Field(description="A folder or URI that holds `offline/`.")
    storage_options: dict[str, str] = Field(default_factory=dict, description="Passed to object stores as it is.")
    retention: str = Field(default="365d", description="How far back every version stays readable.")

    def open(self) -> OfflineStore:
        """The store, a value."""
        return OfflineStore(self.root, dict(self.storage_options) or None, self.retention)
