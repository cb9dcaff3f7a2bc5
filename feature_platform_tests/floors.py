"""The picture of the floors on the page of the architecture, made from the contracts that import-linter keeps.

`python -m feature_platform_tests.floors` writes it anew; a test asks whether it is what stands there.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict, cast

ROOT = Path(__file__).parents[1]
PACKAGE = "feature_platform"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- floors: made by `python -m feature_platform_tests.floors` -->", "<!-- end of floors -->"


class Contract(TypedDict, total=False):
    """A contract of import-linter, with what this page needs of it."""

    name: str
    type: str
    containers: list[str]
    layers: list[str]


def floor_contracts() -> list[Contract]:
    """Return the contracts that put modules in layers: the one of the package first, then those inside its rooms."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = cast("list[Contract]", configuration["tool"]["importlinter"]["contracts"])
    return [contract for contract in contracts if contract["type"] == "layers"]


def floors_text() -> str:
    """Return the picture: a table of the rooms, upper floors first, and the floors inside the rooms below it."""
    package, *inner = floor_contracts()
    lines = [BEGIN, "", "| Floor | Room | |", "|---|---|---|", *_rooms(package["layers"]), ""]
    for contract in inner:
        (room,) = contract["containers"]
        floors = " → ".join(_names(layer) for layer in contract["layers"])
        lines.append(f"- Inside `{_short(room)}/`, upper floors first: {floors}.")
    return "\n".join([*lines, "", END])


def page_with_floors(page: str) -> str:
    """Return the text of the page with its picture made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + floors_text() + after


def _rooms(layers: list[str]) -> Iterator[str]:
    for number, layer in zip(range(len(layers), 0, -1), layers, strict=True):
        for place, module in enumerate(layer.split(" | ")):
            yield f"| {'' if place else number} | {_path(module)} | {_first_sentence(module)} |"


def _names(layer: str) -> str:
    return ", ".join(f"`{name}`" for name in layer.split(" | "))


def _short(module: str) -> str:
    return module.removeprefix(f"{PACKAGE}.").replace(".", "/")


def _file(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _path(module: str) -> str:
    return f"`{_short(module)}{'/' if _file(module).name == '__init__.py' else '.py'}`"


def _first_sentence(module: str) -> str:
    """Return the line that a module begins with."""
    text = ast.get_docstring(ast.parse(_file(module).read_text())) or ""
    return text.partition("\n")[0]


if __name__ == "__main__":
    PAGE.write_text(page_with_floors(PAGE.read_text()))
