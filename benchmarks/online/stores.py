"""What is served: views made offline from Parquet, then published; made again only when data or code have changed."""

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import feature_platform as fp
from benchmarks.online import data
from benchmarks.online.base import Bench
from benchmarks.online.processes import PROJECT
from feature_platform.declarations.view import FeatureView
from feature_platform.online import OnlineStore, store_of
from feature_platform.serving.publication import publish


def declared(folder: Path, names: Sequence[str]) -> Sequence[FeatureView]:
    """Views of the project over the Parquet files of a folder."""
    os.environ["BENCH_ONLINE"] = str(folder)
    module = importlib.reload(importlib.import_module(PROJECT))  # which reads the folder when it is imported
    return [getattr(module, name) for name in names]


def online_of(folder: Path, address: str | None = None) -> OnlineStore:
    """The online store of a folder, or the one at an address."""
    return store_of(address or str(folder / "store" / "online"))


def store_views(bench: Bench, folder: Path, names: Sequence[str], facts: dict[str, Any]) -> Sequence[FeatureView]:
    """Make views in the offline store of a folder, unless they are there."""
    views, store = declared(folder, names), fp.OfflineStore(folder / "store")
    note, made_from = folder / "stored" / f"{'-'.join(names)}.json", {**facts, "code": bench.code}
    if not data.is_noted(note, made_from):
        for view in views:
            fp.materialize(view, store)
        data.write_note(note, made_from)
    return views


def publish_views(folder: Path, views: Sequence[FeatureView], address: str | None = None) -> None:
    """Bring views into the online store of a folder, or into one that is empty."""
    store, online = fp.OfflineStore(folder / "store"), online_of(folder, address)
    for view in views:
        publish(view, store, online, now=data.NOW)


def with_features(bench: Bench) -> Path:
    """The folder of the stores that `serve`, `paced` and `computed` read."""
    folder, sizes = bench.folder / "serve", bench.sizes
    data.make_features(folder, "tens", sizes.tens, 10, seed=11, odd=data.ODD)
    data.make_features(folder, "twenties", sizes.twenties, 20, seed=12)
    data.make_orders(folder, sizes.tens, sizes.orders, seed=13)
    names, facts = ("ten", "twenty", "spending", "last_order"), {"sizes": vars(sizes)}
    publish_views(folder, store_views(bench, folder, names, facts))
    return folder
