"""The language of the code in figures: what its functions, classes and docstrings are called and how they begin.

`python -m feature_platform_tests.language [ROOM ...]` prints the figures, and each name behind them for these rooms.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "feature_platform"

VERBS = frozenset((Path(__file__).with_name("verbs.txt")).read_text().split())
"""What the docstring of a function may begin with; a verb that is missing is added to the file."""

_NO_PARTICIPLES = {
    "feed",
    "embed",
    "need",
    "speed",
    "seed",
    "proceed",
    "exceed",
    "shed",
    "read",
    "spread",
    "red",
    "bed",
}
_IRREGULAR = {
    "told",
    "said",
    "kept",
    "held",
    "found",
    "seen",
    "made",
    "left",
    "ahead",
    "due",
    "done",
    "known",
    "written",
}
_IRREGULAR |= {"given", "taken", "drawn", "shown", "met"}
_PARTICIPLE = re.compile(r"[a-z]+(ed|wn|told|said|kept|held|found|seen|made|left)")


@dataclass(frozen=True)
class Definition:
    """A function or class, where it stands."""

    name: str
    path: Path
    line: int
    first_word: str | None
    is_class: bool
    is_method: bool

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(PACKAGE)}:{self.line}"

    @property
    def is_lone_participle(self) -> bool:
        name = self.name.strip("_")
        return (
            not self.is_class
            and name not in _NO_PARTICIPLES
            and bool(name in _IRREGULAR or _PARTICIPLE.fullmatch(name))
        )

    @property
    def begins_with_a_verb(self) -> bool:
        return self.first_word is None or self.first_word in VERBS


def definitions(folders: tuple[str, ...] = ("",)) -> list[Definition]:
    """Return every function and class of the package below some of its folders."""
    modules = sorted({path for folder in folders for path in _modules(PACKAGE / folder)})
    return [found for path in modules for found in _in(ast.parse(path.read_text()), path, is_method=False)]


def names_with_two_meanings(found: list[Definition]) -> dict[str, list[str]]:
    """Return public classes and module-level functions that share a name, with their places.

    Parts are left out, since they implement one contract, and commands, which are called what people type.
    """
    places = defaultdict(list)
    for each in found:
        room = each.path.relative_to(PACKAGE).parts[0]
        if not each.name.startswith("_") and not each.is_method and room not in ("parts", "cli"):
            places[each.name].append(each.place)
    return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def _modules(path: Path) -> list[Path]:
    return [path] if path.is_file() else list(path.rglob("*.py"))


def _in(node: ast.AST, path: Path, *, is_method: bool) -> Iterator[Definition]:
    for child in ast.iter_child_nodes(node):
        is_class = isinstance(child, ast.ClassDef)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not child.name.startswith("__"):
                text = ast.get_docstring(child)
                word = re.split(r"[^A-Za-z']", text.strip())[0].lower() if text else None
                yield Definition(child.name, path, child.lineno, word, is_class, is_method)
            yield from _in(child, path, is_method=True)
        else:
            yield from _in(child, path, is_method=is_method)


def _report(rooms: list[str]) -> None:
    found = definitions()
    functions = [each for each in found if not each.is_class]
    documented = [each for each in functions if each.first_word]
    lone = [each for each in functions if each.is_lone_participle]
    wordless = [each for each in documented if not each.begins_with_a_verb]
    twice = names_with_two_meanings(found)
    print(
        f"{1000 * len(lone) / len(functions):.0f} lone participles of 1,000 functions ({len(lone)} of {len(functions)})"
    )
    print(f"{1 - len(wordless) / len(documented):.1%} of docstrings of functions begin with a verb")
    print(f"{len(twice)} names of public classes and functions with two meanings")
    for room in rooms:
        print(f"\n{room}")
        for each in (each for each in lone if str(each.path.relative_to(PACKAGE)).startswith(room)):
            print(f"  participle {each.name}  {each.place}")
        for name, where in twice.items():
            if any(place.startswith(room) for place in where):
                print(f"  twice {name}  {', '.join(where)}")
        for each in (each for each in wordless if str(each.path.relative_to(PACKAGE)).startswith(room)):
            print(f"  docstring of {each.name} begins with {each.first_word!r}  {each.place}")


if __name__ == "__main__":
    _report(sys.argv[1:])
