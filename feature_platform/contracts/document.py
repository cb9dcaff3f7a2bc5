"""A data contract as a file: YAML of the Open Data Contract Standard (ODCS), held to the schema that its package ships.

YAML is read as JSON would be: no dates, no `yes` for true, no aliases, no key twice. No code can come out of it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import yaml

from feature_platform.ground.errors import ContractRefused, PackageMissing
from feature_platform.ground.shortening import shorten

WRITTEN_VERSION = "v3.1.0"
_READ_VERSIONS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")
_MERGED = "unevaluatedProperties"  # jsonschema says it of everything around a fault, too


def load_document(path: Path) -> dict[str, Any]:
    """Read a contract and hold it to the schema of the standard.

    Raises:
        ContractRefused: it cannot be read, is no YAML, of another version, or against the schema; it names the field.
        PackageMissing: open-data-contract-standard is not installed.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ContractRefused(path, "", f"cannot be read: {error.strerror or error}", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise ContractRefused(path, "", f"is not UTF-8: {error}", "Save it as UTF-8.") from error
    except ValueError as error:
        raise ContractRefused(path, "", f"is no plain YAML: {error}", "Mend it.") from error
    if not isinstance(content, dict):
        raise ContractRefused(path, "", "holds no keys and values", "Begin it with `apiVersion: v3.1.0`.")
    version = content.get("apiVersion")
    if version not in _READ_VERSIONS:
        found = "is missing" if version is None else f"is {shorten(repr(version))}"
        raise ContractRefused(path, "apiVersion", found, f"Bring it to one of {', '.join(_READ_VERSIONS)}.")
    validate_document(content, path)
    return content


def parse_yaml(text: str) -> object:
    """Return the values of a YAML text: mappings with text keys, lists, text, numbers, true, false and null.

    Raises:
        ValueError: it is something else.

    >>> parse_yaml("{country: NO, day: 2024-01-01, code: 010, share: 1e-3}")
    {'country': 'NO', 'day': '2024-01-01', 'code': '010', 'share': 0.001}
    """
    try:
        content: object = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - it constructs less than SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(shorten(" ".join(str(error).split()))) from error
    return content


def print_document(content: Mapping[str, Any], path: Path) -> str:
    """Return a contract as YAML, after it was held to the schema of the standard.

    Raises:
        ContractRefused: it is against the schema.
    """
    validate_document(content, path)
    printed: str = yaml.dump(dict(content), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=120)
    return printed


def validate_document(content: Mapping[str, Any], path: Path) -> None:
    """Hold a contract to the schema of the standard.

    Raises:
        ContractRefused: it names the first field that is against it.
    """
    from jsonschema import Draft201909Validator

    faults = list(Draft201909Validator(_schema()).iter_errors(content))
    if faults:
        fault = _plainest(faults)
        raise ContractRefused(
            path, name_field(fault.absolute_path), f"is not valid: {_reason_of(fault)}", "See the standard: bitol.io."
        )


def name_field(keys: Iterable[object]) -> str:
    """Return the place of a value in a contract.

    >>> name_field(["schema", 0, "name"])
    'schema[0].name'
    """
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


@cache
def _schema() -> dict[str, Any]:
    """Return the schema, without a fault of it: in 3.2.0, a column without a logical type is refused as a bad map."""
    try:
        import open_data_contract_standard
    except ModuleNotFoundError as error:
        raise PackageMissing("A data contract", "open-data-contract-standard", "contracts") from error
    schema: dict[str, Any] = json.loads(files(open_data_contract_standard).joinpath("schema.json").read_text())
    for rule in schema["$defs"]["SchemaBaseProperty"]["allOf"]:
        if "if" in rule:
            rule["if"]["required"] = ["logicalType"]
    return schema


def _plainest(faults: list[Any]) -> Any:
    """Return the fault that says most: the deepest, since jsonschema also complains about all that is around it."""
    fault = min(faults, key=lambda each: (each.validator == _MERGED, -len(each.absolute_path)))
    deeper = [each for each in fault.context or () if len(each.absolute_path) > len(fault.absolute_path)]
    return _plainest(deeper) if deeper else fault


def _reason_of(fault: Any) -> str:
    lacking = [each.validator_value[0] for each in fault.context or () if each.validator == "required"]
    if fault.validator == "oneOf" and lacking:
        return f"it needs one of {', '.join(lacking)}"
    if fault.validator == "oneOf":
        return "it fits more than one form; say one thing"
    return shorten(str(fault.message))


_BREAKS = re.compile("[\x85\u2028\u2029]")
_WORDS = (  # what a plain word is, by YAML 1.2: its first letters, and all of it
    ("null", "~nN", r"~|null|Null|NULL|"),
    ("bool", "tTfF", r"true|True|TRUE|false|False|FALSE"),
    ("int", "-+0123456789", r"[-+]?(0|[1-9][0-9]*)"),
    ("float", "-+.0123456789", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"),
    ("float", "-+.", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for kind, firsts, words in _WORDS:
        for first in (*firsts, *([""] if kind == "null" else [])):
            found.setdefault(first, []).append((f"tag:yaml.org,2002:{kind}", re.compile(f"^(?:{words})$")))
    return found


class _PlainLoader(yaml.SafeLoader):
    """Reads YAML whose plain words mean what they do in YAML 1.2, and so in JSON."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = _resolvers()
    yaml_constructors: ClassVar[dict[str, Any]] = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map")
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "it refers to another place by an alias; write it out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - as PyYAML calls it
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, name in enumerate(names):
            if not isinstance(name, str) or name in names[:place]:
                reason = "is there twice" if isinstance(name, str) else "is no text"
                raise yaml.constructor.ConstructorError(None, None, f"the key {name!r} {reason}", node.start_mark)
        return super().construct_mapping(node, deep=deep)


class _PlainDumper(yaml.SafeDumper):
    """Writes YAML without aliases, and text in quotes where a reader of YAML 1.1 or 1.2 would take it for more.

    The breaks of lines that Unicode knows and JSON does not are written as escapes: readers fold them to spaces.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [*_resolvers().get(first, []), *yaml.SafeDumper.yaml_implicit_resolvers.get(first, [])]
        for first in {**_resolvers(), **yaml.SafeDumper.yaml_implicit_resolvers}
    }

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = '"' if _BREAKS.search(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    yaml_representers: ClassVar[dict[Any, Any]] = {**yaml.SafeDumper.yaml_representers, str: represent_str}
