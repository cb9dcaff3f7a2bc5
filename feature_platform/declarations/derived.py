"""Derived features: expressions over the other features of one windowed view, row by row."""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.declarations.naming import describe_value
from feature_platform.ground.errors import InvalidDeclaration, UnknownName


def ratio(numerator: str | pl.Expr, denominator: str | pl.Expr) -> pl.Expr:
    """Return one feature over another, as Float64; null where the second is 0 or null.

    Args:
        numerator, denominator: names of features, or expressions over them.

    >>> shares = pl.DataFrame({"spent": [3.0, 1.0], "earned": [4, 0]})
    >>> shares.select(share=ratio("spent", "earned"))["share"].to_list()
    [0.75, None]
    """
    over, under = (pl.col(each) if isinstance(each, str) else each for each in (numerator, denominator))
    return pl.when(under != 0).then(over.cast(pl.Float64) / under.cast(pl.Float64))


def validate_derived(culprit: str, derived: object, features: Sequence[str]) -> Mapping[str, pl.Expr]:
    """Return derived features as they are declared.

    Args:
        features: those of the view that they may read.

    Raises:
        InvalidDeclaration: they are no expressions by name.
        UnknownName: one reads what is no feature of the view.
    """
    if derived is None:
        return {}
    if not isinstance(derived, Mapping) or not all(isinstance(each, pl.Expr) for each in derived.values()):
        raise InvalidDeclaration(
            culprit, f"has derive={describe_value(derived)}", 'Give a dict: derive={"trend": fp.ratio("a", "b")}.'
        )
    for name, expression in derived.items():
        for root in expression.meta.root_names():
            if root not in features:
                raise UnknownName(f"{culprit}, derive, `{name}`,", "feature", root, features)
    return dict(derived)
