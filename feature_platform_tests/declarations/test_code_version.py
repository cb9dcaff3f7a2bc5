"""The code version changes with what is computed, and with nothing else."""

import functools
import subprocess
import sys
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.code_version import code_version

ROWS = pl.DataFrame({"k": [1]})
orders = fp.Source("orders", fp.sources.Frame(ROWS), event_time="at")
customer = fp.Entity("customer", ["k"])
DAILY = [fp.Count(windows=["1d"])]
LARGE = 100


def version(function, **changes):
    fields: dict[str, Any] = {"entity": customer, "source": orders, "name": "v"} | changes
    return code_version(fp.feature_view(**fields)(function))


def executed(text, **around):
    """A function whose source nobody can find."""
    made = dict(around)
    exec(text, made)
    return made["rows"]


def plain(rows):
    return rows.filter(pl.col("amount") > 1)


def base(**changes):
    return version(plain, **changes)


def renamed(function):
    function.__name__ = "plain"
    return function


def documented():
    def plain(rows):
        """Orders of more than one."""
        # one is the price of a bag
        return rows.filter(
            pl.col("amount")  # in crowns
            > 1
        )

    return plain


def changed_body():
    def plain(rows):
        return rows.filter(pl.col("amount") > 2)

    return plain


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": "team:shop"},
        {"monitor": fp.Monitor()},
        {"expectations": [fp.Expect("expect_column_to_exist", column="k")]},
        {"entity": fp.Entity("client", ["k"], description="Who pays.")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_it_stays_when_nothing_that_is_computed_changes(changes):
    assert base(**changes) == base()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "w"},
        {"entity": fp.Entity("customer", ["k", "shop"])},
        {"entity": None},
        {"source": fp.Source("returns", fp.sources.Frame(ROWS), event_time="at")},
        {"aggregations": DAILY},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_it_changes_with_what_is_declared(changes):
    assert base(**changes) != base()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([fp.Mean("x", windows=["1d"])], [fp.Mean("x", windows=["2d"])]),
        ([fp.Mean("x", windows=["1d"])], [fp.Mean("y", windows=["1d"])]),
        ([fp.Quantile("x", 0.5, windows=["1d"])], [fp.Quantile("x", 0.50000001, windows=["1d"])]),
        (
            [fp.Rate(pl.col("x") > 1, name="big", windows=["1d"])],
            [fp.Rate(pl.col("x") > 2, name="big", windows=["1d"])],
        ),
        (
            [fp.Rate(pl.col("x").is_in([*range(50), 51, 99]), name="in", windows=["1d"])],
            [fp.Rate(pl.col("x").is_in([*range(50), 52, 99]), name="in", windows=["1d"])],
        ),
        (
            [fp.Sum("x", windows=["1d"], where=pl.col("y").is_in([*range(50), 51, 99]))],
            [fp.Sum("x", windows=["1d"], where=pl.col("y").is_in([*range(50), 52, 99]))],
        ),
        ([fp.Sum("x", windows=["1d"])], [fp.Sum("x", windows=["1d"], name="y")]),
        ([fp.Sum("x", windows=["1d"], lag="1d")], [fp.Sum("x", windows=["1d"], lag="2d")]),
        ([fp.Sum("x", windows=["last_day"])], [fp.Sum("x", windows=["last_day"], tz="Asia/Tokyo")]),
        (
            [fp.Sum("x", windows=["1d"], by="kind", categories=["a"])],
            [fp.Sum("x", windows=["1d"], by="kind", categories=["a", "b"])],
        ),
    ],
)
def test_it_changes_with_an_aggregation(one, other):
    assert base(aggregations=one) == base(aggregations=one)
    assert base(aggregations=one) != base(aggregations=other)


def test_a_view_that_uses_no_newer_words_has_the_version_that_it_always_had():
    """Published before windows had other shapes (b753d92): another version would make every table stale."""
    aggregations = [
        *(fp.Count(windows=["7d"]), fp.Sum("x", windows=["1d", "36h"]), fp.Quantile("x", 0.9, windows=["2w"])),
        *(fp.Rate(pl.col("x") > 1, name="big", windows=["1d"]), fp.Rate("late", windows=["1d"])),
    ]
    cadence = fp.Cadence(every="1d", delay="1h", lateness="2d")
    assert base(aggregations=aggregations, cadence=cadence, accuracy="exact") == "e7072743bf6b"


def test_it_changes_with_cadence_and_accuracy():
    versions = {
        base(aggregations=DAILY),
        base(aggregations=DAILY, cadence=fp.Cadence(every="1h")),
        base(aggregations=DAILY, accuracy="exact"),
        base(aggregations=DAILY, derive={"double": pl.col("count_1d") * 2}),
        base(aggregations=DAILY, derive={"double": pl.col("count_1d") * 3}),
        base(aggregations=DAILY, derive={"twice": pl.col("count_1d") * 2}),
        base(aggregations=DAILY, cadence=fp.Cadence(tz="UTC")),
        base(aggregations=DAILY, cadence=fp.Cadence(tz="Asia/Tokyo")),
    }
    assert len(versions) == 8


def test_a_cadence_without_a_zone_says_what_it_said_before_there_were_zones():
    cadence = fp.Cadence(every="1d", delay="1h", lateness="2d")
    assert repr(cadence) == "Cadence(every='1d', delay='1h', lateness='2d')"
    assert base(aggregations=DAILY, cadence=cadence) == "7df52b358cbb"


def test_comments_docstring_and_layout_do_not_count():
    assert version(documented()) == base()


def test_the_body_counts():
    assert version(changed_body()) != base()


def test_the_arguments_of_a_decorator_do_not_count():
    def declared(owner):
        @fp.feature_view(entity=customer, source=orders, owner=owner)
        def spending(rows):
            return rows

        return spending

    @fp.feature_view(
        entity=customer,
        source=orders,
        monitor=fp.Monitor(reference="30d"),
    )
    def spending(rows):
        """What was spent."""
        return rows

    assert code_version(declared("team:a")) == code_version(spending)


def test_the_decorators_inside_a_function_count():
    def plus(amount):
        def plain(rows):
            @functools.lru_cache(maxsize=amount)
            def inner():
                return rows

            return inner()

        return plain

    def without(rows):
        def inner():
            return rows

        return inner()

    assert version(plus(1)) != version(renamed(without))


def test_values_that_a_function_takes_from_around_itself_count():
    def above(least):
        def plain(rows):
            return rows.filter(pl.col("amount") > least)

        return plain

    def by_default(least):
        def plain(rows, least=least):
            return rows.filter(pl.col("amount") > least)

        return plain

    for made in (above, by_default):
        assert version(made(1)) == version(made(1)) != version(made(2))
    for one, other in [
        ({"a", "b"}, {"a", "c"}),
        ({"a": 1}, {"a": 2}),
        (pl.Float32, pl.Float64),
        (pl.Series([1]), pl.Series([2])),
        (pl.col("a"), pl.col("b")),
    ]:
        assert version(above(one)) == version(above(one)) != version(above(other))


def test_a_constant_of_the_module_counts(monkeypatch):
    def plain(rows):
        return rows.filter(pl.col("amount") > LARGE)

    before = version(plain)
    monkeypatch.setitem(globals(), "LARGE", 200)
    assert version(plain) != before


def test_a_lambda_is_told_by_its_own_text():
    one = version(lambda rows: rows.filter(pl.col("amount") > 1), owner="team:a")
    same = version(
        lambda rows: rows.filter(pl.col("amount") > 1),  # as above
        owner="team:b",
    )
    assert one == same
    assert version(lambda rows: rows.filter(pl.col("amount") > 2), owner="team:a") != one


def test_lambdas_of_one_line_are_told_apart():
    first, second = (lambda rows: rows.head(1)), (lambda rows: rows.head(2))
    assert version(first) != version(second)


def test_a_function_without_source_is_told_by_what_it_does():
    text = "def rows(frame):\n    return frame.filter(frame.x > {})"
    assert version(executed(text.format(1))) == version(executed("# a comment\n" + text.format(1)))
    assert version(executed(text.format(1))) != version(executed(text.format(2)))
    nested = "def rows(frame):\n    return (lambda x: x + {})(frame)"
    assert version(executed(nested.format(1))) == version(executed(nested.format(1)))
    assert version(executed(nested.format(1))) != version(executed(nested.format(2)))
    around = "def rows(frame):\n    return frame.head(least)"
    assert version(executed(around, least=1)) != version(executed(around, least=2))


class Above:
    """A transform that is an object."""

    def __init__(self, least):
        self.least = least

    def __call__(self, rows):
        return rows.filter(pl.col("amount") > self.least)


def test_partial_functions_and_objects_are_told_by_what_they_hold():
    def least(rows, amount):
        return rows.filter(pl.col("amount") > amount)

    for made in (lambda amount: functools.partial(least, amount=amount), Above):
        assert version(made(1), name="v") == version(made(1), name="v") != version(made(2), name="v")


def source(**changes):
    connector = changes.pop("connector", fp.sources.Csv("orders.csv"))
    return code_version(fp.Source("orders", connector, **{"event_time": "at"} | changes))


def test_a_source_changes_with_how_it_is_read_but_not_with_where():
    csv = fp.sources.Csv
    assert source(connector=csv("elsewhere/orders.csv"), owner="team:a", freshness="1d", description="x") == source()
    versions = {
        source(),
        source(connector=csv("orders.csv", null_values=["NA"])),
        source(connector=csv("orders.csv", separator=";")),
        source(connector=csv("orders.csv", types={"k": pl.String})),
        source(event_time="created_at"),
        source(known_at="seen_at"),
        source(partitioned=False),
        source(prepare=plain),
    }
    assert len(versions) == 8


def test_a_label_changes_with_its_function_and_clock():
    def version_of(function, **changes):
        return code_version(fp.label(entity=customer, source=orders, name="l", **changes)(function))

    assert version_of(plain, owner="team:a") == version_of(plain)
    assert len({version_of(plain), version_of(changed_body()), version_of(plain, known_at="seen_at")}) == 3


def test_a_training_set_changes_with_features_filling_and_horizon():
    spending = fp.feature_view(entity=customer, source=orders, name="spending", aggregations=DAILY)(plain)
    aged = fp.feature_view(entity=customer, source=orders, name="spending", aggregations=DAILY, ttl="3d")(plain)
    label = fp.label(entity=customer, source=orders, name="l")(plain)

    def version_of(view=spending, horizon=None, owner=None, **service):
        features = fp.FeatureService("s", [view], **service)
        return code_version(
            fp.TrainingSet("t", service=features, spine=orders, label=label, horizon=horizon, owner=owner)
        )

    assert version_of(owner="team:a") == version_of()
    versions = {
        version_of(),
        version_of(view=aged),
        version_of(view=spending["count_1d"]),
        version_of(horizon="1d"),
        version_of(full_names=True),
        version_of(impute={"count_1d": fp.Impute.constant(0)}),
        version_of(impute={"count_1d": fp.Impute.constant(1)}),
    }
    assert len(versions) == 7


def test_it_is_the_same_in_every_process():
    code = (
        "import functools, polars as pl, feature_platform as fp\n"
        "from feature_platform.declarations.code_version import code_version\n"
        "s = fp.Source('s', fp.sources.Csv('a.csv', types={'k': pl.String}), event_time='at')\n"
        "near = {'a', 'b', 'c'}\n"
        "f = functools.partial(lambda rows, x: [(lambda y: y in near)(x) for _ in rows], x=frozenset('abc'))\n"
        "v = fp.feature_view(entity=None, source=s, name='v')(f)\n"
        "print(code_version(s), code_version(v))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_it_changes_with_what_an_aggregation_computes():
    class Spread(fp.Max):
        label = "spread"

    class Other(fp.Max):
        label = "spread"

        def over(self, schema):
            return self.values.min()

    Other.__name__ = "Spread"
    customer = fp.Entity("customer", join_keys=["customer"])
    orders = fp.Source("orders", fp.sources.Frame(pl.DataFrame()), event_time="at")
    views = [
        fp.feature_view(entity=customer, source=orders, aggregations=[kind("amount", windows=["1d"])])(same)
        for kind in (Spread, Other)
    ]

    assert code_version(views[0]) != code_version(views[1])


def same(orders):
    return orders


class Doubled(fp.Sum):
    """A user's own sum, which goes its own way."""

    def over(self, schema):
        return super().over(schema) * 2


def test_another_way_to_the_same_sum_makes_no_view_stale_and_a_sum_of_ones_own_is_another(monkeypatch):
    sums = [fp.Sum("amount", windows=["1d"])]
    before, own = version(plain, aggregations=sums), version(plain, aggregations=[Doubled("amount", windows=["1d"])])
    monkeypatch.setattr(fp.Sum, "over", lambda self, schema: pl.col(self.column).sum())
    assert version(plain, aggregations=sums) == before != own
