"""A code version: a hash of what a declaration says, so that changed code is recomputed.

It covers the declared values, the text of the view's own function (comments, layout and docstring aside), the plain
values it takes from outside, such as a threshold, and all code of the user's own that it can reach.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType

from feature_platform.declarations.code_text import code_text
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.label import Label
from feature_platform.declarations.on_demand import OnDemandSelection
from feature_platform.declarations.plain_values import text_of_value
from feature_platform.declarations.project import Asset
from feature_platform.declarations.reached_code import reached_code
from feature_platform.declarations.service import selection_of
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.union import text_of_read
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.parts.aggregations import Aggregation

_MOST_NAMES = 3  # changed functions in one reason


@dataclass(frozen=True)
class AssetCode:
    """What an asset is computed by.

    Attributes:
        version: twelve hex digits that change when what the asset computes changes.
        declared: the same for the declaration and its own function alone. It is the version of an asset whose function
            reaches no other code, and the one in commits from before other code was followed.
        functions: eight hex digits of each function, class and constant that is reached, by its name.
    """

    version: str
    declared: str
    functions: Mapping[str, str]

    def change_since(self, version: str | None, functions: Mapping[str, str]) -> str | None:
        """Return what changed since a commit, in words; None when it was made by this code.

        Args:
            version: the code version that the commit has.
            functions: the digests that the commit has; none when it was made before they were kept.
        """
        if version == self.version or (version == self.declared and functions in ({}, self.functions)):
            return None
        names = sorted({*functions, *self.functions}) if functions else []
        changed = [name for name in names if functions.get(name) != self.functions.get(name)]
        if not changed:
            return "its code changed"
        more = f" and {len(changed) - _MOST_NAMES} more" if len(changed) > _MOST_NAMES else ""
        return f"its code changed: {', '.join(changed[:_MOST_NAMES])}{more}"


def code_of(asset: Asset) -> AssetCode:
    """Return what an asset is computed by now.

    A module that a function imports while it runs is imported to be looked at.
    """
    declared = _hash(_facts(asset))
    reached = reached_code(_roots(asset))
    version = _hash([declared, reached.digest]) if reached.is_more else declared
    return AssetCode(version, declared, reached.digests)


def code_version(asset: Asset) -> str:
    """Return twelve hex digits that change when what the asset computes changes."""
    return code_of(asset).version


def _hash(facts: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=6).hexdigest()


def _roots(asset: Asset) -> list[object]:
    """Return the functions and objects of a declaration whose code decides on its rows."""
    match asset:
        case Source():
            return [asset.prepare, asset.connector, *asset.connector.functions]
        case FeatureView():
            return [asset.transform, *asset.aggregations]
        case Label():
            return [asset.transform]
        case Spine():
            return []
    service = asset.service
    windows = [each for view in service.views for each in view.aggregations]
    functions: list[object] = [each.view.function for each in service.on_demand]
    for label in asset.labels:
        if not label.has_table:
            functions.append(label.transform)
            windows.extend(label.aggregations)
    return [*functions, *windows, *(service.impute[name] for name in sorted(service.impute))]


def _facts(asset: Asset) -> list[str]:
    if isinstance(asset, Source):
        return [
            asset.name,
            asset.connector.reading,
            repr(asset.event_time),
            repr(asset.known_at),
            _text(asset.prepare),
            repr(asset.partitioned),
            *map(_text, asset.connector.functions),
        ]
    if isinstance(asset, FeatureView):
        return [
            asset.name,
            repr(asset.join_keys),
            text_of_read(asset.source),
            _text(asset.transform),
            _windows(asset),
            *([f"types {dict(asset.types)!r}"] if asset.types else []),
            *map(_text_of_enrichment, asset.enrichments),
        ]
    if isinstance(asset, Label):
        return [
            asset.name,
            repr(asset.join_keys),
            text_of_read(asset.source),
            _text(asset.transform),
            repr(asset.known_at),
        ]
    if isinstance(asset, Spine):
        return [asset.name, *map(text_of_read, asset.origins), *asset.words]
    selections = [_text_of_selection(selection_of(each)) for each in asset.service.selections]
    reads = [f"{view.ttl!r}{_windows(view)}" for view in asset.service.views]
    label = "\n".join(map(_text_of_label, asset.labels)) + _text_of_finality(asset)
    filled = f"{asset.service.full_names}{sorted(asset.service.impute.items())!r}"
    division = {"sample": asset.sample, "split": asset.split, "weights": asset.weights}
    divided = [f"{word}={value!r}" for word, value in division.items() if value is not None]
    divided += [] if asset.where is None else [f"where={text_of_value(asset.where)}"]
    return [asset.name, asset.spine.asset, label, repr(asset.horizon), filled, *selections, *reads, *divided]


def _text_of_selection(selected: FeatureView | FeatureSelection | OnDemandSelection) -> str:
    """Return what a service takes of a view; of an on-demand one its function, too, since it has no table."""
    if isinstance(selected, OnDemandSelection):
        view = selected.view
        computed = {name: view.expressions[name] for name in selected.features}
        reads = {each.asset: names for each, names in selected.needs.items()}
        bounds = repr(selected.bounded) if selected.bounded else ""
        return (
            f"on_demand/{view.name}{selected.request!r}{bounds}{reads!r}{text_of_value(computed)}{_text(view.function)}"
        )
    read = view_of(selected)
    alias = f"{read.name}{dict(read.spine_keys)!r}" if read.aliased else ""
    return f"{read.asset}{alias}{getattr(selected, 'features', '')}"


def _text_of_enrichment(enrichment: Enrichment) -> str:
    """Return which rows of a dimension are found and what is taken of them; not how the dimension is made."""
    clocks = (enrichment.event_time, enrichment.known_at)
    facts = (dict(enrichment.on), dict(enrichment.columns), enrichment.ttl_us, *clocks)
    instants = "" if enrichment.cadence is None else f"{enrichment.cadence!r}"
    return f"enrich {enrichment.asset}{facts!r}{instants}"


def _text_of_label(label: Label) -> str:
    """Return what a training set takes of a label; of one over windows its function, too, since it has no table."""
    ahead = label.look_ahead
    if ahead is None:
        return label.asset
    said = f"{ahead.start}{ahead.lateness}{text_of_value(ahead.otherwise)}"
    computed = [] if label.has_table else [*_facts(label), *_texts_of_aggregations(label.aggregations)]
    return f"{label.asset}{said}{computed}"


def _text_of_finality(training_set: TrainingSet) -> str:
    """Return what a training set says about labels that are not final, where it says anything."""
    said = {"any": training_set.labels_any, "immature": training_set.immature, "known_by": training_set.known_by}
    usual = {"any": False, "immature": "drop", "known_by": None}
    return "" if said == usual else repr(said)


def _windows(view: FeatureView) -> str:
    derived = text_of_value(view.windowing.derived) if view.windowing and view.windowing.derived else ""
    return f"{view.windowing!r}{_texts_of_aggregations(view.aggregations)}{derived}"


def _texts_of_aggregations(aggregations: Sequence[Aggregation]) -> list[str]:
    overs = {kind: _over(kind) for kind in set(map(type, aggregations))}  # once, however many there are of a kind
    return [f"{text_of_value(vars(each))}{overs[type(each)]}" for each in aggregations]


def _over(kind: type[Aggregation]) -> str:
    """Return what an aggregation computes, in the words of the class that computes it."""
    owner = next(each for each in kind.__mro__ if "over" in vars(each))
    return vars(owner).get("known_as") or _text(kind.over)


def _text(function: Callable[..., object] | None) -> str:
    """Return what a function says, whatever its layout, and the plain values it finds around itself."""
    if function is None:
        return ""
    if isinstance(function, functools.partial):
        return f"{_text(function.func)}{text_of_value(function.args)}{text_of_value(function.keywords)}"
    code = getattr(inspect.unwrap(function), "__code__", None)
    if not isinstance(code, CodeType):  # an object that can be called
        called = type(function).__call__
        text = _text(called) if inspect.isfunction(called) else type(function).__qualname__
        return f"{text}{text_of_value(getattr(function, '__dict__', {}))}"
    return f"{code_text(inspect.unwrap(function), code).text}{_captured_values(inspect.unwrap(function), code)}"


def _captured_values(function: Callable[..., object], code: CodeType) -> str:
    """Return the plain values around a function, without those that it changes itself."""
    text = code_text(function, code)
    closure = zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=True)
    enclosed = {name: cell.cell_contents for name, cell in closure if name not in text.changed_names}
    around = getattr(function, "__globals__", {})
    outside = {name: around[name] for name in text.names if name in around and name not in text.changed_names}
    defaults = (getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None))
    return f"{text_of_value(enclosed)}{text_of_value(outside)}{text_of_value(defaults)}"
