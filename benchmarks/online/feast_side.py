"""Feast's side, in the peers' environment: a repository over a table of features, materialized into SQLite.

`python -m benchmarks.online.feast_side --folder REPOSITORY --table FOLDER --features f00,f01` prints `RESULT {json}`;
then `feast serve` in the repository answers.
"""

import argparse
import json
import shutil
import time
from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

from benchmarks.shapes import KEY, START, TIME

VIEW = "ten"
_STORE = """project: bench
provider: local
registry: {folder}/registry.db
online_store:
  type: sqlite
  path: {folder}/online.db
offline_store:
  type: duckdb
entity_key_serialization_version: 3
"""


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("folder", "table", "features"):
        parser.add_argument(f"--{name}", required=True)
    asked = parser.parse_args()
    folder = Path(asked.folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "feature_store.yaml").write_text(_STORE.format(folder=folder))
    store = FeatureStore(repo_path=str(folder))
    user = Entity(name="user", join_keys=[KEY], value_type=ValueType.INT64)
    source = FileSource(path=str(next(Path(asked.table).glob("*.parquet"))), timestamp_field=TIME)
    schema = [Field(name=name, dtype=Float64) for name in asked.features.split(",")]
    store.apply([user, FeatureView(name=VIEW, entities=[user], ttl=timedelta(0), schema=schema, source=source)])
    begun = time.perf_counter()
    store.materialize(START - timedelta(days=1), START + timedelta(days=2))
    print("RESULT " + json.dumps({"seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    main()
