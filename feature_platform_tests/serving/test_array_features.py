"""Arrays and structs as features: of the declared type wherever they are read, the same offline and online."""

from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

import feature_platform as fp
from feature_platform.compute.transforms.on_demand import compute_on_demand
from feature_platform.declarations.code_version import code_version
from feature_platform.ground.errors import (
    InvalidDeclaration,
    MissingColumns,
    TransformFailed,
    ValueTooLarge,
    WrongColumnType,
    WrongListLength,
)
from feature_platform.online import Lmdb
from feature_platform.online.base import OnlineStore
from feature_platform.serving import online_features
from feature_platform.serving.publication import publish
from feature_platform.training.reproduction import reproduce_training_set
from feature_platform.verification.consistency import check_consistency
from feature_platform_tests.effort import tries
from feature_platform_tests.serving.documents import (
    FEW,
    PLACE,
    VECTOR,
    cosine,
    doc,
    document,
    same,
    service_over,
    source_of,
    views_over,
    written,
)
from feature_platform_tests.serving.pushing_shop import Shop
from feature_platform_tests.shop import at

pytestmark = pytest.mark.usefixtures("unrecorded")

NOW = at(4)
WHO = ["a", "b", "nobody", None]


def agree(service: fp.FeatureService, store: fp.OfflineStore, online: OnlineStore, now: datetime = NOW) -> pl.DataFrame:
    """What is online is what training sees, in the same types."""
    query = pl.Series([None, [1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [1.0, float("nan"), 0.0]], dtype=VECTOR)
    asked = pl.DataFrame({"doc": WHO, "query": query})
    spine = asked.with_columns(event_timestamp=pl.lit(now, pl.Datetime("us", "UTC")))
    expected = fp.historical_features(service, spine, store).collect().drop("event_timestamp")
    told = online_features(service, asked, online, now).select(expected.columns)
    assert_frame_equal(told, expected, check_exact=True)
    return told


NUMBERS = st.none() | st.floats(width=32)
VECTORS = st.none() | st.lists(NUMBERS, min_size=3, max_size=3)
PLACES = st.none() | st.fixed_dictionaries(
    {
        "corner": st.none() | st.lists(st.none() | st.floats(), min_size=2, max_size=2),
        "tags": st.none() | st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=2), max_size=2),
    }
)
DOCUMENTS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 80), VECTORS, PLACES), min_size=1)


@settings(max_examples=tries(40), phases=[Phase.generate])
@given(DOCUMENTS)
def test_what_is_online_is_what_training_sees(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[Any, ...]]
) -> None:
    root = tmp_path_factory.mktemp("documents")
    store, online = fp.OfflineStore(str(root)), Lmdb(root / "online")
    views = views_over(written(*[(key, at(0, hour), *values) for key, hour, *values in drawn]))
    service = service_over(views)
    for view in views:
        fp.materialize(view, store)
    publish_all(service, store, online)
    agree(service, store, online)


def publish_all(service: fp.FeatureService, store: fp.OfflineStore, online: OnlineStore) -> None:
    for view in service.views:
        publish(view, store, online, now=NOW)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, *views_over(FEW), published=False)


def test_features_have_the_declared_type_where_the_table_has_lists(shop: Shop) -> None:
    store, online = shop.target.store, Lmdb(Path(str(shop.target.store.root)) / "served")
    service = service_over(shop.target.views)
    publish_all(service, store, online)
    assert store.read("views/document").collect_schema()["vector"] == pl.List(pl.Float32)
    told = agree(service, store, online)
    assert (
        told.schema["document__vector"]
        == told.schema["twice__double"]
        == told.schema["exact__vector_last_5d"]
        == VECTOR
    )
    assert (told.schema["document__place"], told.schema["snapshot__vector_last_5d"]) == (PLACE, pl.List(pl.Float32))
    assert told["similar__similarity"].round(6).to_list() == [None, 1.0, None, None]
    report = check_consistency(service, store, online, now=NOW)
    assert (report.differences, report.entities > 3) == (0, True)


def test_pushed_vectors_are_online_at_once_and_the_same_after_the_next_run(shop: Shop) -> None:
    service = service_over(shop.target.views)
    shop.publish(NOW)
    two = written(
        ("c", at(3), [0.5, 0.5, 1e-3], None), ("a", at(3, 1), [9.0, 8.0, 7.0], {"corner": [0.0, 0.0], "tags": None})
    )
    for rows in (two.head(1), two.tail(1), two):
        assert set(shop.push(rows, NOW)) >= {"document", "twice"}
    asked = pl.DataFrame({"doc": ["a", "c"], "query": pl.Series([[9.0, 8.0, 7.0]] * 2, dtype=VECTOR)})
    told = online_features(service, asked, shop.target.online, NOW)
    assert told["document__vector"].to_list() == [[9.0, 8.0, 7.0], pytest.approx([0.5, 0.5, 1e-3])]
    assert told["similar__similarity"][0] == pytest.approx(1)
    shop.flush()
    shop.run()
    shop.publish(NOW)
    agree(service, shop.target.store, shop.target.online)


@pytest.mark.parametrize("vector", [[1.0, 2.0], [1.0] * 5000], ids=["short", "large"])
def test_a_pushed_vector_that_does_not_fit_is_refused_as_a_whole(shop: Shop, vector: list[float]) -> None:
    shop.publish(NOW)
    two = written(("c", at(3), [1.0, 2.0, 3.0], None), ("a", at(3), vector, None))
    for rows in (two, two.tail(1)):
        with pytest.raises(TransformFailed, match="`vector` is a list of"):
            shop.push(rows, NOW)
    told = online_features(shop.target.views[0], {"doc": ["c"]}, shop.target.online, NOW)
    assert told["vector"].to_list() == [None]


def test_a_pushed_value_that_is_too_large_is_refused(tmp_path: Path) -> None:
    plain = fp.feature_view(entity=doc, source=source_of(FEW), name="plain")(same)
    shop = Shop(tmp_path, plain)
    for rows in (written(("c", at(3), [1.0] * 4097, None)), written(*[("c", at(3), [1.0] * 4097, None)] * 2)):
        with pytest.raises(TransformFailed, match="`plain`: its function makes `vector` larger than 4,096 numbers"):
            shop.push(rows, NOW)


def test_an_event_is_enriched_by_a_vector_of_its_declared_type(store: fp.OfflineStore) -> None:
    clicks = pl.DataFrame({"user": ["u", "u", "v"], "doc": ["a", "b", "nobody"], "at": [at(1), at(3), at(3)]})
    newest = document(source_of(FEW))

    def first(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.select("user", "at", "vector", first=pl.col("vector").arr.first())

    seen = fp.feature_view(
        entity=fp.Entity("user", join_keys=["user"]),
        source=fp.Source("clicks", fp.sources.Frame(clicks), event_time="at"),
        enrich=[newest["vector"]],
        types={"vector": VECTOR},
        name="seen",
    )(first)
    for each in (newest, seen):
        fp.materialize(each, store)
    spine = pl.DataFrame({"user": ["u", "u", "v"], "event_timestamp": [at(2), NOW, NOW]})
    found = fp.historical_features(seen, spine, store).collect()
    assert (found.schema["vector"], found["first"].to_list()) == (VECTOR, [1.0, pytest.approx(0.1), None])


def test_a_training_set_hands_out_arrays(shop: Shop) -> None:
    moments = pl.DataFrame({"doc": ["a", "b", "nobody"], "event_timestamp": [at(1), NOW, NOW]})
    training = fp.TrainingSet(
        "near", service=fp.FeatureService("near", [shop.target.views[0]["vector"]]), spine=moments
    )
    built = fp.build_training_set(training, shop.target.store)
    assert built.rows.collect_schema()["vector"] == VECTOR
    assert [batch.schema["vector"] for batch in built.batches(rows=2)] == [VECTOR, VECTOR]
    vectors = built.numpy()["vector"]
    assert (vectors.shape, vectors[0].tolist(), vectors[2].tolist()) == (
        (3, 3),
        [1.0, 0.0, 0.5],
        [pytest.approx(float("nan"), nan_ok=True)] * 3,
    )
    assert built.pandas()["vector"][1].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_a_training_set_of_vectors_with_a_list_as_label_is_looked_through_and_built_again(shop: Shop) -> None:
    store, many = shop.target.store, 50
    bought = pl.DataFrame({"doc": ["a", "b"] * many, "at": [at(4)] * 2 * many, "words": [["x"], ["y", "z"]] * many})
    label = fp.label(entity=doc, source=fp.Source("bought", fp.sources.Frame(bought), event_time="at"), name="bought")(
        same
    )
    fp.materialize(label, store)
    query = pl.Series([[1.0, 2.0, 3.0]] * 2 * many, dtype=VECTOR)
    moments = pl.DataFrame({"doc": ["a", "b"] * many, "event_timestamp": [at(3)] * 2 * many, "query": query})
    service = service_over(shop.target.views)
    training = fp.TrainingSet("near", service=service, spine=moments, label=label, horizon="5d")
    built = fp.build_training_set(training, store)
    assert (built.rows.collect_schema()["query"], built.rows.collect_schema()["words"]) == (VECTOR, pl.List(pl.String))
    assert "the same rows" in str(reproduce_training_set(training, store))


def test_example_rows_have_the_declared_length(tmp_path: Path) -> None:
    for view in views_over(FEW):
        fp.testing.check_fixture(view, tmp_path / view.name)
        fp.testing.check_fixture(view, tmp_path / view.name)
    example = fp.testing.example_frame(document(source_of(FEW)), 7)
    assert (example.schema["vector"], example.schema["place"], example.height) == (VECTOR, PLACE, 7)


@pytest.mark.parametrize("size", [1, 7, 64, 300])
def test_similarity_has_the_same_bits_for_one_row_and_for_many(size: int) -> None:
    dtype, random = pl.Array(pl.Float32, size), Random(size)
    similar = fp.on_demand(inputs=[fp.Request({"a": dtype, "b": dtype})], name="similar")(
        lambda row: {"similarity": cosine(row["a"], row["b"])}
    )

    def vectors() -> pl.Series:
        return pl.Series([[random.uniform(-1, 1) for _ in range(size)] for _ in range(200)], dtype=dtype)

    rows = pl.DataFrame({"a": vectors(), "b": vectors()})
    names = {"a": "a", "b": "b"}
    many = compute_on_demand(similar, rows, names)["similarity"]
    alone = [compute_on_demand(similar, rows[place : place + 1], names)["similarity"] for place in range(rows.height)]
    assert_series_equal(pl.concat(alone), many, check_exact=True)
    large = pl.concat([rows] * 60)  # so many rows are computed in parts
    assert_series_equal(
        compute_on_demand(similar, large, names)["similarity"][11_777:11_800], many[177:200], check_exact=True
    )


# ---------------------------------------------------------------- what is refused


def view_of(rows: pl.DataFrame, **words: Any) -> Any:
    return fp.feature_view(entity=doc, source=source_of(rows), name="plain", **words)(same)


LARGE = {
    "numbers": ([[0.0] * 4096, [0.0] * 4097], r"1 key\(s\), first that of doc='b': 4,097 numbers, 32,776 bytes"),
    "text": ([["x" * 2**16], ["y"], ["x" * 2**16, "y"]], r"first that of doc='c': 2 numbers, 65,537 bytes"),
    "nested": (
        [[[0] * 2000] * 3, None, [[0] * 5000]],
        r"2 key\(s\), first that of doc='a': 6,000 numbers, 48,000 bytes",
    ),
    "struct": ([{"a": [True] * 4000, "b": ["x"] * 97}], r"doc='a': 4,097 numbers"),
}


@pytest.mark.parametrize(("values", "words"), LARGE.values(), ids=LARGE)
def test_a_value_that_is_too_large_is_refused_with_its_keys(
    store: fp.OfflineStore, values: list[Any], words: str
) -> None:
    moments = [at(1)] * len(values)
    rows = pl.DataFrame({"doc": ["a", "b", "c"][: len(values)], "at": moments, "value": values})
    view = view_of(rows)
    with pytest.raises(ValueTooLarge, match=f"`plain`: feature `value` is larger .* in .*{words}"):
        fp.materialize(view, store)
    assert not store.exists(view.asset)


def test_windows_that_keep_too_much_are_refused(store: fp.OfflineStore) -> None:
    rows = pl.DataFrame({"doc": ["a"] * 3, "at": [at(0, hour) for hour in range(3)], "value": [[0.0] * 2000] * 3})
    view = view_of(rows, aggregations=[fp.LastN("value", 3, windows=["1d"])])
    with pytest.raises(ValueTooLarge, match=r"`value_last_3_1d` .* 6,000 numbers"):
        fp.materialize(view, store)


def test_a_list_of_another_length_is_refused_before_anything_is_written(store: fp.OfflineStore) -> None:
    vectors = [("b", 1, [1.0, 2.0, 3.0]), ("a", 1, [1.0]), ("a", 2, [1.0]), ("c", 2, [])]
    view = document(source_of(written(*((who, at(day), vector, None) for who, day, vector in vectors))))
    with pytest.raises(WrongListLength) as refused:
        fp.materialize(view, store)
    assert str(refused.value) == (
        "Feature view `document`: `vector` is a list of 1, and of a wrong length in 2 key(s), first that of doc='a'; "
        "Array(Float32, shape=(3,)) is needed. Let its function return that type, or declare the one that it has."
    )
    assert not store.exists(view.asset)


def test_features_that_are_not_what_is_declared_are_refused(store: fp.OfflineStore) -> None:
    with pytest.raises(WrongColumnType, match=r"`plain`: column `vector` is List\(Float32\), but Float64"):
        fp.materialize(view_of(FEW, types={"vector": pl.Float64}), store)
    with pytest.raises(MissingColumns, match=r"`plain` lacks .*`other`"):
        fp.materialize(view_of(FEW, types={"other": pl.Float64}), store)


def test_a_table_made_of_another_declaration_says_so(store: fp.OfflineStore) -> None:
    fp.materialize(view_of(FEW), store)
    spine = pl.DataFrame({"doc": ["a"], "event_timestamp": [at(1)]})
    wider = view_of(FEW, types={"vector": pl.Array(pl.Float32, 4)})
    with pytest.raises(WrongListLength, match="Table `views/plain`: `vector` is a list of 3"):
        fp.historical_features(wider, spine, store, stale="ignore").collect()
    with pytest.raises(WrongColumnType, match="Materialize the view as it is declared now"):
        fp.historical_features(view_of(FEW, types={"vector": pl.Array(pl.Float64, 3)}), spine, store, stale="ignore")
    assert code_version(wider) != code_version(view_of(FEW))


WRONG = {
    "no types": (["vector"], r"types=\['vector'\]"),
    "an array of nothing": ({"vector": pl.Array(pl.Float32, 0)}, r"shape=\(0,\)"),
    "a type that tables widen": ({"n": pl.UInt8}, "UInt8"),
    "a time without a zone": ({"n": pl.List(pl.Datetime("us"))}, "Datetime"),
    "a Python type": ({"n": float}, "float"),
}


@pytest.mark.parametrize(("types", "words"), WRONG.values(), ids=WRONG)
def test_types_that_a_table_cannot_hold_are_refused(types: Any, words: str) -> None:
    with pytest.raises(InvalidDeclaration, match=f"`plain`.*{words}"):
        view_of(FEW, types=types)


def test_windows_say_their_own_types() -> None:
    with pytest.raises(InvalidDeclaration, match="types and aggregations"):
        view_of(FEW, types={"count_1d": pl.Int64}, aggregations=[fp.Count(windows=["1d"])])
