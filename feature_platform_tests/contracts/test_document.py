"""A contract as a file: plain YAML of a known version that is valid, or one error that names the file and the field."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft201909Validator

from feature_platform.contracts.document import load_document, parse_yaml, print_document
from feature_platform.ground.errors import ContractRefused, PackageMissing

HEAD = "apiVersion: v3.1.0\nkind: DataContract\nid: a\nversion: 1.0.0\n"
COLUMN = "schema: [{name: t, properties: [{name: a, %s}]}]\n"


def refusal(folder: Path, text: str | bytes) -> str:
    """What is said against a contract."""
    file = folder / "orders.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ContractRefused) as refused:
        load_document(file)
    assert str(refused.value).startswith(f"Data contract {file}")
    assert "\n" not in str(refused.value)
    return str(refused.value).removeprefix(f"Data contract {file}").lstrip(", ")


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        (b"\xff\xfe\x00", "is not UTF-8"),
        ("a: [", "is no plain YAML: while parsing"),
        ("", "holds no keys and values"),
        ("- a", "holds no keys and values"),
        ("a: 1\n---\nb: 2", "is no plain YAML"),
        ("a: 1\na: 2", "is no plain YAML: the key 'a' is there twice"),
        ("1: a", "is no plain YAML: the key 1 is no text"),
        ("[a]: a", "is no plain YAML"),
        ("a: &x 1\nb: *x", "is no plain YAML: it refers to another place by an alias"),
        ("a: !!python/object/apply:os.system [ls]", "is no plain YAML: could not determine a constructor"),
        ("a: !!timestamp 2024-01-01", "is no plain YAML: could not determine a constructor"),
        ("[" * 5_000, "is no plain YAML"),
        ("kind: DataContract", "`apiVersion`, is missing. Bring it to one of v3.0.0, "),
        (HEAD.replace("v3.1.0", "v2.2.2"), "`apiVersion`, is 'v2.2.2'"),
        (HEAD.replace("v3.1.0", "[v3.1.0]"), "`apiVersion`, is ['v3.1.0']"),
        (HEAD.replace("kind: DataContract", "kind: Other"), "`kind`, is not valid: 'Other' is not one of"),
        (HEAD.replace("id: a\n", ""), "is not valid: 'id' is a required property"),
        (HEAD.replace("1.0.0", "1.0"), "`version`, is not valid: 1.0 is not of type 'string'"),
        (HEAD + "owner: me", "is not valid: Additional properties are not allowed ('owner' was unexpected)"),
        (HEAD + COLUMN % "required: yes", "`schema[0].properties[0].required`, is not valid: 'yes' is not of type"),
        (HEAD + COLUMN % "logicalType: text", "`schema[0].properties[0].logicalType`, is not valid: 'text' is not one"),
        (HEAD + COLUMN % "needed: true", "`schema[0].properties[0]`, is not valid: Unevaluated properties"),
        (
            HEAD + COLUMN % "quality: [{metric: nullValues}]",
            "`schema[0].properties[0].quality[0]`, is not valid: it needs one of mustBe, mustNotBe",
        ),
        (
            HEAD + COLUMN % "quality: [{metric: nullValues, mustBe: 0, mustBeLessThan: 1}]",
            "`schema[0].properties[0].quality[0]`, is not valid: it fits more than one form",
        ),
        (HEAD + "team: {name: 3}", "`team.name`, is not valid: 3 is not of type 'string'"),
    ],
)
def test_what_is_no_contract_is_one_error_that_names_file_and_field(
    text: str | bytes, begin: str, tmp_path: Path
) -> None:
    assert refusal(tmp_path, text).startswith(begin)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractRefused, match=r"none\.yaml cannot be read: No such file"):
        load_document(tmp_path / "none.yaml")


def test_a_document_of_many_references_to_itself_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]

    assert "alias" in refusal(tmp_path, "\n".join(lines))


def test_plain_words_are_what_they_are_in_json() -> None:
    text = "{a: NO, b: on, c: 12:30, d: 010, e: 1_000, f: 2024-01-01, g: -3, h: 1e3, i: .5, j: ~, k: true, l: 'true'}"

    assert parse_yaml(text) == {
        "a": "NO",
        "b": "on",
        "c": "12:30",
        "d": "010",
        "e": "1_000",
        "f": "2024-01-01",
        "g": -3,
        "h": 1000.0,
        "i": 0.5,
        "j": None,
        "k": True,
        "l": "true",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
@example({"0E0": None})
@example({"\x85": ["a\x85b", "\u2028", "a \u2029\n"]})
@example({"NO": "no", "010": "1_000", "12:30": "2024-01-01"})
def test_what_is_written_is_read_as_it_was(value: object) -> None:
    content = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "a", "version": "1"}
    content |= {"customProperties": [{"property": "x", "value": value}]}  # type: ignore[dict-item]

    printed = print_document(content, Path("a.yaml"))

    assert parse_yaml(printed) == content


@pytest.mark.parametrize("text", ["NO", "on", "010", "1_000", "12:30", "2024-01-01", "0E0", "1e3", "~", "="])
def test_text_that_any_reader_would_take_for_more_is_written_in_quotes(text: str) -> None:
    content = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": text, "version": "1"}

    assert yaml.safe_load(print_document(content, Path("a.yaml"))) == content
    assert f"id: '{text}'" in print_document(content, Path("a.yaml"))


def test_a_column_without_a_logical_type_is_valid_although_the_schema_of_the_package_refuses_it(tmp_path: Path) -> None:
    """When this fails, the package has mended its schema, and ours need not be changed any more."""
    file = tmp_path / "a.yaml"
    file.write_text(HEAD + COLUMN % "physicalType: VARCHAR(2)")
    shipped = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text())

    assert not Draft201909Validator(shipped).is_valid(load_document(file))


def test_without_the_package_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_platform.contracts import document

    monkeypatch.setitem(__import__("sys").modules, "open_data_contract_standard", None)
    document._schema.cache_clear()
    with pytest.raises(PackageMissing, match="pip install 'open-data-contract-standard'"):
        print_document({}, tmp_path)
