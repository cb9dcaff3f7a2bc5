"""JSON files: lines and arrays, declared and inferred columns, and what Polars alone would do without a word."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, NoRowsYet, SourceUnreadable
from feature_platform.parts.sources import Json
from feature_platform.parts.sources import json as json_source
from feature_platform_tests.compute.drawn import DRAWN

AT = pl.Datetime("us", "UTC")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, *lines: object) -> Path:
        texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        (tmp_path / name).write_text("".join(f"{text}\n" for text in texts))
        return tmp_path / name

    return written


def read(path: Path, **words: Any) -> pl.DataFrame:
    return Json(path, **words).scan("clicks").collect()


def refused(path: Path, **words: Any) -> str:
    """What a run says of a file."""
    source = fp.Source("clicks", Json(path, **words), event_time=None, partitioned=False)
    with pytest.raises(SourceUnreadable) as raised:
        fp.materialize(source, fp.OfflineStore(path.parent / "store"))
    return str(raised.value)


SAME = {"n": pl.Int64(), "x": pl.Float64(), "b": pl.Boolean(), "t": pl.String()}
OBJECT = st.fixed_dictionaries(
    {},
    optional={
        "n": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "x": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
        "b": st.one_of(st.none(), st.booleans()),
        "t": st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))),
    },
)


@DRAWN
@given(st.lists(OBJECT, min_size=1), st.booleans(), st.sampled_from([None, 1]))
def test_every_value_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]], array: bool, indent: int | None
) -> None:
    folder = tmp_path_factory.mktemp("json")
    text = json.dumps(rows, indent=indent) if array else "".join(f"{json.dumps(row)}\n" for row in rows)
    (folder / "rows.json").write_text(text)
    found = read(folder / "rows.json", schema=SAME)
    assert found.to_dicts() == [{name: row.get(name) for name in SAME} for row in rows]


def test_lines_arrays_and_compressed_files_are_read_alike(write: Write, tmp_path: Path) -> None:
    write("a.ndjson", {"x": 1}, {"x": 2})
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(b'[\n{"x": 3},\n{"x":\n4}]\n'))
    (tmp_path / "c.jsonl").write_text("  \n\n")
    assert read(tmp_path)["x"].to_list() == [1, 2, 3, 4]
    assert read(tmp_path, schema={"x": pl.Int8}).schema == {"x": pl.Int8}


def test_a_type_or_a_field_that_shows_late_is_seen(write: Write) -> None:
    file = write("late.ndjson", *[{"a": 1}] * 2000, {"a": 2.5, "b": "new"})
    assert read(file).schema == {"a": pl.Float64, "b": pl.String}


def test_times_need_a_zone(write: Write) -> None:
    texts = ["2024-05-01T10:00:00Z", "2024-05-01 10:00:00.5+02:00", "2024-05-01t10:00:00.123456789-0530", None]
    file = write("times.ndjson", *({"at": text} for text in texts))
    assert read(file, schema={"at": AT})["at"].to_list() == [
        datetime(2024, 5, 1, 10, tzinfo=UTC),
        datetime(2024, 5, 1, 8, 0, 0, 500_000, tzinfo=UTC),
        datetime(2024, 5, 1, 15, 30, 0, 123_456, tzinfo=UTC),
        None,
    ]
    tokyo = read(file, schema={"at": pl.Datetime("ms", "Asia/Tokyo")})
    assert tokyo["at"][0] == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert tokyo.schema == {"at": pl.Datetime("ms", "Asia/Tokyo")}
    for text in ("2024-05-01T10:00:00", 1714557600, "yesterday"):
        assert "wrong.ndjson, line 2" in refused(
            write("wrong.ndjson", {"at": texts[0]}, {"at": text}), schema={"at": AT}
        )


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (pl.Int64, 1.5), (pl.Int64, "12"), (pl.Int64, 2**63), (pl.Int8, 300), (pl.UInt8, -1), (pl.Float64, "1"),
        (pl.Boolean, 1), (pl.Date, "x"), (pl.List(pl.Int64), [1, 2.5]), (pl.Struct({"a": pl.Int64}), {"a": "x"}),
    ],
)  # fmt: skip
def test_a_value_that_its_type_cannot_hold_is_refused_with_its_line(
    write: Write, dtype: pl.DataType, value: object
) -> None:
    message = refused(write("rows.ndjson", {"v": None}, {"v": None}, {"v": value}), schema={"v": dtype})
    assert message.startswith("Source `clicks` cannot be read from")
    assert "rows.ndjson, line 3: " in message


@pytest.mark.parametrize(
    "line", ['{"a": 2', "[1]", "3", '{"a": NaN}', '{"a": 1} {"a": 2}', "nonsense"],
)  # fmt: skip
@pytest.mark.parametrize("words", [{}, {"schema": {"a": pl.Int64}}], ids=["inferred", "declared"])
def test_a_line_that_is_no_object_is_refused_with_its_number(write: Write, line: str, words: dict[str, Any]) -> None:
    assert "rows.ndjson, line 2: " in refused(write("rows.ndjson", {"a": 1}, line, {"a": 3}), **words)


def test_fields_that_the_schema_does_not_name_are_refused_at_any_depth(write: Write) -> None:
    schema = {"user": pl.String, "page": pl.Struct({"id": pl.Int64}), "tags": pl.List(pl.Struct({"k": pl.String}))}
    rows = [{"user": "ann", "page": {"id": 1}}] * 200
    file = write("rows.ndjson", *rows, {"user": "bob", "age": 3, "page": {"id": 2, "of": 3}, "tags": [{"v": 1}]})
    message = refused(file, schema=schema)
    assert "rows.ndjson: it has fields that the schema does not name: age, page.of, tags.v" in message
    assert read(file, schema=schema, extra="ignore").height == 201


def test_files_with_other_fields_are_put_together_and_none_is_dropped(write: Write, tmp_path: Path) -> None:
    write("1.ndjson", {"a": 1})
    write("2.ndjson", {"a": 2, "b": "x"})
    assert read(tmp_path).to_dicts() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]
    assert "2.ndjson has b: String where" in refused(tmp_path / "*.ndjson", new_columns="refuse")
    write("3.ndjson", {"b": "y"})
    assert "3.ndjson has no such column where" in refused(tmp_path / "*.ndjson")
    assert read(tmp_path, schema={"a": pl.Int64, "b": pl.String})["a"].to_list() == [1, 2, None]


def test_files_without_a_row_say_nothing(write: Write, tmp_path: Path) -> None:
    write("1.ndjson")
    with pytest.raises(NoRowsYet):
        read(tmp_path)
    assert read(tmp_path, schema={"a": pl.Int64}).schema == {"a": pl.Int64}


def test_lines_without_text_are_counted_and_are_not_what_is_wrong(write: Write) -> None:
    assert "rows.ndjson, line 4: " in refused(write("rows.ndjson", "", "", {"a": 1}, "nonsense"))


def test_an_array_that_is_too_long_is_refused_with_the_way_out(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_source, "_ARRAY_BYTES", 10)
    file = write("rows.json", json.dumps([{"a": number} for number in range(20_000)]))
    assert "it is one array of over 256 MB. Write one object a line instead" in refused(file)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16")], ids=["BOM", "UTF-16"])
def test_other_text_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.json").write_bytes(content)
    assert "Make it UTF-8" in refused(tmp_path / "rows.json")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({"schema": {"a": pl.Decimal(10, 2)}}, "column `a` of type Decimal"),
        ({"schema": {"a": pl.Datetime("us")}}, "column `a` of type Datetime"),
        ({"schema": {"a": pl.List(pl.Int8)}}, "column `a` of type List"),
        ({"schema": {}}, "a schema without columns"),
        ({"schema": ["a"]}, "has schema="),
        ({"extra": "drop"}, "has extra='drop'"),
    ],
)
def test_words_that_cannot_be_kept_are_refused(words: dict[str, Any], found: str) -> None:
    with pytest.raises(InvalidDeclaration, match=found):
        Json("rows.json", **words)


def test_a_folder_is_followed_by_day(write: Write, tmp_path: Path, store: fp.OfflineStore) -> None:
    for day in range(1, 4):
        write(f"{day}.ndjson", {"user": "ann", "at": f"2024-05-0{day}T10:00:00Z"})
    source = fp.Source("clicks", Json(tmp_path / "*.ndjson", schema={"user": pl.String, "at": AT}), event_time="at")
    fp.materialize(source, store)
    write("4.ndjson", {"user": "bob", "at": "2024-05-02T11:00:00Z"})
    assert fp.materialize(source, store)["sources/clicks"].commit.changed == ("2024-05-02",)
    assert store.read("sources/clicks").collect().height == 4
