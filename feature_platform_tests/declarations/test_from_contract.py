"""A contract of somebody else as a source: what it says in its words is expected, and the rest is listed."""

import json
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import ContractPartlyMapped, ContractRefused, FeaturePlatformError

HEAD = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "a", "version": "1.1.0", "status": "active"}
HERE = fp.sources.Frame(pl.DataFrame({"at": []}))
FOREIGN = """
apiVersion: v3.1.0
kind: DataContract
id: 53581432-6c55-4ba2-a65f-72344a91553a
version: 1.1.0
status: active
name: seller payments
servers: [{server: prod, type: postgres, host: db.internal, port: 5432, database: pay, schema: public}]
team: {name: payments, members: [{username: ceastwood, role: Data Scientist, dateIn: 2022-08-02}]}
price: {priceAmount: 9.95, priceCurrency: USD}
slaProperties:
  - {property: retention, value: 3, unit: y}
  - {property: latency, value: 1.5, unit: d, element: payments.at}
schema:
  - name: payments
    physicalName: payments_1
    description: What sellers are paid.
    quality:
      - {metric: rowCount, mustBeGreaterThan: 100, severity: warning}
      - {type: sql, query: select count(*) from payments where amount < 0, mustBe: 0}
    properties:
      - {name: id, logicalType: integer, primaryKey: true, required: true, quality: [{metric: nullValues, mustBe: 0}]}
      - {name: at, logicalType: timestamp, required: true}
      - name: country
        physicalName: cc
        logicalType: string
        classification: public
        logicalTypeOptions: {minLength: 2, maxLength: 2, pattern: "^[A-Z]{2}$"}
        quality:
          - {metric: invalidValues, arguments: {validValues: [NO, DE]}, mustBe: 0, severity: info}
          - {metric: nullValues, mustBeLessOrEqualTo: 7, unit: percent}
          - {type: text, description: be nice}
          - type: custom
            engine: great-expectations
            implementation: |
              type: expect_column_values_to_match_like_pattern
              kwargs: {column: country, likePattern: "D%"}
      - {name: amount, logicalType: number, logicalTypeOptions: {minimum: 0, exclusiveMaximum: 1e6, multipleOf: 0.01}}
"""


def write(folder: Path, content: Any) -> Path:
    file = folder / "payments.yaml"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def source_of(folder: Path, content: Any, **words: Any) -> fp.Source:
    """The source, and nothing that is left out unsaid: the warning is looked at by tests that are about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ContractPartlyMapped)
        return fp.Source.from_contract(write(folder, content), HERE, **words)


def about(*columns: dict[str, Any], **words: Any) -> dict[str, Any]:
    """A contract of one table."""
    return {**HEAD, "schema": [{"name": "payments", "properties": list(columns)}], **words}


def gx(implementation: object) -> dict[str, Any]:
    """A check in the words of Great Expectations."""
    return {"type": "custom", "engine": "greatExpectations", "implementation": implementation}


def percent(metric: str, **limit: Any) -> dict[str, Any]:
    """A check of a share of the rows."""
    return {"metric": metric, "unit": "percent", **limit}


NOT_NULL, IN_SET, MATCHES = "column_values_to_not_be_null", "column_values_to_be_in_set", "column_values_to_match_regex"
TWO = {"validValues": [1], "pattern": "1"}


def rules(source: fp.Source) -> list[tuple[str, dict[str, Any], str]]:
    return [(each.type.removeprefix("expect_"), dict(each.kwargs), each.severity) for each in source.expectations]


def rules_of_check(folder: Path, **check: Any) -> list[tuple[str, dict[str, Any]]]:
    source = source_of(folder, about({"name": "a", "quality": [check]}, {"name": "b"}))
    assert bool(source.expectations) != bool(source.contract and source.contract.left_out)
    return [(kind, kwargs) for kind, kwargs, _ in rules(source)]


def test_a_foreign_contract_is_a_source_with_its_expectations(tmp_path: Path) -> None:
    source = source_of(tmp_path, FOREIGN, event_time="at")

    assert (source.name, source.event_time, source.freshness) == ("payments", "at", "36h")
    assert (source.owner, source.description) == ("team:payments", "What sellers are paid.")
    assert rules(source) == [
        ("table_row_count_to_be_between", {"min_value": 101}, "warning"),
        ("column_values_to_not_be_null", {"column": "id"}, "critical"),
        ("column_values_to_be_in_set", {"column": "cc", "value_set": ["NO", "DE"]}, "info"),
        ("column_values_to_not_be_null", {"column": "cc", "mostly": 0.93}, "critical"),
        ("column_values_to_match_like_pattern", {"column": "cc", "like_pattern": "D%"}, "critical"),
        ("column_values_to_not_be_null", {"column": "at"}, "critical"),
        ("column_value_lengths_to_be_between", {"column": "cc", "min_value": 2, "max_value": 2}, "critical"),
        ("column_values_to_match_regex", {"column": "cc", "regex": "^[A-Z]{2}$"}, "critical"),
        ("column_values_to_be_between", {"column": "amount", "min_value": 0}, "critical"),
        ("column_values_to_be_between", {"column": "amount", "max_value": 1e6, "strict_max": True}, "critical"),
        ("column_values_to_be_unique", {"column": "id"}, "critical"),
    ]


def test_what_has_no_expectation_is_told_once_and_kept(tmp_path: Path) -> None:
    with pytest.warns(ContractPartlyMapped) as told:
        source = fp.Source.from_contract(write(tmp_path, FOREIGN), HERE, event_time="at")

    assert source.contract is not None
    assert set(source.contract.left_out) == {
        "team.members",
        "price",
        "slaProperties[0]",
        "schema[0].quality[1]",
        "schema[0].properties[2].classification",
        "schema[0].properties[2].quality[2]",
        "schema[0].properties[3].logicalTypeOptions.multipleOf",
    }
    assert source.contract.left_out["schema[0].quality[1]"]["type"] == "sql"
    assert [each["host"] for each in source.contract.servers] == ["db.internal"]
    [warning] = told
    assert warning.filename == __file__
    assert "has 7 field(s) that the platform does not act on: " in str(warning.message)


def test_what_the_user_says_is_taken_and_expectations_are_added_once(tmp_path: Path) -> None:
    own = [
        fp.Expect("expect_column_values_to_not_be_null", severity="info", column="id"),
        fp.Expect("expect_column_to_exist", column="at"),
    ]
    source = source_of(
        tmp_path,
        FOREIGN,
        name="pay",
        event_time="at",
        owner="a@b.c",
        freshness="1h",
        description="Ours.",
        expectations=own,
    )

    assert (source.name, source.owner, source.freshness, source.description) == ("pay", "a@b.c", "1h", "Ours.")
    assert rules(source)[-1] == ("column_to_exist", {"column": "at"}, "critical")
    assert len(source.expectations) == 12


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({"metric": "nullValues", "mustBe": 0}, [("column_values_to_not_be_null", {"column": "a"})]),
        ({"metric": "nullValues", "mustBeLessThan": 1}, [("column_values_to_not_be_null", {"column": "a"})]),
        ({"metric": "nullValues", "mustBeLessOrEqualTo": 5, "unit": "rows"}, []),
        ({"metric": "nullValues", "mustBeGreaterThan": 0}, []),
        ({"metric": "nullValues", "mustBe": False}, []),
        ({"metric": "nullValues", "mustBe": 0, "arguments": {"where": "b > 1"}}, []),
        (percent("nullValues", mustBeBetween=[0, 10]), [(NOT_NULL, {"column": "a", "mostly": 0.9})]),
        (percent("nullValues", mustBeLessThan=1), [(NOT_NULL, {"column": "a", "mostly": 0.9900000000000001})]),
        (percent("nullValues", mustBeLessThan=100), []),
        ({"metric": "duplicateValues", "mustBe": 0}, [("column_values_to_be_unique", {"column": "a"})]),
        (
            {"metric": "duplicateValues", "mustBe": 0, "arguments": {"properties": ["a", "b"]}},
            [("compound_columns_to_be_unique", {"column_list": ["a", "b"]})],
        ),
        (
            {"metric": "invalidValues", "mustBe": 0, "arguments": TWO},
            [(IN_SET, {"column": "a", "value_set": [1]}), (MATCHES, {"column": "a", "regex": "1"})],
        ),
        (percent("invalidValues", mustBeLessThan=1, arguments=TWO), []),
        ({"metric": "invalidValues", "mustBe": 0, "arguments": {"pattern": "(?=a)"}}, []),
        ({"metric": "missingValues", "mustBe": 0, "arguments": {"missingValues": [""]}}, []),
        ({"metric": "rowCount", "mustBe": 1}, []),
        ({"type": "text", "description": "be nice"}, []),
        ({"type": "custom", "engine": "soda", "implementation": "x"}, []),
        (
            gx({"type": "expect_column_max_to_be_between", "kwargs": {"maxValue": 3}}),
            [("column_max_to_be_between", {"column": "a", "max_value": 3})],
        ),
    ],
)
def test_a_check_is_an_expectation_that_says_the_same_or_none(
    check: dict[str, Any], expected: list[tuple[str, dict[str, Any]]], tmp_path: Path
) -> None:
    assert rules_of_check(tmp_path, **check) == expected


@pytest.mark.parametrize(
    ("limit", "kwargs"),
    [
        ({"mustBe": 3}, {"value": 3}),
        ({"mustBeGreaterThan": 3}, {"min_value": 4}),
        ({"mustBeGreaterOrEqualTo": 2.5}, {"min_value": 3}),
        ({"mustBeLessThan": 3}, {"max_value": 2}),
        ({"mustBeLessOrEqualTo": 3.5}, {"max_value": 3}),
        ({"mustBeBetween": [2, 5]}, {"min_value": 2, "max_value": 5}),
        ({"mustNotBe": 3}, None),
        ({"mustNotBeBetween": [2, 5]}, None),
        ({"mustBe": 2.5}, None),
        ({"mustBe": "many"}, None),
        ({"mustBeLessThan": 3, "unit": "percent"}, None),
    ],
)
def test_a_number_of_rows_has_whole_bounds(
    limit: dict[str, Any], kwargs: dict[str, Any] | None, tmp_path: Path
) -> None:
    table = {"name": "payments", "quality": [{"metric": "rowCount", **limit}]}
    source = source_of(tmp_path, {**HEAD, "schema": [table]})

    assert [each.kwargs for each in source.expectations] == ([] if kwargs is None else [kwargs])


@pytest.mark.parametrize(
    ("column", "kwargs"),
    [
        ({"logicalType": "date", "logicalTypeOptions": {"minimum": "2024-01-01"}}, {"min_value": "2024-01-01"}),
        ({"logicalType": "date", "logicalTypeOptions": {"minimum": "01/02/2024"}}, None),
        ({"logicalType": "string", "logicalTypeOptions": {"pattern": "(?=a)"}}, None),
        ({"enum": [{"value": "a"}, {"value": "b"}]}, {"value_set": ["a", "b"]}),
        ({"primaryKey": True}, {}),
    ],
)
def test_what_a_column_says_of_its_values_is_expected_or_told(
    column: dict[str, Any], kwargs: dict[str, Any] | None, tmp_path: Path
) -> None:
    source = source_of(tmp_path, about({"name": "a", **column}))

    assert [each.kwargs for each in source.expectations] == ([] if kwargs is None else [{"column": "a", **kwargs}])
    assert source.contract is not None
    assert bool(source.contract.left_out) == (kwargs is None)


def test_a_key_of_several_columns_is_unique_together(tmp_path: Path) -> None:
    columns = [{"name": name, "primaryKey": True, "primaryKeyPosition": n} for name, n in (("b", 2), ("a", 1))]

    assert rules(source_of(tmp_path, about(*columns))) == [
        ("compound_columns_to_be_unique", {"column_list": ["a", "b"]}, "critical")
    ]


def test_a_rule_said_twice_is_kept_once_with_the_worst_severity(tmp_path: Path) -> None:
    column = {"name": "a", "required": True, "quality": [{"metric": "nullValues", "mustBe": 0, "severity": "warning"}]}

    assert rules(source_of(tmp_path, about(column))) == [("column_values_to_not_be_null", {"column": "a"}, "critical")]


@pytest.mark.parametrize(
    ("value", "unit", "freshness"),
    [
        *(
            (4, "d", "4d"),
            (4, None, "4d"),
            ("4", "hours", "4h"),
            (1.5, "h", "90m"),
            (90_000, "s", "90000s"),
            (2, "weeks", "2w"),
        ),
        *((4, "m", None), (1, "y", None)),
    ],
)
def test_a_latency_is_a_freshness_where_its_unit_is_sure(
    value: object, unit: str | None, freshness: str | None, tmp_path: Path
) -> None:
    level = {"property": "latency", "value": value, **({} if unit is None else {"unit": unit})}
    source = source_of(tmp_path, about({"name": "a"}, slaProperties=[level]))

    assert source.freshness == freshness
    assert source.contract is not None
    assert bool(source.contract.left_out) == (freshness is None)


@pytest.mark.parametrize(
    "team", [{"members": [{"username": "a@b.c", "role": "Data Owner"}]}, [{"username": "a@b.c", "role": "owner"}]]
)
def test_a_member_who_owns_the_data_is_its_owner(team: object, tmp_path: Path) -> None:
    assert source_of(tmp_path, about({"name": "a"}, team=team)).owner == "a@b.c"


CLOCK = [{"property": "featurePlatform.clock", "value": "event_time"}]


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        ({**HEAD}, {}, "`schema`, names no table"),
        (about({"name": "a"}), {"table": "b"}, "`schema`, has the tables payments, and not one `b`"),
        ({**HEAD, "schema": [{"name": "x"}, {"name": "y"}]}, {}, "`schema`, has the tables x, y"),
        (about({"name": "a"}, {"name": "a"}), {}, "`schema[0].properties[1].name`, has the column `a` twice"),
        (about({"name": "a"}), {"event_time": "at"}, "`payments.at`, is no column of the contract"),
        (about({"name": "a", "logicalType": "date"}), {"event_time": "a"}, "`payments.a`, is of type date"),
        (
            about({"name": "a", "customProperties": [{"property": "featurePlatform.clock", "value": "now"}]}),
            {},
            "`schema[0].properties[0].customProperties`, says featurePlatform.clock: now",
        ),
        (
            about({"name": "a", "customProperties": CLOCK}, {"name": "b", "customProperties": CLOCK}),
            {},
            "`schema[0].properties[1].customProperties`, says featurePlatform.clock: event_time",
        ),
        (
            about({"name": "a", "quality": [gx({"type": "expect_column_to_be", "kwargs": {"column": "b"}})]}),
            {},
            "`schema[0].properties[0].quality[0]`, is about the column `b`, which the table does not have. It has a.",
        ),
        (
            about({"name": "a", "quality": [gx({"type": "beMore"})]}),
            {},
            "`schema[0].properties[0].quality[0].implementation`, is no expectation",
        ),
        (
            about({"name": "a", "quality": [gx({"type": "expect_a", "kwargs": {"severity": 1}})]}),
            {},
            "`schema[0].properties[0].quality[0].implementation`, is no expectation",
        ),
        (
            about({"name": "a", "quality": [gx("a: [")]}),
            {},
            "`schema[0].properties[0].quality[0].implementation`, is no plain YAML",
        ),
        (
            about({"name": "a"}, slaProperties=[{"property": "latency", "value": "soon"}]),
            {},
            "`slaProperties[0].value`, is 'soon', no length of time",
        ),
        (
            about({"name": "a"}, slaProperties=[{"property": "latency", "value": 1e9, "unit": "weeks"}]),
            {},
            "`slaProperties[0].value`, is 1000000000.0, no length of time",
        ),
    ],
)
def test_what_cannot_be_is_one_error_that_names_the_file_and_the_field(
    content: dict[str, Any], words: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ContractRefused) as refused:
        source_of(tmp_path, content, **words)

    assert str(refused.value).startswith(f"Data contract {tmp_path / 'payments.yaml'}, {said}")


def test_the_name_of_a_table_that_can_be_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeaturePlatformError, match="has a name that cannot be an asset key"):
        source_of(tmp_path, {**HEAD, "schema": [{"name": "our payments"}]})


def test_a_clock_that_prepare_makes_need_not_be_in_the_contract(tmp_path: Path) -> None:
    def with_clock(raw: pl.LazyFrame) -> pl.LazyFrame:
        """Payments at an instant."""
        return raw.with_columns(at=pl.col("a").str.to_datetime())

    assert source_of(tmp_path, about({"name": "a"}), event_time="at", prepare=with_clock).event_time == "at"


def test_one_table_of_several_is_read_without_a_word_of_the_others(tmp_path: Path) -> None:
    tables = [{"name": "x", "tags": ["t"]}, {"name": "y", "properties": [{"name": "a"}]}]
    source = source_of(tmp_path, {**HEAD, "schema": tables}, table="y")

    assert source.contract is not None
    assert (source.name, source.contract.left_out) == ("y", {})
