"""The core needs no pyarrow, which the tests have for Iceberg and dlt: a feature is made and served without it."""

import subprocess
import sys

SCRIPT = """
import sys

class NoPyarrow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pyarrow", "pyiceberg", "polars_iceberg", "dlt"}:
            raise ModuleNotFoundError(f"no {name} here", name=name)

sys.meta_path.insert(0, NoPyarrow())

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
print(found["amount_sum_1d"].to_list(), "pyarrow" in sys.modules)
"""


def test_a_feature_is_made_published_and_read_without_pyarrow(tmp_path):
    words = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[60.0] False\n", 0), done.stderr
