"""What expectations cost: 16 of them on one table, by one hand-written Polars pass, by ours, and by GX on pandas.

`python -m benchmarks.monitoring.expectations --rows 10000000 --repeats 3` prints the table. Every measurement is a
process of its own; imports are not counted, and all three have to find the same numbers of unexpected rows.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from feature_platform.declarations.expectation import Expect

RAW_BAR, PANDAS_BAR = 1.6, 3.0
_CATEGORIES = ["alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta"]
_COUNTRIES = ["US", "DE", "FR", "JP"]
_CUSTOMER = r"^CUST-\d{6}$"
_SEED = 7

SUITE = (
    Expect("expect_column_values_to_not_be_null", column="f1", mostly=0.9),
    Expect("expect_column_values_to_be_unique", column="id"),
    Expect("expect_column_values_to_be_between", column="f1", min_value=-20, max_value=20),
    Expect("expect_column_values_to_be_between", column="f2", min_value=0, strict_min=True),
    Expect("expect_column_values_to_be_in_set", column="c1", value_set=_CATEGORIES),
    Expect("expect_column_values_to_not_be_in_set", column="c2", value_set=["XX"]),
    Expect("expect_column_values_to_match_regex", column="s1", regex=_CUSTOMER),
    Expect("expect_column_value_lengths_to_equal", column="c2", value=2),
    Expect("expect_compound_columns_to_be_unique", column_list=["id", "i1"]),
    Expect("expect_column_pair_values_a_to_be_greater_than_b", column_A="i3", column_B="i4", or_equal=True),
    Expect("expect_table_row_count_to_be_between", min_value=1),
    Expect("expect_column_mean_to_be_between", column="f3", min_value=3, max_value=5),
    Expect("expect_column_stdev_to_be_between", column="f3", min_value=1, max_value=5),
    Expect("expect_column_median_to_be_between", column="f3", min_value=2, max_value=5),
    Expect("expect_column_max_to_be_between", column="i2", max_value=1000),
    Expect("expect_column_unique_value_count_to_be_between", column="c1", min_value=1, max_value=8),
)


def write_table(rows: int, path: Path, seed: int = _SEED) -> None:
    """The seeded table of 12 columns, some with nulls, that meets all 16 expectations."""
    draw = np.random.default_rng(seed)
    small, large = draw.integers(0, 500_000, rows), draw.integers(500_000, 1_000_000, rows)
    columns = {
        "id": np.arange(rows),
        "f1": draw.normal(0, 1, rows),
        "f2": draw.lognormal(0, 1, rows),
        "f3": draw.gamma(2, 2, rows),
        "f4": draw.uniform(0, 1, rows),
        "i1": draw.integers(0, 100, rows),
        "i2": draw.poisson(5, rows),
        "i3": large,
        "i4": small,
        "c1": draw.integers(0, len(_CATEGORIES), rows),
        "c2": draw.integers(0, len(_COUNTRIES), rows),
        "s1": draw.integers(0, 200_000, rows),
    }
    named = pl.DataFrame(columns).with_columns(
        pl.col("c1").replace_strict(list(range(len(_CATEGORIES))), _CATEGORIES),
        pl.col("c2").replace_strict(list(range(len(_COUNTRIES))), _COUNTRIES),
        pl.when(pl.col("f1").abs() < 2).then("f1"),
        pl.when(pl.col("i2") > 0).then("i2"),
        s1=pl.lit("CUST-") + pl.col("s1").cast(pl.String).str.zfill(6),
    )
    named.write_parquet(path)


def by_hand(path: Path) -> Mapping[str, float]:
    """The 16 answers as a person writes them: one select, two group-bys, one `collect_all`."""
    frame, c = pl.scan_parquet(path), pl.col
    answers = frame.select(
        pl.len().alias("rows"),
        c("f1").is_null().sum().alias("f1 null"),
        c("f1", "f2", "c1", "c2", "s1", "i1", "i2", "f3").null_count().name.prefix("missing "),
        (~c("f1").is_between(-20, 20)).sum().alias("f1 out"),
        (c("f2") <= 0).sum().alias("f2 out"),
        (~c("c1").is_in(_CATEGORIES)).sum().alias("c1 out"),
        c("c2").is_in(["XX"]).sum().alias("c2 in"),
        (~c("s1").str.contains(_CUSTOMER)).sum().alias("s1 out"),
        (c("c2").str.len_chars() != 2).sum().alias("c2 long"),
        (c("i3") < c("i4")).sum().alias("i3 below i4"),
        c("f3").mean().alias("mean"),
        c("f3").std().alias("stdev"),
        c("f3").median().alias("median"),
        c("i2").max().alias("max"),
        c("c1").n_unique().alias("distinct"),
    )
    repeated = [
        frame.group_by(keys).agg(pl.len().alias("n")).select(c("n").filter(c("n") > 1).sum().alias("repeated"))
        for keys in (["id"], ["id", "i1"])
    ]
    found, single, compound = pl.collect_all([answers, *repeated], engine="streaming")
    return {**found.row(0, named=True), "id repeated": single.item(), "pair repeated": compound.item()}


def by_ours(path: Path) -> Mapping[str, float]:
    """The 16 answers of `validate`."""
    from feature_platform.quality import validate

    return _observed(validate(pl.scan_parquet(path), SUITE, name="b").gx_result["results"])


def by_pandas(path: Path) -> Mapping[str, float]:
    """The 16 answers of Great Expectations on pandas, the table loaded into pandas first."""
    import great_expectations as gx
    import pandas as pd
    from great_expectations.expectations.registry import get_expectation_impl

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("p").add_dataframe_asset("a")
    data = pd.DataFrame({each.name: each.to_numpy() for each in pl.read_parquet(path)})
    batch = asset.add_batch_definition_whole_dataframe("b").get_batch({"dataframe": data})
    suite = gx.ExpectationSuite(name="s")
    for expect in SUITE:
        suite.add_expectation(get_expectation_impl(expect.type)(**expect.kwargs))
    return _observed([each.to_json_dict() for each in batch.validate(suite, result_format="SUMMARY").results])


def _observed(results: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
    """How many rows were unexpected, and what was observed, by expectation and column."""
    found = {}
    for each in results:
        kwargs = each["expectation_config"]["kwargs"]
        subject = kwargs.get("column") or kwargs.get("column_A") or ",".join(kwargs.get("column_list", ()))
        value = each["result"].get("unexpected_count", each["result"].get("observed_value"))
        found[f"{each['expectation_config']['type']} {subject}"] = value
    return dict(sorted(found.items()))


WAYS: Mapping[str, Callable[[Path], Mapping[str, float]]] = {"raw": by_hand, "ours": by_ours, "pandas": by_pandas}


def measured(way: str, path: Path) -> dict[str, Any]:
    """Wall and CPU seconds, peak bytes and answers of one way, in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warm = path.with_name("warm.parquet")  # imports, and what a first call sets up
        WAYS[way](warm)
        begun, busy = time.perf_counter(), time.process_time()
        answers = WAYS[way](path)
    figures = {"wall": time.perf_counter() - begun, "cpu": time.process_time() - busy}
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    return {**figures, "peak": peak, "answers": answers}


def compared(rows: int, repeats: int) -> dict[str, dict[str, float]]:
    """The median of each figure of each way, ways taking turns.

    Raises:
        RuntimeError: two ways do not find the same.
    """
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_table(rows, path)
        write_table(1_000, path.with_name("warm.parquet"))
        for _ in range(repeats):
            for way in WAYS:
                command = [sys.executable, "-m", __spec__.name, "--way", way, "--path", str(path)]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                runs[way].append(json.loads(said.splitlines()[-1]))
    check_agreement({way: found[0]["answers"] for way, found in runs.items()})
    return {
        way: {key: median(run[key] for run in found) for key in ("wall", "cpu", "peak")} for way, found in runs.items()
    }


def check_agreement(answers: Mapping[str, Mapping[str, float]]) -> None:
    """All three ways found the same.

    Raises:
        RuntimeError: they did not.
    """
    ours, theirs = answers["ours"], answers["pandas"]
    pairs: list[tuple[Any, Any]] = [(ours[key], theirs[key]) for key in ours.keys() | theirs.keys()]
    hand: list[tuple[Any, Any]] = [
        (sorted(map(float, _shared(answers["raw"]))), sorted(float(value) for value in ours.values()))
    ]
    if not all(np.allclose(one, other, rtol=1e-9) for one, other in pairs + hand):
        raise RuntimeError(f"The ways disagree: {dict(answers)!r}")


def _shared(raw: Mapping[str, float]) -> list[float]:
    return [value for name, value in raw.items() if not name.startswith("missing ")]


def table(rows: int, figures: Mapping[str, Mapping[str, float]]) -> str:
    """The figures as Markdown."""
    names = {
        "raw": "one hand-written Polars pass",
        "ours": "Feature Platform",
        "pandas": "Great Expectations on pandas",
    }
    lines = [
        f"16 expectations on {rows:,} rows x 12 columns",
        "",
        "| way | seconds | CPU seconds | peak MB | seconds against ours |",
        "|---|---|---|---|---|",
    ]
    for way, name in names.items():
        found = figures[way]
        ratio = found["wall"] / figures["ours"]["wall"]
        lines.append(
            f"| {name} | {found['wall']:.2f} | {found['cpu']:.2f} | {found['peak'] / 1e6:,.0f} | {ratio:.2f} |"
        )
    ours = figures["ours"]["wall"] / figures["raw"]["wall"]
    pandas = figures["pandas"]["wall"] / figures["ours"]["wall"]
    less = figures["ours"]["peak"] < figures["pandas"]["peak"]
    lines += [
        "",
        f"- ours is {ours:.2f}x the hand-written pass (bar: at most {RAW_BAR})",
        f"- pandas is {pandas:.1f}x ours (bar: at least {PANDAS_BAR}), with {'less' if less else 'MORE'} memory",
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table, or measure one way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--way", choices=sorted(WAYS))
    parser.add_argument("--path", type=Path)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(measured(asked.way, asked.path), default=str))
    else:
        print(table(asked.rows, compared(asked.rows, asked.repeats)))


if __name__ == "__main__":
    main()
