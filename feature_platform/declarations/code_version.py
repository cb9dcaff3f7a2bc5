"""A code version: a hash of what a declaration says, so that changed code is recomputed.

It covers the declared values and the text of the view's own function, comments, layout and docstring aside;
functions that this one calls are not followed.
"""

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable

from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Asset
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView, view_of


def code_version(asset: Asset) -> str:
    """Twelve hex digits that change when what the asset computes changes."""
    return hashlib.blake2b("\n".join(_facts(asset)).encode(), digest_size=6).hexdigest()


def _facts(asset: Asset) -> list[str]:
    if isinstance(asset, Source):
        return [
            asset.name,
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
            repr(asset.windowing),
        ]
    if isinstance(asset, Label):
        return [
            asset.name,
            repr(asset.join_keys),
            asset.source.asset,
            _text(asset.transform),
            repr(asset.known_at),
        ]
    selections = [
        f"{view_of(each).asset}{getattr(each, 'features', '')}" for each in asset.service.selections
    ]
    reads = [repr((view.ttl, view.windowing)) for view in asset.service.views]
    label = asset.label.asset if asset.label else ""
    filled = repr(sorted(asset.service.impute.items()))
    return [asset.name, asset.spine.asset, label, repr(asset.horizon), filled, *selections, *reads]


def _text(function: Callable[..., object] | None) -> str:
    if function is None:
        return ""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return _bytecode(function)
    definitions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in definitions:
        node.decorator_list = []
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(definitions[0] if definitions else tree)


def _bytecode(function: Callable[..., object]) -> str:
    code = getattr(function, "__code__", None)
    return repr(function) if code is None else f"{code.co_code.hex()}{code.co_consts!r}{code.co_names!r}"
