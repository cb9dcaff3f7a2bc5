"""Spines as tables: committed whole from pinned versions, the same again, and grown by late data."""

from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.project import Project, order_declarations
from feature_platform.ground.errors import ColumnCollision, InvalidDeclaration, MissingColumns, TableNotFound
from feature_platform.pipelines.plan import stale_assets
from feature_platform_tests.shop import at, customer, daily, last_order, orders, source

pytestmark = pytest.mark.usefixtures("unrecorded")

SOME = orders(("ann", at(0, 12), 1.0), ("bob", at(1, 12), 2.0), (None, at(1, 13), 3.0), ("ann", at(20, 1), 4.0))


def weekly(rows: pl.DataFrame = SOME, *, active: str = "9d", tz: str | None = None, **words: Any) -> fp.Spine:
    return fp.Spine.every_key("weekly", source=source(rows, **words), entity=customer, active=active, tz=tz)


def made(spine: fp.Spine, store: fp.OfflineStore) -> pl.DataFrame:
    fp.materialize(spine, store)
    return store.read(spine.asset).collect()


def test_every_key_is_asked_each_week_while_it_is_active(store: fp.OfflineStore) -> None:
    found = made(weekly(), store)

    assert found.rows() == [(at(7), "ann"), (at(7), "bob"), (at(21), "ann")]
    assert found.columns == ["event_timestamp", "customer"]


def test_the_last_instant_is_covered_by_the_newest_partition(store: fp.OfflineStore) -> None:
    on_monday = orders(("ann", at(7, 1), 1.0), ("ann", at(13, 23), 1.0))

    assert made(weekly(on_monday), store)["event_timestamp"].to_list() == [at(14)]


def test_a_table_without_partitions_is_covered_up_to_the_first_instant_after_its_newest_event(
    store: fp.OfflineStore,
) -> None:
    found = made(weekly(SOME, partitioned=False), store)

    assert found.rows() == [(at(7), "ann"), (at(7), "bob"), (at(21), "ann")]


def test_no_instant_lies_after_the_commit_that_is_read(store: fp.OfflineStore) -> None:
    now = datetime.now(timezone.utc)
    rows = orders(("ann", now - timedelta(days=8), 1.0), ("ann", now - timedelta(minutes=1), 1.0))
    spine = fp.Spine.every_key("hourly", source=source(rows), entity=customer, every="1h", active="1d")
    for partitions in (fp.Partitions("monthly"), fp.Partitions("daily")):
        other = fp.OfflineStore(f"{store.root}/{partitions.grain}")
        fp.materialize(spine, other, partitions=partitions)
        assert other.read(spine.asset).select(pl.col("event_timestamp").max() <= now).collect().item()


def test_local_weeks_are_asked_for_at_local_midnights(store: fp.OfflineStore) -> None:
    found = made(weekly(tz="America/New_York"), store)

    assert found["event_timestamp"].unique().sort().to_list() == [at(7, 5)]
    assert found["customer"].to_list() == ["ann", "bob"]


def test_an_event_that_was_known_later_is_not_known_at_the_instants_before(store: fp.OfflineStore) -> None:
    rows = SOME.with_columns(known=pl.col("at").dt.offset_by("7d"))

    assert made(weekly(rows, known_at="known"), store).rows() == []
    assert made(weekly(rows, known_at="known", active="14d"), store).rows() == [(at(14), "ann"), (at(14), "bob")]


def test_late_rows_are_added_and_no_row_is_taken_away(store: fp.OfflineStore) -> None:
    first = made(weekly(), store)
    late = pl.concat([SOME, orders(("eve", at(8), 1.0), ("ann", at(10), 1.0))])
    second = made(weekly(late), store)

    assert set(first.rows()) < set(second.rows())
    assert set(second.rows()) - set(first.rows()) == {(at(14), "ann"), (at(14), "eve")}


def test_the_same_spine_again_is_no_new_version_and_its_commit_names_what_it_was_made_from(
    store: fp.OfflineStore,
) -> None:
    made(weekly(), store)
    version = store.latest_version("spines/weekly")
    made(weekly(), store)
    state = store.partition_states("spines/weekly")[""]

    assert store.latest_version("spines/weekly") == version
    assert dict(state.inputs) == {"sources/orders": store.latest_version("sources/orders")}
    assert state.rows == 3


def test_a_spine_is_due_when_its_source_or_its_words_change(store: fp.OfflineStore) -> None:
    def due(spine: fp.Spine) -> dict[str, str]:
        project = Project("shop", fp.Partitions(), order_declarations([spine]))
        return {each.asset: each.reasons.get("", "partitions") for each in stale_assets(project, store)}

    spine = weekly()
    assert due(spine)["spines/weekly"] == "never materialized"
    made(spine, store)
    assert due(spine) == {}
    assert due(weekly(active="30d")) == {"spines/weekly": "its code changed"}
    fp.materialize(source(pl.concat([SOME, orders(("eve", at(3), 1.0))])), store)
    assert due(spine)["spines/weekly"] == "sources/orders changed"


def test_events_come_with_their_columns_at_the_moment_they_were_known(store: fp.OfflineStore) -> None:
    rows = SOME.with_columns(known=pl.col("at").dt.offset_by("1h"))
    spine = fp.Spine.events("some", source=source(rows, known_at="known"), share=1.0)
    found = made(spine, store)

    assert found.columns == ["event_timestamp", "customer", "at", "amount", "known"]
    assert_frame_equal(found.drop("event_timestamp"), rows, check_row_order=False)
    assert found["event_timestamp"].equals(found["known"].alias("event_timestamp"))


def test_a_larger_share_of_events_holds_the_smaller_one_and_late_rows_swap_none(store: fp.OfflineStore) -> None:
    names = [f"c{number}" for number in range(400)]
    rows = orders(*((name, at(number % 9), 1.0) for number, name in enumerate(names)))

    def chosen(frame: pl.DataFrame, share: float, by: list[str] | None = None) -> set[str]:
        return set(made(fp.Spine.events("some", source=source(frame), share=share, by=by), store)["customer"])

    few, more = chosen(rows, 0.1), chosen(rows, 0.4)
    late = pl.concat([rows, orders(*((f"d{number}", at(number % 9), 1.0) for number in range(200)))])

    assert 15 < len(few) < 70
    assert few < more
    assert {name for name in chosen(late, 0.1) if name.startswith("c")} == few
    assert chosen(rows, 0.4, ["customer"]) == chosen(rows.with_columns(amount=9.0), 0.4, ["customer"])


def test_each_moment_of_a_key_is_chosen_by_itself_also_where_only_the_key_decides(store: fp.OfflineStore) -> None:
    moments = orders(*(("ann", at(day), 1.0) for day in range(28)))
    found = made(fp.Spine.events("some", source=source(moments), share=0.5, by=["customer"]), store)

    assert 5 < found.height < 23


def test_pairs_are_positives_and_candidates_that_were_none(store: fp.OfflineStore) -> None:
    clicks = fp.Source("clicks", fp.sources.Frame(pair_rows(("ann", "a", at(1)), ("bob", "b", at(1)))), event_time="at")
    items = fp.Source("items", fp.sources.Frame(pl.DataFrame({"item": list("abcdef")})))
    pair = fp.Entity("pair", ["customer", "item"])
    spine = fp.Spine.negatives("pairs", positives=clicks, candidates=items, ratio=2, entity=pair)
    found = made(spine, store)

    assert found.columns == ["event_timestamp", "customer", "item"]
    assert found.group_by("customer", maintain_order=True).len().rows() == [("ann", 3), ("bob", 3)]
    assert {("ann", "a"), ("bob", "b")} < set(found.select("customer", "item").rows())
    assert set(dict(store.partition_states("spines/pairs")[""].inputs)) == {"sources/clicks", "sources/items"}


def test_a_candidate_of_later_is_none_before(store: fp.OfflineStore) -> None:
    clicks = fp.Source("clicks", fp.sources.Frame(pair_rows(("ann", "a", at(1)), ("ann", "a", at(3)))), event_time="at")
    shown = fp.Source("shown", fp.sources.Frame(pair_rows(("ann", "b", at(2)), ("ann", "c", at(9)))), event_time="at")
    found = made(fp.Spine.negatives("pairs", positives=clicks, candidates=shown), store)

    assert found.rows() == [(at(1), "ann", "a"), (at(3), "ann", "a"), (at(3), "ann", "b")]


def pair_rows(*rows: tuple[str, str, datetime]) -> pl.DataFrame:
    schema: dict[str, Any] = {"customer": pl.String, "item": pl.String, "at": pl.Datetime("us", "UTC")}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_what_a_spine_cannot_be_made_from_is_named(store: fp.OfflineStore) -> None:
    plane = fp.Entity("plane", ["tailnum"])
    with pytest.raises(MissingColumns, match="Spine `planes`"):
        made(fp.Spine.every_key("planes", source=source(SOME), entity=plane), store)
    with pytest.raises(MissingColumns, match="Spine `some`, by,"):
        made(fp.Spine.events("some", source=source(SOME), by=["plane"]), store)
    others = fp.Source("others", fp.sources.Frame(pl.DataFrame({"shop": [1]})))
    with pytest.raises(InvalidDeclaration) as refused:
        made(fp.Spine.negatives("pairs", positives=source(SOME), candidates=others), store)
    with pytest.raises(ColumnCollision, match="Spine `some`"):
        made(
            fp.Spine.events(
                "some",
                source=fp.Source("visits", fp.sources.Frame(SOME.with_columns(event_timestamp=1)), event_time="at"),
            ),
            store,
        )
    assert str(refused.value) == (
        "Spine `pairs` finds no key of `sources/orders` in `sources/others`. Give candidates with a column of the same "
        "name."
    )


def test_a_training_set_reads_its_spine_at_a_pinned_version(store: fp.OfflineStore) -> None:
    read = source(daily(20))
    view = last_order(read)
    spine = fp.Spine.every_key("weekly", source=read, entity=customer)
    training = fp.TrainingSet("buying", service=fp.FeatureService("v1", [view]), spine=spine)
    fp.materialize(view, store)
    with pytest.raises(TableNotFound, match="spines/weekly"):
        fp.build_training_set(training, store)
    fp.materialize(spine, store)
    built = fp.build_training_set(training, store)

    assert built.rows.collect().rows() == [
        (at(7), "ann", 10.0),
        (at(7), "bob", 7.0),
        (at(14), "ann", 10.0),
        (at(14), "bob", 14.0),
    ]
    assert built.versions["spines/weekly"] == 0
    fp.materialize(source(daily(30)), store)
    fp.materialize(spine, store)
    again = fp.build_training_set(training, store, versions=built.versions)
    assert again.manifest["content_hash"] == built.manifest["content_hash"]


def test_a_stale_spine_is_reported_when_a_training_set_reads_it(store: fp.OfflineStore) -> None:
    read = source(daily(20))
    view, spine = last_order(read), fp.Spine.every_key("weekly", source=read, entity=customer)
    training = fp.TrainingSet("buying", service=fp.FeatureService("v1", [view]), spine=spine)
    for each in (view, spine):
        fp.materialize(each, store)
    assert fp.incomplete_tables(training, store) == ()

    fp.materialize(source(daily(30)), store)
    fp.materialize(last_order(source(daily(30))), store)

    assert [str(table) for table in fp.incomplete_tables(training, store)] == [
        "`spines/weekly` (is stale: sources/orders changed)"
    ]
