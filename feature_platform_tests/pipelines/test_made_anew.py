"""An offline store that is made anew under an online one: its versions begin again, and mean other rows."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Project, order_declarations
from feature_platform.serving.catalogue import stale_online
from feature_platform_tests.shop import at, last_order, orders, same, source

SPENT = [fp.Sum("amount", windows=["2d"])]


@pytest.mark.parametrize("kind", ["row", "exact"])
def test_a_table_that_was_made_anew_is_published_although_it_has_the_same_version(kind: str, tmp_path: Path) -> None:
    store, online = fp.OfflineStore(tmp_path / "store"), fp.online.Lmdb(tmp_path / "online")
    for amount in (1.0, 2.0):
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        read = source(orders(("ann", at(1), amount)))
        view = last_order(read)
        if kind == "exact":
            words: dict[str, Any] = {"entity": view.entity, "source": read, "aggregations": SPENT, "accuracy": "exact"}
            view = fp.feature_view(**words, name="last_order")(same)
        fp.materialize(view, store)
        project = Project("shop", Partitions(), order_declarations([view]))

        assert list(stale_online(project, store, online, [])) == ["online/last_order"]
        assert [each.how for each in fp.publish(view, store, online, now=at(2))] == ["built"]
        assert not stale_online(project, store, online, [])

        asked = pl.DataFrame({"customer": ["ann"]})
        assert fp.online_features(view, asked, online, now=at(2)).row(0)[1] == amount
