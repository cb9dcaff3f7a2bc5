"""A source written as a contract is valid by the schema of the standard, and read back it promises the same."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft201909Validator

import feature_platform as fp
from feature_platform.contracts.document import parse_yaml
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.sources.base import Connector
from feature_platform.quality import known_expectations
from feature_platform.quality.contract_breaches import find_breaches
from feature_platform.quality.contracts import contract_of
from feature_platform_tests.quality.test_expectations import CASES

SHIPPED = Draft201909Validator(json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text()))
TYPES: list[pl.DataType] = [
    *(pl.Int8(), pl.Int64(), pl.Float32(), pl.Float64(), pl.Decimal(10, 2), pl.String(), pl.Boolean(), pl.Binary()),
    *(pl.Date(), pl.Datetime("us"), pl.Datetime("us", "UTC"), pl.List(pl.Int64)),
    *(pl.Struct({"x": pl.Int64, "y": pl.List(pl.Struct({"z": pl.Date}))}),),
]
AT = pl.Datetime("us", "UTC")
FRAME = fp.sources.Frame(pl.DataFrame({"a": [1]}))


def expectation(kind: str, **words: Any) -> fp.Expect:
    return fp.Expect(kind, **words)


def read_back(source: fp.Source, schema: pl.Schema, file: Path) -> fp.Source:
    """The source that its contract makes; the contract is valid, and nothing of it is left out."""
    file.write_text(contract_of(source, schema))
    content = parse_yaml(file.read_text())
    assert list(SHIPPED.iter_errors(content)) == []
    return fp.Source.from_contract(file, source.connector)


def promises(source: fp.Source) -> dict[str, Any]:
    suite = json.loads(fp.suite_of(source.expectations, "s"))["expectations"]
    words = ("name", "event_time", "known_at", "freshness", "owner", "description")
    return {**{word: getattr(source, word) for word in words}, "rules": sorted(map(json.dumps, suite))}


def test_every_expectation_comes_back_as_it_was(tmp_path: Path) -> None:
    rules = [expectation(case.expect.type, name=f"n{n}", **case.expect.kwargs) for n, case in enumerate(CASES)]
    own = fp.Source("s", FRAME, expectations=rules)
    schema = pl.Schema({name: AT for case in CASES for name in case.expect.subject})

    assert {each.type for each in own.expectations} == set(known_expectations())
    assert promises(read_back(own, schema, tmp_path / "s.yaml")) == promises(own)


RULES: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.sampled_from([
    ("expect_column_values_to_not_be_null", {}),
    ("expect_column_values_to_not_be_null", {"mostly": 0.9}),
    ("expect_column_values_to_not_be_null", {"row_condition": 'col("c0") > 5'}),
    ("expect_column_values_to_be_unique", {}),
    ("expect_column_values_to_be_in_set", {"value_set": ["NO", "on", "1", 1, None, "2024-01-01"]}),
    ("expect_column_values_to_match_regex", {"regex": "^'\"\\\\d: #\n\t{}$"}),
])  # fmt: skip


@st.composite
def sources(draw: st.DrawFn) -> tuple[fp.Source, pl.Schema]:
    """A source over columns of any types, with rules of any severity, and the words of a source or none."""
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=5))
    schema = {f"c{n}": dtype for n, dtype in enumerate(types)}
    rules: dict[str, fp.Expect] = {}
    for (kind, words), column, severity, name in draw(
        st.lists(
            st.tuples(
                RULES,
                st.sampled_from(sorted(schema)),
                st.sampled_from(["critical", "warning", "info"]),
                st.none() | st.sampled_from(["x", "y"]),
            ),
            max_size=6,
        )
    ):
        rule = expectation(kind, severity=severity, name=name, column=column, **words)
        rules.setdefault(f"{rule.check_name}{words if name is None else ''}", rule)
    timed = draw(st.booleans())
    source = fp.Source(
        draw(st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)),
        FRAME,
        event_time="at" if timed else None,
        known_at="seen" if timed and draw(st.booleans()) else None,
        expectations=list(rules.values()),
        freshness=draw(st.none() | st.sampled_from(["90s", "15m", "36h", "48h", "7d", "2w"])),
        owner=draw(st.none() | st.sampled_from(["team:shop", "team: a # b", "ann.b@c.example"])),
        description=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
    )
    return source, pl.Schema({**schema, "at": AT, "seen": AT})


@given(sources())
def test_any_source_comes_back_and_keeps_its_own_contract(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[fp.Source, pl.Schema]
) -> None:
    own, schema = made
    read = read_back(own, schema, tmp_path_factory.mktemp("contract") / "s.yaml")

    assert promises(read) == promises(own)
    assert read.contract is not None
    assert find_breaches(read.contract, own, schema) == []


@pytest.mark.parametrize(
    ("connector", "server"),
    [
        (FRAME, None),
        (fp.sources.Csv("data/*.csv"), {"type": "local", "path": "data/*.csv", "format": "csv"}),
        (fp.sources.Delta("lake/orders"), {"type": "local", "path": "lake/orders", "format": "delta"}),
        (fp.sources.Call(pl.DataFrame), None),
        (
            fp.sources.Parquet(
                fp.sources.ObjectStore("s3://lake", secrets={"aws_secret_access_key": fp.Secret("K")}) / "a"
            ),
            {"type": "s3", "location": "s3://lake/a", "format": "parquet"},
        ),
        (
            fp.sources.Parquet(fp.sources.ObjectStore("gs://lake") / "a"),
            {"type": "custom", "location": "gs://lake/a", "format": "parquet"},
        ),
        (
            fp.sources.Database("postgresql://reader@db.internal/shop", table="sales.orders"),
            {"type": "postgres", "host": "db.internal", "port": 5432, "database": "shop", "schema": "sales"},
        ),
        (
            fp.sources.Database("mysql+pymysql://reader@db.internal/shop", table="orders"),
            {"type": "custom", "location": "mysql+pymysql://db.internal/shop", "format": "database"},
        ),
    ],
    ids=["memory", "csv", "delta", "function", "s3", "gcs", "postgres", "mariadb"],
)
def test_where_the_data_is_is_a_hint_without_secrets(connector: Connector, server: dict[str, Any] | None) -> None:
    content = parse_yaml(contract_of(fp.Source("s", connector), pl.Schema({"a": pl.Int64()})))

    assert isinstance(content, dict)
    assert content.get("servers") == (None if server is None else [{"server": "raw", **server}])
    assert list(SHIPPED.iter_errors(content)) == []


def test_the_user_in_an_address_is_not_written() -> None:
    class Elsewhere(Connector):
        kind = "elsewhere"
        location = "db://reader:pass@host/shop?password=word"

        def open(self, owner: str) -> Any:
            raise NotImplementedError

    written = contract_of(fp.Source("s", Elsewhere()), pl.Schema({"a": pl.Int64()}))

    assert "location: db://host/shop\n" in written
    assert not {"reader", "pass", "word"} & set(written.replace("/", " ").replace(":", " ").split())


def test_what_cannot_be_written_is_named() -> None:
    rule = fp.Expect("expect_column_values_to_be_between", column="a", max_value=b"x")

    with pytest.raises(InvalidDeclaration, match="cannot be written in JSON: `max_value`"):
        contract_of(fp.Source("s", FRAME, expectations=[rule]), pl.Schema({"a": pl.Int64()}))
