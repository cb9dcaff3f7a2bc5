"""The code behind the code: every function, class and constant of the user's own that some functions can reach.

Followed are names of the module, attributes of the user's own modules, closures, defaults, decorators, methods, what
partial functions, containers and objects hold, and what a function imports when it runs. Code of others is not: its
versions are in the lock. What a function itself changes while it runs (a cache) is no constant, and is left out.
"""

import dataclasses
import functools
import hashlib
import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType

from feature_platform.declarations.code_text import CodeText, code_text
from feature_platform.declarations.own_code import (
    home_of,
    import_own_module,
    is_own_class,
    is_own_function,
    is_own_module,
    module_of,
)
from feature_platform.declarations.plain_values import name_of_value, text_of_constant, text_of_value


@dataclass(frozen=True)
class ReachedCode:
    """What some functions can reach.

    Attributes:
        digests: eight hex digits of what each function, class and constant says, by its name: `shop.helpers.clean`.
        digest: of all that and of who refers to whom, names of modules aside: code that is moved says the same.
        is_more: whether there is anything but the functions themselves and the plain values that they name.
        names: what each function reads by its name: variables, functions, attributes.
    """

    digests: Mapping[str, str]
    digest: str
    is_more: bool
    names: Mapping[str, frozenset[str]]


def reached_code(roots: Iterable[object]) -> ReachedCode:
    """Return what is reached from functions, objects that can be called, and instances and classes of a user."""
    given = [each for each in roots if each is not None]
    homes = frozenset(filter(None, (home_of(module) for each in given if (module := _module(each)))))
    walk = _Walk(homes, given, frozenset())
    if walk.changed_names:  # what changes while it runs is known only once all functions were seen
        walk = _Walk(homes, given, frozenset(walk.changed_names))
    digests = {name: _digest(*sorted(set(each)), size=4) for name, each in sorted(walk.digests.items())}
    names = {name: frozenset(each) for name, each in sorted(walk.names.items())}
    return ReachedCode(digests, _digest(*walk.lines), walk.is_more, names)


class _Walk:
    """One walk from the roots, names in order, everything once; what waits is a queue, since calls go deep."""

    def __init__(self, homes: frozenset[str], roots: list[object], left_out: frozenset[tuple[str, str]]) -> None:
        self.homes, self.left_out = homes, left_out
        self.changed_names: set[tuple[str, str]] = set()
        self.digests: dict[str, list[str]] = {}
        self.names: dict[str, set[str]] = {}
        self.lines: list[str] = []
        self.is_more = False
        self._numbers: dict[int, int] = {}
        self._seen: list[object] = []  # so that no address is given twice
        self._waiting: deque[tuple[int, Callable[[], list[str]]]] = deque()
        self._modules: set[int] = set()
        self._roots = {id(code) for each in roots if (code := _root_code(each)) is not None}
        for number, each in enumerate(roots):
            self._add_line(f"root {number}", [self._look(each, "")])
        while self._waiting:
            number, look = self._waiting.popleft()
            self._add_line(f"#{number}", look())

    def _look(self, value: object, name: str) -> str:
        """Note what is the user's own in a value, and return how the holder refers to it; empty when nothing is."""
        match value:
            case FunctionType():
                return self._refer_once(value, lambda: self._look_at_function(value, name))
            case MethodType():
                return self._join(self._look(value.__func__, name), self._look(value.__self__, name))
            case staticmethod() | classmethod():
                return self._look(value.__func__, name)
            case property():
                return self._join(*(self._look(each, name) for each in (value.fget, value.fset)))
            case functools.cached_property():
                return self._look(value.func, name)
            case functools.partial() | functools.partialmethod():
                items = [("", value.func), *_number_items(value.args), *_sort_items(value.keywords)]
                parts = self._look_at_items(items, name)
                constants = (text_of_constant(value.args), text_of_constant(value.keywords))
                return self._join(parts, *constants) if parts else ""
            case type():
                own = is_own_class(value, self.homes)
                return self._refer_once(value, lambda: self._look_at_class(value)) if own else ""
            case ModuleType():
                return ""
        return self._look_at_object(value, name)

    def _look_at_object(self, value: object, name: str) -> str:
        """Note what a container, an instance of the user's class, or something that can be called holds."""
        items = _items(value)
        if is_own_class(type(value), self.homes):
            return self._refer_once(value, lambda: self._look_at_instance(value, items, name))
        if not items and callable(value):
            items = [(key, each) for key, each in _sort_items(_attributes(value)) if callable(each)]
        return self._look_inside(value, items, name) if items else ""

    def _look_at_function(self, function: FunctionType, name: str) -> list[str]:
        code, module = function.__code__, module_of(function)
        is_root = id(code) in self._roots
        around = {**_closure(function), **_defaults(function)}
        inner = getattr(function, "__wrapped__", None)
        if not is_own_function(function, self.homes) and not is_root:
            own = [(each, value) for each, value in _sort_items(around | _attributes(function)) if not _is_plain(value)]
            return [self._look_at_items([("", inner), *own], name)]
        text = code_text(function, code)
        self.changed_names |= {(module, each) for each in text.changed_names}
        values = {each: value for each, value in around.items() if each not in text.changed_names}
        digest = _digest(text.text, *(f"{each}={text_of_constant(value)}" for each, value in sorted(values.items())))
        self._record(_label(code, module, name), digest)
        self.names.setdefault(_label(code, module, name), set()).update(text.names)
        self.is_more |= not is_root or any(text_of_constant(value) != text_of_value(value) for value in values.values())
        refs = [self._look_at_items([("", inner), *_sort_items(values)], name)]
        refs += self._look_at_names(function, text, is_root=is_root)
        return [digest, *refs]

    def _look_at_names(self, function: FunctionType, text: CodeText, *, is_root: bool) -> Iterator[str]:
        """Yield what the names in a function stand for: in its module, in modules, and in what it imports."""
        around, module = function.__globals__, module_of(function)
        for each in text.globals:
            if each not in around or (module, each) in self.left_out:
                continue
            value = around[each]
            if isinstance(value, ModuleType):
                yield f"{each}:{self._look_in_module(value, text.names)}"
            else:
                yield f"{each}:{self._look_at_constant(module, each, value, is_root=is_root)}"
        package = str(around.get("__package__") or (module if "__path__" in around else module.rpartition(".")[0]))
        for level, imported, names in text.imports:
            target = import_own_module(imported, level, package, self.homes)
            if target is not None:
                for each in names:  # `from . import helpers` may mean a module that nobody imported yet
                    import_own_module(f"{target.__name__}.{each}", 0, "", self.homes)
                yield f"{imported}:{self._look_in_module(target, sorted({*text.names, *names}))}"

    def _look_in_module(self, module: ModuleType, names: Iterable[str]) -> str:
        """Return what names mean as attributes of a module, if it is the user's own."""
        if id(module) in self._modules or not is_own_module(module, self.homes):
            return ""
        self._modules.add(id(module))
        references = []
        for name in names:
            if name not in vars(module) or (module.__name__, name) in self.left_out:
                continue
            value = vars(module)[name]
            if isinstance(value, ModuleType):
                references.append(f"{name}:{self._look_in_module(value, names)}")
            else:
                references.append(f"{name}:{self._look_at_constant(module.__name__, name, value, is_root=False)}")
        self._modules.discard(id(module))
        return self._join(*references)

    def _look_at_constant(self, module: str, name: str, value: object, *, is_root: bool) -> str:
        """Return what a name of a module stands for: its plain value, and what else of the user's own it holds."""
        text = text_of_constant(value)
        if text:
            text = _digest(text)
            self._record(f"{module}.{name}", text)
            self.is_more |= not (is_root and text_of_value(value) == text_of_constant(value))
        return self._join(text, self._look(value, name))

    def _look_at_class(self, kind: type) -> list[str]:
        self.is_more = True
        attributes = {name: each for name, each in vars(kind).items() if not _is_made(name, each)}
        values = {name: text for name, each in attributes.items() if (text := text_of_constant(each))}
        fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
        digest = _digest(
            repr(sorted(values.items())), *(f"{each.name}={text_of_constant(each.default)}" for each in fields)
        )
        name = _shorten(kind.__qualname__)
        self._record(f"{kind.__module__}.{name}", digest)
        makers = [(each.name, each.default_factory) for each in fields]
        items = self._look_at_items([*_sort_items(attributes), *makers], name)
        bases = [self._look(each, "") for each in kind.__mro__[1:]]
        return [digest, items, *bases]

    def _look_at_instance(self, value: object, items: list[tuple[str, object]], name: str) -> list[str]:
        """Note the attributes of an object, without those that its methods change once it is made."""
        self.is_more = True
        kind = self._look(type(value), "")
        changed = set().union(*(_changed_attributes(each) for each in type(value).__mro__))
        attributes = {each: attribute for each, attribute in _attributes(value).items() if each not in changed}
        digest = _digest(*(f"{each}={text_of_constant(attribute)}" for each, attribute in sorted(attributes.items())))
        if name and attributes:
            self._record(f"{type(value).__module__}.{name}", digest)
        return [kind, digest, self._look_at_items([*items, *_sort_items(attributes)], name)]

    def _look_at_items(self, items: Iterable[tuple[str, object]], name: str) -> str:
        references = ((key, self._look(each, f"{name}.{key}".strip("."))) for key, each in items if not _is_plain(each))
        return ",".join(f"{key}:{each}" for key, each in references if each)

    def _refer_once(self, value: object, look: Callable[[], list[str]]) -> str:
        """Refer to something by its number; the first time it is put among what waits."""
        if id(value) not in self._numbers:
            self._waiting.append((self._give_number(value), look))
        return f"#{self._numbers[id(value)]}"

    def _look_inside(self, value: object, items: Iterable[tuple[str, object]], name: str) -> str:
        """Return what a container holds of the user's own; its number where it was met before, perhaps in itself."""
        if id(value) in self._numbers:
            return f"#{self._numbers[id(value)]}"
        self._give_number(value)
        return self._look_at_items(items, name)

    def _give_number(self, value: object) -> int:
        self._seen.append(value)
        return self._numbers.setdefault(id(value), len(self._numbers))

    def _add_line(self, name: str, parts: Iterable[str]) -> None:
        self.lines.append(f"{name} {' '.join(parts)}")

    def _record(self, name: str, digest: str) -> None:
        self.digests.setdefault(name, []).append(digest)

    @staticmethod
    def _join(*parts: str) -> str:
        return ";".join(each for each in parts if each)


def _module(value: object) -> str:
    """Return the module of a function, of a class, or of the class of an object."""
    inner = inspect.unwrap(value.func if isinstance(value, functools.partial) else value)  # type: ignore[arg-type]
    if isinstance(inner, FunctionType):
        return module_of(inner)
    return inner.__module__ if isinstance(inner, type) else type(inner).__module__


def _root_code(value: object) -> CodeType | None:
    """Return the code of a function that a declaration was given, or of the call of such an object."""
    inner = value.func if isinstance(value, functools.partial) else value
    if not callable(inner) or isinstance(inner, type):
        return None
    inner = inspect.unwrap(inner)
    if isinstance(inner, MethodType):
        inner = inner.__func__
    if not isinstance(inner, FunctionType):
        inner = type(inner).__call__
    return inner.__code__ if isinstance(inner, FunctionType) else None


def _items(value: object) -> list[tuple[str, object]]:
    """Return what a container holds, in an order that is the same in every process."""
    if isinstance(value, (dict, MappingProxyType)):
        return [(_key(key), each) for key, each in value.items()]
    if isinstance(value, (set, frozenset)):
        return [("", each) for each in sorted(value, key=name_of_value)]
    return _number_items(value) if isinstance(value, (list, tuple)) else []


def _label(code: CodeType, module: str, name: str) -> str:
    """Return the name of a function; for a lambda, the name of what holds it."""
    qualified = code.co_qualname
    if name:
        qualified = name if qualified == "<lambda>" else qualified.replace("<lambda>", name.rpartition(".")[2])
    return f"{module}.{_shorten(qualified)}".strip(".")


def _key(key: object) -> str:
    return key if isinstance(key, str) else text_of_constant(key) or name_of_value(key)


def _shorten(qualified: str) -> str:
    return qualified.replace(".<locals>", "")


def _closure(function: FunctionType) -> dict[str, object]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells if _is_filled(cell)}


def _is_filled(cell: object) -> bool:
    try:
        cell.cell_contents  # type: ignore[attr-defined] # noqa: B018
    except ValueError:  # a name that is not bound yet
        return False
    return True


def _defaults(function: FunctionType) -> dict[str, object]:
    positional = {f"default {place}": each for place, each in enumerate(function.__defaults__ or ())}
    return positional | {f"default {name}": each for name, each in (function.__kwdefaults__ or {}).items()}


def _attributes(value: object) -> dict[str, object]:
    """Return the attributes of an object, in its `__dict__` or in slots."""
    slots = [name for kind in type(value).__mro__ for name in _slots(kind) if not name.startswith("__")]
    in_slots = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    own = getattr(value, "__dict__", None)
    return in_slots | dict(own) if isinstance(own, dict) else in_slots


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _changed_attributes(kind: type) -> frozenset[str]:
    """Return the attributes that methods of a class change in its objects, without those methods that make one."""
    changed: set[str] = set()
    for name, each in vars(kind).items():
        if isinstance(each, functools.cached_property):
            changed.add(name)
        elif isinstance(each, FunctionType) and name not in ("__init__", "__post_init__", "__new__", "__setstate__"):
            changed |= code_text(each, each.__code__).changed_attributes
    return frozenset(changed)


def _is_made(name: str, value: object) -> bool:
    """Tell whether Python made an attribute of a class: what a dataclass generates, docstrings, places in the text."""
    if isinstance(value, FunctionType):
        return value.__code__.co_filename.startswith("<") and name.startswith("__")
    return name.startswith("__") and name.endswith("__")


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, bytes))


def _number_items(values: Iterable[object]) -> list[tuple[str, object]]:
    return [(str(place), each) for place, each in enumerate(values)]


def _sort_items(values: Mapping[str, object]) -> list[tuple[str, object]]:
    return [(name, values[name]) for name in sorted(values)]


def _digest(*texts: str, size: int = 8) -> str:
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=size).hexdigest()
