"""Evidently: its default drift report of two frames that are in memory already; loading them is not measured."""

import json
import sys
import time
from pathlib import Path

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

folder = Path(sys.argv[1])
frames = [pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "current")]
begun = time.perf_counter()
found = Report([DataDriftPreset()]).run(frames[1], frames[0])
said = found.dict()
wall = time.perf_counter() - begun
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
counted = next(each["value"]["count"] for each in said["metrics"] if "Count" in str(each.get("metric_name", each)))
print("RESULT " + json.dumps({"wall": wall, "peak": peak, "drifted": counted}))
