"""Spines of requests: what a service was asked, in the types and bounds that its answers were computed with."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.serving.logged_requests import read_asked_rows
from feature_platform.declarations.project import Project, order_declarations
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import InvalidKey, OutsideBounds
from feature_platform.lineage.schemas import ProjectSchemas
from feature_platform.lineage.tree import lineage_tree
from feature_platform.pipelines.plan import stale_assets
from feature_platform.serving.catalogue import catalogue_of
from feature_platform.serving.request_log import LoggedAnswer, RequestLog
from feature_platform_tests.shop import at, customer, daily, last_order, source
from feature_platform_tests.verification.test_consistency import NOW, published
from feature_platform_tests.verification.test_skew import ask

Asked = Mapping[str, Sequence[object]]


def shop(outside: str = "clip", rows: pl.DataFrame | None = None) -> fp.FeatureService:
    """The last order of who asks and of a friend, and a field from 0 to 100 of a small type."""
    last = last_order(source(daily() if rows is None else rows))
    level: Any = fp.Field(pl.Int8, between=(0, 100), outside=outside)  # type: ignore[arg-type]

    @fp.on_demand(inputs=[last, fp.Request({"level": level})])
    def over(row: fp.Row) -> dict[str, pl.Expr]:
        return {"over": row["last_order.last_amount"] > row["level"]}

    return fp.FeatureService("shop", [last, last.alias("friend", keys={"customer": "friend"}), over])


def log(store: fp.OfflineStore, *asked: tuple[datetime, Asked]) -> None:
    """Write requests into the log, as the server does once it has answered them."""
    with RequestLog(store, sample=1.0, flush_seconds=60) as requests:
        for number, (now, who) in enumerate(asked):
            height = len(next(iter(who.values())))
            row = json.dumps({"values": [1.0], "statuses": ["PRESENT"], "event_times": [None]}).encode()
            rows = b",".join([row] * height)
            requests.record(LoggedAnswer(f"r{number}", "shop", now, json.dumps(who).encode(), ["x"], rows, {}))


def who(customers: Sequence[object], levels: Sequence[object], friend: object = "bob") -> Asked:
    return {"customer": customers, "friend": [friend] * len(customers), "level": levels}


def made(spine: fp.Spine, store: fp.OfflineStore) -> pl.DataFrame:
    fp.materialize(spine, store)
    return store.read(spine.asset).collect()


@pytest.fixture
def asked(store: fp.OfflineStore) -> fp.OfflineStore:
    """A store with the views of the shop."""
    for view in shop().stored_views:
        fp.materialize(view, store)
    return store


def test_each_entity_that_was_asked_is_a_row_clipped_as_its_answer_was(asked: fp.OfflineStore) -> None:
    log(asked, (at(3), who(["ann", None], [50, 1000])), (at(2), who(["bob"], [-3])), (at(4), who(["ann"], [None])))
    published = fp.materialize(fp.Spine.requests("asked", service=shop()), asked)
    found = asked.read("spines/asked").collect()

    assert found.rows() == [
        (at(2), "bob", "bob", 0),
        (at(3), None, "bob", 100),
        (at(3), "ann", "bob", 50),
        (at(4), "ann", "bob", None),
    ]
    assert found.columns == ["event_timestamp", "customer", "friend", "level"]
    assert found.schema["level"] == pl.Int8
    assert published["spines/asked"].candidate.notes["request_values_clipped"] == 2
    assert dict(asked.partition_states("spines/asked")[""].inputs) == {"requests/shop": 0}


def test_what_was_asked_twice_at_one_moment_is_one_row_and_another_field_another(asked: fp.OfflineStore) -> None:
    log(asked, (at(3), who(["ann", "ann", "ann"], [1, 1, 2])), (at(3), who(["ann"], [1])), (at(4), who(["ann"], [1])))

    found = made(fp.Spine.requests("asked", service=shop()), asked)

    assert found.select("event_timestamp", "level").rows() == [(at(3), 1), (at(3), 2), (at(4), 1)]


def test_without_a_log_there_are_no_rows_until_somebody_asks(asked: fp.OfflineStore) -> None:
    spine = fp.Spine.requests("asked", service=shop())
    project = Project("shop", fp.Partitions(), order_declarations([spine]))

    def due() -> dict[str, str]:
        return {each.asset: each.reasons[""] for each in stale_assets(project, asked) if each.asset == spine.asset}

    assert due() == {"spines/asked": "never materialized"}
    empty = made(spine, asked)
    assert (empty.height, empty.columns) == (0, ["event_timestamp", "customer", "friend", "level"])
    assert due() == {}
    log(asked, (at(3), who(["ann"], [1])))
    assert due() == {"spines/asked": "requests/shop changed"}
    assert made(spine, asked).schema == empty.schema
    assert due() == {}
    asked.maintain("requests/shop")  # other files, the same rows
    assert due() == {}
    log(asked, (at(3, 5), who(["ann"], [1])))  # of the same day: a run takes it in, and it asks for none
    assert due() == {}
    assert made(spine, asked).height == 2
    log(asked, (at(4), who(["ann"], [1])))
    assert due() == {"spines/asked": "requests/shop changed"}
    assert made(spine, asked).height == 3
    assert due() == {}


def test_requests_that_add_no_row_do_not_leave_a_spine_due(asked: fp.OfflineStore) -> None:
    log(asked, (at(3), who(["ann"], [1])), (at(9), who(["bob"], [1])))
    spine = fp.Spine.requests("asked", service=shop(), share=0.001)
    project = Project("shop", fp.Partitions(), order_declarations([spine]))
    assert made(spine, asked).height == 0
    log(asked, (at(12), who(["ann"], [1])))
    assert [each.asset for each in stale_assets(project, asked)] == ["spines/asked"]
    assert made(spine, asked).height == 0

    assert stale_assets(project, asked) == []


def test_a_log_that_was_made_anew_is_read_again(asked: fp.OfflineStore) -> None:
    spine = fp.Spine.requests("asked", service=shop())
    for day in (2, 3, 4):
        log(asked, (at(day), who(["ann"], [1])))
    made(spine, asked)
    asked.drop("requests/shop")
    log(asked, (at(9), who(["bob"], [1])))
    project = Project("shop", fp.Partitions(), order_declarations([spine]))

    assert "spines/asked" in [each.asset for each in stale_assets(project, asked)]
    assert made(spine, asked)["event_timestamp"].to_list() == [at(9)]


def test_a_larger_share_holds_the_smaller_one_and_requests_of_later_swap_none(asked: fp.OfflineStore) -> None:
    def chosen(share: float) -> set[tuple[object, ...]]:
        return set(made(fp.Spine.requests("asked", service=shop(), share=share), asked).rows())

    log(asked, (at(1), who([f"c{n}" for n in range(200)], [n % 50 for n in range(200)])))
    few, more = chosen(0.2), chosen(0.5)
    log(asked, (at(2), who([f"c{n}" for n in range(200)], [1] * 200)))

    assert 20 < len(few) < 60
    assert few < more
    assert {row for row in chosen(0.2) if row[0] == at(1)} == few


def test_requests_that_the_service_of_today_refuses_are_named_and_left_out_by_their_time(
    asked: fp.OfflineStore,
) -> None:
    log(asked, (at(1), who(["ann"], [101])), (at(2), who(["bob"], [7])))
    strict = shop("refuse")

    with pytest.raises(OutsideBounds, match="`level`"):
        made(fp.Spine.requests("asked", service=strict), asked)
    assert not asked.exists("spines/asked")
    assert made(fp.Spine.requests("asked", service=strict, since=at(2)), asked)["customer"].to_list() == ["bob"]


def test_keys_are_of_the_type_of_their_views_however_they_came(store: fp.OfflineStore) -> None:
    numbers = pl.col("customer").replace_strict({"ann": 1, "bob": 2}, return_dtype=pl.Int32)
    service = shop(rows=daily().with_columns(numbers))
    log(store, (at(3), who(["1", 2, 3.0], [1, 1, 1], friend="2")))
    spine = fp.Spine.requests("asked", service=service)

    assert made(spine, store).select("customer", "friend").rows() == [(1, 2), (2, 2), (3, 2)]
    log(store, (at(4), who(["eve"], [1], friend=2)))
    with pytest.raises(InvalidKey, match="Spine `asked`: the request log of `shop`"):
        made(spine, store)


def test_labels_of_what_was_asked_wait_until_they_are_final(asked: fp.OfflineStore) -> None:
    service = shop()
    read = service.views[0].source
    assert isinstance(read, fp.Source)

    @fp.label(entity=customer, source=read, aggregations=[fp.Sum("amount", windows=["2d"])])
    def spent(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows

    spine = fp.Spine.requests("asked", service=service)
    training = fp.TrainingSet("outcomes", service=service, spine=spine, label=spent)
    made(spine, asked)
    assert fp.build_training_set(training, asked).manifest["rows"] == 0
    log(asked, (at(1), who(["ann", "eve"], [5, 200])), (at(4), who(["ann"], [5])))
    made(spine, asked)
    built = fp.build_training_set(training, asked)

    told = built.rows.select("customer", "level", "over", "amount_sum_next_2d", "label_known_at").collect().rows()
    assert told == [("ann", 5, True, 20.0, at(3)), ("eve", 100, None, 0.0, at(3))]
    assert built.manifest["rows_not_final"] == 1
    assert fp.incomplete_tables(training, asked) == ()
    log(asked, (at(5), who(["bob"], [5])))
    assert [str(each) for each in fp.incomplete_tables(training, asked)] == [
        "`spines/asked` (is stale: requests/shop changed)"
    ]


def test_the_features_of_what_was_asked_are_those_that_were_served(store: fp.OfflineStore, tmp_path: Path) -> None:
    online = fp.online.Lmdb(tmp_path / "online")
    service = published(store, online)
    asked_for: Asked = {"customer": ["ann", "bob"], "limit": [3.0, 50.0]}
    for name, moment in (("a", NOW), ("b", at(5, 20))):
        ask(service, store, online, name, now=moment, who=asked_for)
    spine = made(fp.Spine.requests("asked", service=service), store)
    logged = store.read("requests/shop").collect().sort("at")
    names = json.loads(logged["features"][0])
    served = [dict(zip(names, row, strict=True)) for text in logged["values"] for row in json.loads(text)]

    rows = fp.historical_features(service, spine, store).collect().sort("event_timestamp", "customer")

    assert rows.select(names).to_dicts() == served


def test_what_was_asked_comes_from_the_request_in_lineage_and_is_in_the_catalogue(store: fp.OfflineStore) -> None:
    spine = fp.Spine.requests("asked", service=shop())
    project = Project("shop", fp.Partitions(), order_declarations([spine]))
    declared = ProjectSchemas(store).schema_of(spine)
    assert str(lineage_tree(project, "spines/asked.level", store)).splitlines()[-1].strip("└─ ") == (
        "request.level  a field of the request"
    )
    made(spine, store)

    assert store.read("spines/asked").collect_schema() == declared
    online = fp.online.Lmdb(f"{store.root}/online")
    entry = next(each for each in catalogue_of(project, store, online) if each.asset == "spines/asked")
    assert (entry.rows, entry.newest) == (0, None)


REQUESTS = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.tuples(st.sampled_from(["ann", "bob", "é", None]), st.integers(-1, 3)))),
    max_size=5,
)


@given(REQUESTS)
@settings(max_examples=60, phases=[Phase.generate])
def test_law_the_rows_are_what_was_sent_in_the_order_of_the_log(sent: list[tuple[int, list[tuple[Any, int]]]]) -> None:
    rows = [
        (at(day), json.dumps({"who": [w for w, _ in some], "n": [n for _, n in some]}), json.dumps([["X"]] * len(some)))
        for day, some in sent
    ]
    logged = pl.DataFrame(rows, {"at": UTC, "entities": pl.String, "statuses": pl.String}, orient="row")

    found = read_asked_rows(logged, {"who": pl.String()}, {"n": pl.Int64(), "absent": pl.Date()}, "The log")

    expected = [(name, number, None, at(day)) for day, some in sent for name, number in some]
    schema: Any = {"who": pl.String, "n": pl.Int64, "absent": pl.Date, "event_timestamp": UTC}
    assert_frame_equal(found, pl.DataFrame(expected, schema, orient="row"))
