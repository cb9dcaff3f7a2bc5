"""A training set with parts, as it is built and stored."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.label import Label
from feature_platform.ground.errors import ColumnCollision, InvalidDeclaration, TransformFailed, UnknownName
from feature_platform_tests.shop import at, customer, last_order, orders, source

pytestmark = pytest.mark.usefixtures("unrecorded")

ROWS = orders(
    *(("ann", at(day, 12), float(day)) for day in range(20)),
    *(("bob", at(day, 12), 100.0 + day) for day in range(1, 20, 2)),
)


def large(read: fp.Source) -> Label:
    """Whether the next order is large."""
    return fp.label(entity=customer, source=read, name="large")(
        lambda rows: rows.select("customer", "at", large=pl.col("amount") > 100)
    )


def training(store: fp.OfflineStore, *, impute: dict[str, Any] | None = None, **words: Any) -> fp.TrainingSet:
    read = source(ROWS)
    view = last_order(read, ttl="1d")
    service = fp.FeatureService("v1", [view], impute=impute or {})
    spine = fp.Spine.every_key("daily", source=read, entity=customer, every="1d", active="4d")
    options: dict[str, Any] = {"label": large(read), "horizon": "2d"} | words
    declared = fp.TrainingSet("buying", service=service, spine=spine, **options)
    for each in (view, spine, declared.label):
        if each is not None:
            fp.materialize(each, store)
    return declared


SPLIT = fp.Split(validate_from=at(10), test_from=at(15))


def test_the_parts_are_a_column_and_their_rows_are_in_the_manifest(store: fp.OfflineStore) -> None:
    built = fp.build_training_set(training(store, split=SPLIT), store)
    rows = built.rows.collect()

    assert rows.columns[-2:] == ["large", "training_part"]
    assert built.manifest["parts"] == {"train": 15, "validation": 8, "test": 12, "embargo": 4, "held_out": 0}
    assert rows.filter(training_part="embargo")["event_timestamp"].unique().sort().to_list() == [at(9), at(14)]
    train = rows.filter(training_part="train")
    assert train.filter(pl.col("event_timestamp") > at(8)).is_empty()
    assert fp.build_training_set(training(store, split=SPLIT), store, built.versions).manifest == built.manifest


def test_held_out_keys_never_train(store: fp.OfflineStore) -> None:
    split = fp.Split(test_from=at(15), held_out=0.5, by=["customer"])
    rows = fp.build_training_set(training(store, split=split), store).rows.collect()
    held = set(rows.filter(training_part="held_out")["customer"])

    assert not held & set(rows.filter(training_part="train")["customer"])


def test_weights_are_learnt_from_the_part_that_trains(store: fp.OfflineStore) -> None:
    built = fp.build_training_set(training(store, split=SPLIT, weights=fp.Weights.balanced("large")), store)
    rows = built.rows.collect()
    counts = dict(rows.filter(training_part="train").group_by("large").len().iter_rows())
    total = sum(counts.values())

    assert rows.columns[-2:] == ["training_part", "training_weight"]
    wanted = {value: total / (2 * count) for value, count in counts.items()}
    assert built.manifest["weights"] == {"column": "large", "of": {str(each): wanted[each] for each in sorted(wanted)}}
    given = rows.filter(pl.col("large").is_not_null())
    assert given["training_weight"].to_list() == [wanted[each] for each in given["large"]]
    assert rows.filter(training_part="train")["training_weight"].sum() == pytest.approx(total)


def test_where_leaves_rows_out_before_anything_is_learnt(store: fp.OfflineStore) -> None:
    where = pl.col("last_amount") > 5
    built = fp.build_training_set(training(store, where=where, split=SPLIT), store)

    assert built.rows.select(pl.col("last_amount").min()).collect().item() == 6.0
    assert "training_weight" not in built.rows.collect_schema()


def test_gaps_are_filled_by_what_training_rows_teach(store: fp.OfflineStore) -> None:
    declared = training(store, impute={"last_amount": fp.Impute.mean(flag=True)}, split=SPLIT)
    built = fp.build_training_set(declared, store)
    rows = built.rows.collect()
    plain = fp.build_training_set(training(store, split=SPLIT), store).rows.collect()
    train = plain.filter(training_part="train")
    gaps = rows.filter("last_amount_was_missing")

    assert rows.columns == [*plain.columns[:3], "last_amount_was_missing", "large", "training_part"]
    assert gaps.height == plain["last_amount"].null_count() > 5
    for moment, filled in gaps.select("event_timestamp", "last_amount").iter_rows():
        taught = train.filter(pl.col("event_timestamp") < moment)["last_amount"].drop_nulls()
        assert filled == (pytest.approx(taught.mean()) if len(taught) else None)
    statistics = fp.imputation_statistics(declared.service, store)
    assert float(statistics["value"].item()) == pytest.approx(train["last_amount"].mean())
    assert statistics["learnt_from"].item() == train["last_amount"].count()


def test_a_where_that_calls_a_function_of_python_is_refused_when_it_is_declared(store: fp.OfflineStore) -> None:
    amount = pl.col("last_amount")
    for where in (
        amount.map_batches(lambda each: each > 5, return_dtype=pl.Boolean, is_elementwise=True),
        amount.is_null() | amount.map_elements(lambda each: bool(each % 7 > 5), return_dtype=pl.Boolean),
    ):
        with pytest.raises(InvalidDeclaration) as refused:
            training(store, where=where)
        assert str(refused.value) == (
            "Training set `buying` has a `where` that calls a function of Python. Write it with expressions of Polars, "
            "or make a feature of it in a view."
        )


def test_a_sample_keeps_keys_whole(store: fp.OfflineStore) -> None:
    everything = fp.build_training_set(training(store), store).rows.collect()
    rows = fp.build_training_set(training(store, sample=fp.Sample(0.5, by=["customer"])), store).rows.collect()
    kept = set(rows["customer"])

    assert rows.equals(everything.filter(pl.col("customer").is_in(kept)))


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        ({"where": pl.col("price") > 1}, UnknownName, "Training set `buying`, where, has no column `price`. It has: "),
        ({"where": pl.col("large")}, UnknownName, "Training set `buying`, where, has no column `large`. It has: "),
        (
            {"where": pl.col("last_amount") > pl.col("last_amount").mean()},
            InvalidDeclaration,
            "Training set `buying` has a `where` that looks at several rows. Write a condition of each row alone.",
        ),
        (
            {"where": pl.col("last_amount") + 1},
            InvalidDeclaration,
            "Training set `buying` has a `where` of type Float64. Give a condition: pl.col('x') > 0.",
        ),
        (
            {"where": pl.col("last_amount").str.len_bytes() > 1},
            TransformFailed,
            "Training set `buying`: where failed with ",
        ),
        (
            {"sample": fp.Sample(0.5, by=["shop"])},
            UnknownName,
            "Training set `buying`, sample, has no column `shop`. It has: ",
        ),
        (
            {"split": fp.Split(test_from=at(1), held_out=0.1, by=["shop"])},
            UnknownName,
            "Training set `buying`, split, has no column `shop`. It has: ",
        ),
        (
            {"weights": fp.Weights.balanced("shop")},
            UnknownName,
            "Training set `buying`, weights, has no column `shop`. It has: ",
        ),
        (
            {"split": SPLIT, "horizon": None},
            InvalidDeclaration,
            (
                "Training set `buying` has a split, and the label `large` may come at any time after its moment. Say "
                'how long it is waited for: horizon="14d".'
            ),
        ),
    ],
)
def test_what_cannot_be_divided_is_refused_and_nothing_is_written(
    store: fp.OfflineStore, words: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    declared = training(store, **words)
    with pytest.raises(error) as refused:
        fp.build_training_set(declared, store)

    assert str(refused.value).startswith(sentence)
    assert not store.exists("training_sets/buying")


def test_a_column_of_the_name_of_the_part_is_refused(store: fp.OfflineStore) -> None:
    read = source(ROWS.with_columns(training_part=1))
    view = last_order(read)
    service = fp.FeatureService("v1", [view["last_amount"]])
    spine = fp.Spine.events("some", source=read, share=1.0)
    for each in (view, spine):
        fp.materialize(each, store)
    with pytest.raises(ColumnCollision, match="training_part"):
        fp.build_training_set(fp.TrainingSet("buying", service=service, spine=spine, split=SPLIT), store)


@pytest.mark.parametrize("horizon", ["5d", None])
def test_a_column_of_the_spine_never_says_when_a_label_is_known(store: fp.OfflineStore, horizon: str | None) -> None:
    rows = ROWS.select("customer", asked="at", label_known_at=pl.lit(at(0)))
    spine = fp.Spine.events(
        "some", source=fp.Source("questions", fp.sources.Frame(rows), event_time="asked"), share=1.0
    )
    fp.materialize(spine, store)
    declared = training(store, split=SPLIT, horizon=horizon)
    with pytest.raises(ColumnCollision, match="label_known_at"):
        fp.build_training_set(replace(declared, spine=spine), store)

    assert not store.exists("training_sets/buying")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"where": "amount > 5"}, "Training set `buying` has where='amount > 5'. Give a condition:"),
        (
            {"split": "2024-06-01"},
            "Training set `buying` has split='2024-06-01'. Give fp.Split(test_from='2024-06-01').",
        ),
        ({"sample": 0.2}, "Training set `buying` has sample=0.2. Give fp.Sample(0.2, by=['customer'])."),
        ({"weights": "large"}, "Training set `buying` has weights='large'. Give fp.Weights.balanced('refunded')."),
    ],
)
def test_a_word_of_another_kind_is_refused_when_declared(
    store: fp.OfflineStore, words: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        training(store, **words)

    assert str(refused.value).startswith(sentence)


def test_weights_that_no_row_can_teach_are_refused_and_nothing_is_written(store: fp.OfflineStore) -> None:
    none = fp.Split(test_from=at(-1))
    with pytest.raises(InvalidDeclaration, match="weights by `large`, and no row that trains has a value of it"):
        fp.build_training_set(training(store, split=none, weights=fp.Weights.balanced("large")), store)

    assert not store.exists("training_sets/buying")


def test_the_division_is_in_the_code_version(store: fp.OfflineStore) -> None:
    others: list[dict[str, Any]] = [
        {},
        {"where": pl.col("last_amount") > 5},
        {"where": pl.col("last_amount") > 6},
        {"split": SPLIT},
        {"sample": fp.Sample(0.5, by=["customer"])},
        {"weights": fp.Weights.balanced("large")},
    ]

    assert len({code_version(training(store, **words)) for words in others}) == len(others)
