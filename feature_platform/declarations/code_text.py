"""What the code of a function says, whatever its layout: its text, and the names that it reads and writes.

It is computed once for each function of a process, because finding and parsing its source takes long.
"""

import ast
import dis
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

from feature_platform.declarations.plain_values import text_of_value

_MUTATORS = {
    "add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update",
}  # fmt: skip


@dataclass(frozen=True)
class CodeText:
    """What one function says, nested ones included.

    Attributes:
        text: its source without comments, layout, docstrings and decorators; its bytecode where there is none.
        globals: the names that it looks up in its module, sorted.
        names: all names that it reads, attributes too, sorted.
        imports: what it imports when it runs: dots, module, names.
        changed_names: the names of variables around it that it changes: what they hold is no constant.
        changed_attributes: the attributes of its first argument that it changes.
    """

    text: str
    globals: tuple[str, ...]
    names: tuple[str, ...]
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]
    changed_names: frozenset[str]
    changed_attributes: frozenset[str]


def code_text(function: Callable[..., object], code: CodeType) -> CodeText:
    """Return what a function with a code object says; a function that wraps another is not looked through."""
    return _code_text(code.co_filename, code, _SourceKey(function if not hasattr(function, "__wrapped__") else code))


class _SourceKey:
    """What `inspect` finds the source by; all of one code object are the same to a cache."""

    def __init__(self, by: Callable[..., object] | CodeType) -> None:
        self.by = by

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SourceKey)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=50_000)
def _code_text(_file: str, code: CodeType, found: _SourceKey) -> CodeText:
    """Return what a function says.

    It is cached by file, too: equal code objects of two files may have other sources.
    """
    node = _syntax_of(found.by, code)
    inner_codes = list(_nested_codes(code))
    instructions = [instruction for inner in inner_codes for instruction in dis.get_instructions(inner)]
    looked_up = {
        str(instruction.argval) for instruction in instructions if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    stored = {
        str(instruction.argval) for instruction in instructions if instruction.opname in ("STORE_GLOBAL", "STORE_DEREF")
    }
    local = {name for inner in inner_codes for name in (*inner.co_varnames, *inner.co_cellvars)}
    variables, attributes = (set(), set()) if node is None else _changed_names(node, code)
    return CodeText(
        text=bytecode(code) if node is None else _unparse(node),
        globals=tuple(sorted(looked_up)),
        names=tuple(sorted({name for inner in inner_codes for name in inner.co_names})),
        imports=tuple(_imports([instruction for instruction in instructions if instruction.opname != "EXTENDED_ARG"])),
        changed_names=frozenset((stored | variables) - local),
        changed_attributes=frozenset(attributes),
    )


def bytecode(code: CodeType) -> str:
    """Return what code does as text, where there is no source."""
    constants = [
        bytecode(constant) if isinstance(constant, CodeType) else text_of_value(constant) for constant in code.co_consts
    ]
    return f"{code.co_code.hex()}{constants}{code.co_names!r}"


def _syntax_of(found: Callable[..., object] | CodeType, code: CodeType) -> ast.FunctionDef | ast.Lambda | None:
    """Return the syntax of a function; None where it is not known which part of a text is meant."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(found)))
    except (OSError, TypeError, SyntaxError):
        return None
    wanted = ast.Lambda if code.co_name == "<lambda>" else ast.FunctionDef
    own = [node for node in ast.walk(tree) if isinstance(node, wanted)]
    if not own or (wanted is ast.Lambda and len(own) > 1):  # which of them it is, the text does not tell
        return None
    return own[0]


def _unparse(node: ast.FunctionDef | ast.Lambda) -> str:
    if isinstance(node, ast.FunctionDef):
        node.decorator_list = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef) and ast.get_docstring(inner, clean=False) is not None:
            inner.body = inner.body[1:] or [ast.Pass()]
    return ast.unparse(node)


def _changed_names(node: ast.AST, code: CodeType) -> tuple[set[str], set[str]]:
    """Return the variables whose contents a function changes in place, and the attributes of its first argument."""
    first = code.co_varnames[0] if code.co_argcount else None
    variables: set[str] = set()
    attributes: set[str] = set()
    for target in _targets(node):
        if isinstance(target, ast.Name):
            variables.add(target.id)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == first:
            attributes.add(target.attr)
    return variables, attributes


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what is changed in place: `x` of `x[...] = ` and `x.add(...)`, `self.x` of `self.x = ` as well."""
    for part in ast.walk(node):
        if isinstance(part, ast.Subscript) and not isinstance(part.ctx, ast.Load):
            yield part.value
        elif isinstance(part, ast.Attribute) and not isinstance(part.ctx, ast.Load):
            yield part
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in _MUTATORS:
            yield part.func.value


def _imports(instructions: list[dis.Instruction]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    for place, instruction in enumerate(instructions):
        if instruction.opname == "IMPORT_NAME":
            level, names = (before.argval for before in instructions[place - 2 : place])
            yield level if isinstance(level, int) else 0, str(instruction.argval), tuple(names or ())


def _nested_codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested_codes(constant)
