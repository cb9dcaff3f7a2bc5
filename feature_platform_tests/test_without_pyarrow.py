"""Nothing but the extras `iceberg` and `dlt` needs pyarrow, which the tests have for them."""

import os
import subprocess
import sys
from pathlib import Path

from feature_platform_tests.no_pyarrow import ASKS

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), ASKS: "1"}
CONTRACT = "feature_platform_tests/parts/sources/test_contract.py"
READING = "is_lazy and (Database or Delta) and not (MariaDB or S3)"
FEWEST = 2  # of them, where no server is here

SCRIPT = """
import sys
import feature_platform_tests.no_pyarrow
from datetime import datetime, timezone
import polars as pl
import feature_platform as fp

hours = [datetime(2024, 5, 1, hour, tzinfo=timezone.utc) for hour in (9, 10, 11)]
rows = pl.DataFrame({"customer": ["ann", "bob", "ann"], "at": hours, "amount": [20.0, 5.0, 40.0]})
rows.write_parquet("orders.parquet")
orders = fp.Source("orders", fp.sources.Parquet("orders.parquet"), event_time="at")
customer = fp.Entity("customer", join_keys=["customer"])
sums = [fp.Sum("amount", windows=["1d"])]


@fp.feature_view(entity=customer, source=orders, accuracy="exact", aggregations=sums)
def spending(orders):
    return orders


checkout = fp.FeatureService("checkout", features=[spending])
store, online = fp.OfflineStore("data"), fp.online.Lmdb("data/online")
noon = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
for each in (orders, spending):
    fp.materialize(each, store)
fp.publish(checkout, store, online, now=noon)
found = fp.online_features(checkout, pl.DataFrame({"customer": ["ann"]}), online, now=noon)
try:
    import pyarrow
except ModuleNotFoundError:
    print(found["amount_sum_1d"].to_list(), "pyarrow" in sys.modules)
"""


def test_a_feature_is_made_published_and_read_without_pyarrow(tmp_path):
    words = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[60.0] False\n", 0), done.stderr


def test_drivers_of_databases_and_delta_read_without_pyarrow(tmp_path):
    words = ["-q", "-p", "no:cacheprovider", "-p", "feature_platform_tests.no_pyarrow", "-k", READING]
    command = [sys.executable, "-m", "pytest", *words, CONTRACT]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.rpartition(" passed")[0].split()[-1]) >= FEWEST, done.stdout
