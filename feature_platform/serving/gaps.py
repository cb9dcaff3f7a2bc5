"""Gaps filled online: by constants, and by what a service's imputations had learnt when it was published.

The status of a filled value still says why there was a gap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from feature_platform.compute.serving.answers import AnswerColumns, Texts
from feature_platform.compute.serving.entries import HEADER
from feature_platform.compute.serving.keys import encode_keys, typed_parts
from feature_platform.compute.serving.learnt import GROUP_KEYS, NO_GROUP, learnt_table
from feature_platform.compute.serving.values import NULL, series_of, texts_of
from feature_platform.compute.transforms.impute import flag_of
from feature_platform.declarations.service import FeatureService
from feature_platform.ground.errors import InvalidKey, MissingColumns, NotServed
from feature_platform.online.base import Reader
from feature_platform.parts.imputation import FittedImputation, Imputation


@dataclass(frozen=True)
class GapSource:
    """The values that gaps are filled from.

    Attributes:
        keys: the types of the join keys, which imputations may group by.
    """

    service: FeatureService
    reader: Reader
    keys: Mapping[str, pl.DataType]


def filled_columns(
    source: GapSource, columns: AnswerColumns, entities: Mapping[str, Sequence[object]]
) -> AnswerColumns:
    """Fill the gaps of columns, and append the flags of the imputations that ask for one.

    Raises:
        MissingColumns: an imputation groups by a column that the request does not bring.
    """
    values, flags = dict(columns.values), {}
    for feature, rule in source.service.impute.items():
        texts = columns.values[feature]
        gaps = [place for place, text in enumerate(texts) if text == NULL]
        if rule.flag:
            missing = set(gaps)
            flags[flag_of(feature)] = [b"true" if n in missing else b"false" for n in range(len(texts))]
        if gaps:
            fills = _fills(source, feature, rule, gaps, columns, entities)
            new = list(texts)
            for place, fill in zip(gaps, fills, strict=True):
                new[place] = fill
            values[feature] = new
    statuses = {name: [b'"PRESENT"'] * len(texts) for name, texts in flags.items()}
    times = {name: [NULL] * len(texts) for name, texts in flags.items()}
    return AnswerColumns({**values, **flags}, {**columns.statuses, **statuses}, {**columns.times, **times})


def _fills(
    source: GapSource,
    feature: str,
    rule: Imputation,
    gaps: Sequence[int],
    columns: AnswerColumns,
    entities: Mapping[str, Sequence[object]],
) -> Texts:
    """Return what fills each gap; where nothing was learnt the fallback, `null` without one."""
    if not isinstance(rule, FittedImputation):
        (text,) = texts_of(pl.select(rule.learnt(pl.lit(None)).alias(feature)).to_series())
        return [text] * len(gaps)
    groups = [NO_GROUP] * len(gaps) if rule.by is None else _groups(source, rule.by, gaps, columns, entities)
    keys = encode_keys(GROUP_KEYS, [[feature] * len(gaps), groups])
    try:
        _, learnt = source.reader.get(learnt_table(source.service.name), keys)
    except NotServed:  # no training set of the service was built before it was published
        learnt = [None] * len(gaps)
    stored = [None if entry is None else entry[HEADER:] for entry in learnt]
    unknown = _fallback(rule)
    return [unknown if text is None else text.encode() for text in series_of(feature, pl.String(), stored)]


def _fallback(rule: FittedImputation) -> bytes:
    if rule.fallback is None:
        return NULL
    (text,) = texts_of(pl.Series([rule.fallback]).cast(rule.filled(pl.Null())))
    return text


def _groups(
    source: GapSource, by: str, gaps: Sequence[int], columns: AnswerColumns, entities: Mapping[str, Sequence[object]]
) -> Sequence[str]:
    """Return the group of each gap as JSON: of a feature as it is stored, of a column of the request as it is sent."""
    if by in columns.values:
        return [columns.values[by][place].decode() for place in gaps]
    if by not in entities:
        raise MissingColumns(f"The request for `{source.service.name}`, whose imputations group by it,", [by], entities)
    asked, owner = [entities[by][place] for place in gaps], f"The request for `{source.service.name}`"
    if by in source.keys:
        (typed,) = typed_parts({by: source.keys[by]}, {by: asked}, owner)
        return [text.decode() for text in texts_of(typed)]
    try:
        return [text.decode() for text in texts_of(pl.Series(by, asked))]
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise InvalidKey(owner, by, None, "of several types", "of one type") from error
