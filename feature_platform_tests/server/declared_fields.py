"""Request fields of every kind, and features that say what came of them."""

import polars as pl

import feature_platform as fp

FIELDS: dict[str, fp.Field | pl.DataType] = {
    "level": fp.Field(pl.Float64, between=(-10, 10), outside="clip"),
    "share": fp.Field(pl.Float32, between=(0, None)),
    "pieces": fp.Field(pl.Int8, between=(None, 100), outside="clip"),
    "day": pl.Date(),
    "at": pl.Datetime("us", "UTC"),
    "query": pl.Array(pl.Float32, 3),
    "words": pl.List(pl.String),
    "place": pl.Struct({"lat": pl.Float64, "tags": pl.List(pl.Int16)}),
}


@fp.on_demand(inputs=[fp.Request(FIELDS)])
def seen(row: fp.Row) -> dict[str, pl.Expr]:
    """What features see of the fields, and the square of a vector."""
    square = (row["query"] * row["query"]).arr.sum()
    return {f"seen_{name}": row[name] for name in FIELDS} | {"square": square, "lat": row["place"].struct.field("lat")}


@fp.on_demand(inputs=[fp.Request({"level": pl.Float64})])
def doubled(row: fp.Row) -> dict[str, pl.Expr]:
    """Reads a field that another view bounds."""
    return {"twice": row["level"] * 2}


fields_service = fp.FeatureService("fields", [seen, doubled])
