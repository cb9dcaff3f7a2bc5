"""Documents with embeddings, and what is computed from them: views of each kind, and similarity to what is asked."""

from collections.abc import Sequence
from typing import Any

import polars as pl

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform_tests.shop import at

VECTOR = pl.Array(pl.Float32, 3)
PLACE = pl.Struct({"corner": pl.Array(pl.Float64, 2), "tags": pl.List(pl.String)})
SCHEMA: dict[str, Any] = {
    "doc": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "vector": pl.List(pl.Float32),
    "place": pl.Struct({"corner": pl.List(pl.Float64), "tags": pl.List(pl.String)}),
}
doc = fp.Entity("doc", join_keys=["doc"])
Document = tuple[str | None, Any, Any, Any]


def written(*rows: Document) -> pl.DataFrame:
    """Documents: which, when, its embedding, where."""
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


FEW = written(
    ("a", at(0, 12), [1.0, 0.0, 0.5], {"corner": [1.5, -2.0], "tags": ["x"]}),
    ("b", at(1, 12), [0.1, 0.2, 0.3], None),
    ("a", at(2, 12), None, {"corner": None, "tags": []}),
    (None, at(2, 13), [1.0, 1.0, 1.0], None),
)


def same(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


def twice(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("doc", "at", double=pl.col("vector") * 2)


def cosine(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """The cosine of the angle between two vectors."""
    return (a * b).arr.sum() / ((a * a).arr.sum().sqrt() * (b * b).arr.sum().sqrt())


def source_of(rows: pl.DataFrame) -> fp.Source:
    return fp.Source("documents", fp.sources.Frame(rows), event_time="at")


def document(source: fp.Source, **words: Any) -> FeatureView:
    """The newest embedding and place of each document."""
    types = {"vector": VECTOR, "place": PLACE}
    return fp.feature_view(entity=doc, source=source, types=types, name="document", **words)(same)


def views_over(rows: pl.DataFrame) -> Sequence[FeatureView]:
    """A row view, one over it, and windows over it of both kinds."""
    newest = document(source_of(rows))
    windows: Any = {
        "entity": doc,
        "source": newest,
        "aggregations": [fp.Last("vector", windows=["5d"]), fp.LastN("vector", 2, windows=["5d"])],
    }
    return (
        newest,
        fp.feature_view(entity=doc, source=newest, types={"double": VECTOR}, name="twice")(twice),
        fp.feature_view(accuracy="exact", name="exact", **windows)(same),
        fp.feature_view(name="snapshot", **windows)(same),
    )


def service_over(views: Sequence[FeatureView]) -> fp.FeatureService:
    """All features, and the similarity to a vector of the request."""
    newest = views[0]
    similar = fp.on_demand(inputs=[newest, fp.Request({"query": VECTOR})], name="similar")(
        lambda row: {"similarity": cosine(row["query"], row["document.vector"])}
    )
    return fp.FeatureService("documents", [*views, similar], full_names=True)
