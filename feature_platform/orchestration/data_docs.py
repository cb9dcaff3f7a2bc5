"""Data Docs of a run's expectations, linked from the asset, and from the check where something failed."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from feature_platform.offline import OfflineStore
from feature_platform.pipelines.results import PublishResult
from feature_platform.quality import data_docs_page
from feature_platform.settings import project_folder

NEWEST = "newest"  # the page of the newest run in which all was well; one in which something failed has its own


def write_page(published: PublishResult, store: OfflineStore, run_id: str) -> dict[str, dg.MetadataValue]:
    """Write the page with the results of all expectations of a run, and return where it is; nothing without any."""
    if not published.validation.outcomes:
        return {}
    run = NEWEST if published.validation.success else run_id
    page = data_docs_page(published.validation, _folder(store), run=run, at=datetime.now(UTC))
    return {"data_docs": dg.MetadataValue.path(page)}


def _folder(store: OfflineStore) -> Path:
    """Return the folder of the pages: in the root of a local store, otherwise in the folder of the project."""
    root = str(store.root).removeprefix("file://")
    return (project_folder() / ".feature_platform" if "://" in root else Path(root)) / "data_docs"
