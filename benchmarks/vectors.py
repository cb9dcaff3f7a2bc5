"""What embeddings cost online: bytes of a number, and CPU milliseconds of an answer, packed and as JSON text.

    .venv/bin/python -m benchmarks.vectors [numbers ...]

10,000 documents with an embedding of `Float32` in LMDB, asked in one process: for the embeddings themselves as JSON and
for their cosine similarity to a vector of the request (an on-demand view). Each figure is the median of 50 answers.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np
import polars as pl

import feature_platform as fp
from benchmarks.children import figures_of_child
from feature_platform.compute.serving import packed
from feature_platform.declarations.view import FeatureView
from feature_platform.online import Lmdb
from feature_platform.serving.publication import publish
from feature_platform.serving.service import ServedService

DOCUMENTS, ANSWERS, SIZES = 10_000, 50, (64, 128, 768)
NOW = datetime(2024, 1, 2, tzinfo=timezone.utc)
NEVER = 10**9


def cosine(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Return the cosine of the angle between two vectors."""
    return (a * b).arr.sum() / ((a * a).arr.sum() * (b * b).arr.sum()).sqrt()


def published(root: Path, numbers: int) -> tuple[Lmdb, FeatureView, fp.FeatureService]:
    """Publish the documents, and declare their similarity to a query."""
    dtype = pl.Array(pl.Float32, numbers)
    vectors = np.random.default_rng(7).normal(size=(DOCUMENTS, numbers)).astype(np.float32)
    rows = pl.DataFrame({"doc": range(DOCUMENTS), "vector": vectors}).with_columns(at=pl.lit(NOW.replace(day=1)))
    source = fp.Source("documents", fp.sources.Frame(rows), event_time="at")
    view = fp.feature_view(
        entity=fp.Entity("doc", join_keys=["doc"]), source=source, types={"vector": dtype}, name="document"
    )(lambda rows: rows)
    similar = fp.on_demand(inputs=[view, fp.Request({"query": dtype})], name="similar")(
        lambda row: {"similarity": cosine(row["query"], row["document.vector"])}
    )
    store, online = fp.OfflineStore(str(root)), Lmdb(root / "online")
    fp.materialize(view, store)
    publish(view, store, online, now=NOW)
    return online, view, fp.FeatureService("search", [similar])


def measure(numbers: int, fewest: int) -> list[float]:
    """Return the bytes of a number in entries and on disk, and the milliseconds of answers of 1 and of 100 keys."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(packed, "FEWEST", fewest):
        root = Path(folder)
        online, view, search = published(root, numbers)
        with online.reader() as reader:
            _, entries = reader.get(view.name, list(online.keys(view.name))[:1_000])
            held = sum(len(entry or b"") for entry in entries) / len(entries) / numbers
            disk = sum(file.stat().st_blocks * 512 for file in (root / "online").rglob("*") if file.is_file())
            alone, found = ServedService(fp.FeatureService("alone", [view]), reader), ServedService(search, reader)
            query = [float(n % 7) for n in range(numbers)]
            figures = [held, disk / DOCUMENTS / numbers]
            for served in (alone, found):
                for keys in (1, 100):
                    asked: dict[str, Sequence[object]] = {"doc": list(range(keys)), "query": [query] * keys}
                    figures.append(_milliseconds(partial(served.rows, asked, keys, NOW)))
    return figures


def _milliseconds(answer: Callable[[], object]) -> float:
    answer()
    times: list[float] = []
    for _ in range(ANSWERS):
        start = time.process_time()
        answer()
        times.append((time.process_time() - start) * 1_000)
    return median(times)


def main(words: Sequence[str]) -> None:
    """Print a table."""
    if words[:1] == ["--child"]:
        size, fewest = words[1].split("/")
        print(*measure(int(size), int(fewest)))
        return
    print("| numbers | kept as | bytes a number | on disk | JSON, 1 key | 100 keys | similarity, 1 key | 100 keys |")
    print("|---|---|---|---|---|---|---|---|")
    for numbers in map(int, words or SIZES):
        for name, least in (("text", NEVER), ("packed", packed.FEWEST)):
            figures = figures_of_child("vectors", f"{numbers}/{least}")
            print(f"| {numbers} | {name} | {' | '.join(f'{each:.2f}' for each in figures)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
