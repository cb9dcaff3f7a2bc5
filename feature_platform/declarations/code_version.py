"""A code version: a hash of what a declaration says, so that changed code is recomputed.

It covers the declared values, the text of the view's own function (comments, layout and docstring aside) and
the plain values it takes from outside, such as a threshold; functions that this one calls are not followed.
"""

import ast
import functools
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from types import CodeType

import polars as pl

from feature_platform.content import content_hash
from feature_platform.declarations.label import Label
from feature_platform.declarations.on_demand import OnDemandSelection
from feature_platform.declarations.project import Asset
from feature_platform.declarations.service import as_selected
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureSelection, FeatureView, Windowing, view_of


def code_version(asset: Asset) -> str:
    """Twelve hex digits that change when what the asset computes changes."""
    return hashlib.blake2b("\n".join(_facts(asset)).encode(), digest_size=6).hexdigest()


def _facts(asset: Asset) -> list[str]:
    if isinstance(asset, Source):
        return [
            asset.name,
            asset.connector.reading,
            repr(asset.event_time),
            repr(asset.known_at),
            _text(asset.prepare),
            repr(asset.partitioned),
        ]
    if isinstance(asset, FeatureView):
        return [
            asset.name,
            repr(asset.join_keys),
            asset.source.asset,
            _text(asset.transform),
            _windows(asset.windowing),
        ]
    if isinstance(asset, Label):
        return [
            asset.name,
            repr(asset.join_keys),
            asset.source.asset,
            _text(asset.transform),
            repr(asset.known_at),
        ]
    selections = [_selected(as_selected(each)) for each in asset.service.selections]
    reads = [f"{view.ttl!r}{_windows(view.windowing)}" for view in asset.service.views]
    label = asset.label.asset if asset.label else ""
    filled = f"{asset.service.full_names}{sorted(asset.service.impute.items())!r}"
    return [asset.name, asset.spine.asset, label, repr(asset.horizon), filled, *selections, *reads]


def _selected(selected: FeatureView | FeatureSelection | OnDemandSelection) -> str:
    """What a service takes of a view; of an on-demand one its function, too, since it has no table."""
    if isinstance(selected, OnDemandSelection):
        view = selected.view
        computed = {name: view.expressions[name] for name in selected.features}
        reads = {each.asset: names for each, names in selected.needs.items()}
        return f"on_demand/{view.name}{selected.request!r}{reads!r}{_plain(computed)}{_text(view.function)}"
    return f"{view_of(selected).asset}{getattr(selected, 'features', '')}"


def _windows(windowing: Windowing | None) -> str:
    values = [f"{_plain(vars(each))}{_text(type(each).over)}" for each in windowing.aggregations] if windowing else []
    return f"{windowing!r}{values}"


def _text(function: Callable[..., object] | None) -> str:
    """What a function says, whatever its layout, and the plain values it finds around itself."""
    if function is None:
        return ""
    if isinstance(function, functools.partial):
        return f"{_text(function.func)}{_plain(function.args)}{_plain(function.keywords)}"
    code = getattr(inspect.unwrap(function), "__code__", None)
    if not isinstance(code, CodeType):  # an object that can be called
        called = type(function).__call__
        text = _text(called) if inspect.isfunction(called) else type(function).__qualname__
        return f"{text}{_plain(getattr(function, '__dict__', {}))}"
    return f"{_source(function, code)}{_captured(inspect.unwrap(function), code)}"


def _source(function: Callable[..., object], code: CodeType) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return _bytecode(code)
    wanted = ast.Lambda if code.co_name == "<lambda>" else ast.FunctionDef
    own = [node for node in ast.walk(tree) if isinstance(node, wanted)]
    if not own or (wanted is ast.Lambda and len(own) > 1):  # which of them it is, the text does not tell
        return _bytecode(code)
    if isinstance(own[0], ast.FunctionDef):
        own[0].decorator_list = []
    for node in ast.walk(own[0]):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(own[0])


def _bytecode(code: CodeType) -> str:
    constants = [_bytecode(each) if isinstance(each, CodeType) else _plain(each) for each in code.co_consts]
    return f"{code.co_code.hex()}{constants}{code.co_names!r}"


def _captured(function: Callable[..., object], code: CodeType) -> str:
    closure = zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=True)
    enclosed = {name: cell.cell_contents for name, cell in closure}
    around = getattr(function, "__globals__", {})
    outside = {name: around[name] for name in sorted(_names(code)) if name in around}
    defaults = (getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None))
    return f"{_plain(enclosed)}{_plain(outside)}{_plain(defaults)}"


def _names(code: CodeType) -> set[str]:
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    return {*code.co_names, *(name for each in inner for name in _names(each))}


def _plain(value: object) -> str:
    """A value that says the same in every process; nothing for what is not plain data."""
    if value is None or isinstance(value, (bool, int, float, str, bytes, date, timedelta)):
        return repr(value)
    if isinstance(value, pl.Expr):
        written = str(value)  # which shortens long literals
        cut = "…" in written or "[Series]" in written
        return written + (hashlib.blake2b(value.meta.serialize(), digest_size=6).hexdigest() if cut else "")
    if isinstance(value, (pl.Series, pl.DataFrame)):
        return content_hash(value.to_frame() if isinstance(value, pl.Series) else value)
    if isinstance(value, pl.DataType) or (isinstance(value, type) and issubclass(value, pl.DataType)):
        return repr(value)
    if isinstance(value, Mapping):
        return repr({str(key): found for key, each in value.items() if (found := _plain(each))})
    if isinstance(value, (list, tuple)):
        return repr([_plain(each) for each in value])
    if isinstance(value, (set, frozenset)):
        return repr(sorted(_plain(each) for each in value))
    return ""
