"""What every imputation of the catalogue keeps; a new one is covered without a new test."""

from dataclasses import FrozenInstanceError

import polars as pl
import pytest

import feature_platform.parts.imputation as catalogue
from feature_platform.ground.errors import InvalidDeclaration, WrongColumnType
from feature_platform.parts.imputation import Constant, FittedImputation, Imputation, Impute

KINDS = [
    kind
    for name in catalogue.__all__
    if issubclass(kind := getattr(catalogue, name), Imputation)
    and not kind.__abstractmethods__
    and name not in {"Imputation", "FittedImputation"}
]


def made(kind, **options):
    if kind is Constant:
        return Constant(0, **options)
    return kind(**{"by": "origin"} | options)


def test_users_reach_every_imputation_by_its_name():
    assert {value for value in vars(Impute).values() if isinstance(value, type)} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_frozen_value(kind):
    assert made(kind) == made(kind)
    assert hash(made(kind)) == hash(made(kind))
    assert made(kind) != made(kind, flag=True)
    with pytest.raises(FrozenInstanceError):
        made(kind).flag = True


@pytest.mark.parametrize("kind", KINDS)
def test_it_raises_no_flag_unless_asked(kind):
    assert made(kind).flag is False
    with pytest.raises(InvalidDeclaration, match="flag='yes'"):
        made(kind, flag="yes")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, FittedImputation)])
@pytest.mark.parametrize("by", ["", 3, ["origin"]])
def test_it_groups_by_one_column_or_none(kind, by):
    assert made(kind, by=None).by is None
    with pytest.raises(InvalidDeclaration, match="has by="):
        made(kind, by=by)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, FittedImputation)])
def test_a_rule_without_a_fallback_reads_as_before_there_were_any(kind):
    assert repr(made(kind)) == f"{kind.__name__}(flag=False, by='origin')"  # what code versions are made from
    assert repr(made(kind, fallback=0)) == f"{kind.__name__}(flag=False, by='origin', fallback=0)"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, FittedImputation)])
def test_a_fallback_that_the_feature_does_not_hold_is_refused(kind):
    with pytest.raises(WrongColumnType, match=r"fallback='x'.*`delay`.*Give a fallback that fits it"):
        made(kind, fallback="x").check(pl.Float64(), "delay", "impute")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [pl.List(pl.Int64), pl.Struct({"a": pl.Int64})])
def test_it_refuses_nested_features_or_leaves_their_type(kind, dtype):
    rule = made(kind)
    if rule.accepts(dtype):
        assert rule.filled(dtype) == dtype
    else:
        with pytest.raises(WrongColumnType, match=f"The service, {kind.__name__}.*`x`"):
            rule.check(dtype, "x", "The service")


def test_gaps_are_not_filled_with_gaps():
    with pytest.raises(InvalidDeclaration, match="gaps"):
        Impute.constant(None)


def test_the_newest_value_of_another_entity_is_never_taken_by_default():
    with pytest.raises(TypeError, match="by"):
        Impute.forward_fill()  # type: ignore[call-arg]
