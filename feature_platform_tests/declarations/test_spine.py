"""Spines are checked when they are declared, and each error says what would do."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.project import Project, order_declarations, upstream
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform_tests.shop import customer, daily, last_order, source

ORDERS = source(daily())
SHOP = fp.FeatureService("shop", [last_order(ORDERS)])
FACTS = fp.Source("facts", fp.sources.Frame(daily()))


def weekly(**words: Any) -> fp.Spine:
    return fp.Spine.every_key("weekly", source=ORDERS, entity=customer, **words)


@pytest.mark.parametrize(
    ("declare", "sentence"),
    [
        (
            lambda: fp.Spine.every_key("a b", source=ORDERS, entity=customer),
            (
                "Spine 'a b' has a name that cannot be an asset key. Use letters, digits and underscores, starting "
                "with a letter, at most 100 of them."
            ),
        ),
        (
            lambda: fp.Spine.every_key("weekly", source=FACTS, entity=customer),
            "Spine `weekly` has source=Source `facts`, which has no event_time. Name the clock of its rows.",
        ),
        (
            lambda: fp.Spine.every_key("weekly", source=daily(), entity=customer),  # type: ignore[arg-type]
            "Spine `weekly` has source=shape: (10, 3)",
        ),
        (
            lambda: fp.Spine.every_key("weekly", source=ORDERS, entity="customer"),  # type: ignore[arg-type]
            "Spine `weekly` has entity='customer'. Give the fp.Entity whose keys are asked.",
        ),
        (
            lambda: fp.Spine.requests("asked", service=ORDERS),  # type: ignore[arg-type]
            "Spine `asked` has service=Source `orders`. Give the fp.FeatureService that is asked.",
        ),
        (
            lambda: fp.Spine.requests("asked", service=SHOP, since="soon"),
            "Spine `asked`, since, is 'soon'. Write an ISO time such as `2013-03-01` or pass a datetime.",
        ),
        (lambda: fp.Spine.requests("asked", service=SHOP, share=0), "Spine `asked` has share=0."),
        (
            lambda: weekly(active="0d"),
            "Spine `weekly`, active, has the duration '0d'.",
        ),
        (lambda: weekly(active="soon"), "Spine `weekly`, active, has the duration 'soon'."),
        (lambda: weekly(every="12h", tz="Europe/Paris"), "Cadence, every, is '12h' in the time zone Europe/Paris"),
        (
            lambda: fp.Spine.events("some", source=ORDERS, share=0),
            "Spine `some` has share=0. Give a share above 0 and at most 1, e.g. share=0.1.",
        ),
        (
            lambda: fp.Spine.events("some", source=ORDERS, share=True),
            "Spine `some` has share=True. Give a share above 0 and at most 1, e.g. share=0.1.",
        ),
        (
            lambda: fp.Spine.events("some", source=ORDERS, by="customer"),
            'Spine `some` has by=\'customer\'. Give a list of column names: by=["a", "b"].',
        ),
        (
            lambda: fp.Spine.negatives("pairs", positives=ORDERS, candidates=ORDERS, ratio=0),
            "Spine `pairs` has ratio=0. Give a whole number from 1 on.",
        ),
        (
            lambda: fp.Spine.negatives("pairs", positives=FACTS, candidates=ORDERS),
            "Spine `pairs` has positives=Source `facts`, which has no event_time. Name the clock of its rows.",
        ),
        (
            lambda: fp.Spine.negatives("pairs", positives=ORDERS, candidates=daily()),  # type: ignore[arg-type]
            "Spine `pairs` has candidates=",
        ),
    ],
)
def test_a_wrong_spine_says_what_would_do(declare: Callable[[], fp.Spine], sentence: str) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        declare()

    assert str(refused.value).startswith(sentence)


def test_a_spine_is_an_asset_after_what_it_is_made_from() -> None:
    clicks = weekly()
    pairs = fp.Spine.negatives("pairs", positives=clicks, candidates=FACTS, owner="team:shop")
    ordered = order_declarations([pairs])

    assert upstream(pairs) == (clicks, FACTS)
    assert [each.asset for each in Project("shop", fp.Partitions(), ordered).assets] == [
        "sources/facts",
        "sources/orders",
        "spines/weekly",
        "spines/pairs",
    ]
    assert pairs.owner == "team:shop"


def test_what_decides_on_the_rows_is_in_the_code_version_and_nothing_else() -> None:
    first = code_version(weekly())
    others = [weekly(every="1d"), weekly(active="30d"), weekly(tz="Europe/Paris")]
    some = [
        fp.Spine.events("some", source=ORDERS, share=share, by=by)
        for share, by in ((0.1, None), (0.2, None), (0.1, ["a"]))
    ]
    told = fp.Spine.every_key("weekly", source=ORDERS, entity=customer, description="Each week.", owner="team:shop")

    assert len({first, *map(code_version, others)}) == 4
    assert len(set(map(code_version, some))) == 3
    assert code_version(told) == first


def test_a_training_set_takes_a_spine_a_source_or_a_frame() -> None:
    frame = pl.DataFrame({"customer": ["ann"]}).with_columns(
        event_timestamp=pl.lit("2024-01-01").str.to_datetime(time_zone="UTC")
    )
    service = fp.FeatureService("v1", [fp.feature_view(entity=customer, source=ORDERS, name="last")(lambda rows: rows)])
    assets = [fp.TrainingSet("t", service=service, spine=each).spine.asset for each in (weekly(), ORDERS, frame)]

    assert assets == ["spines/weekly", "sources/orders", "sources/t_spine"]
    with pytest.raises(InvalidDeclaration, match=r"Give an fp.Spine, an fp.Source with an event_time, or a frame"):
        fp.TrainingSet("t", service=service, spine=FACTS)
