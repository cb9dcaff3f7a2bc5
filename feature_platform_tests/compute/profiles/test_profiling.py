"""Profiles of partitions that pass, and of windows: as if each had been counted alone, from its rows."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.compute.profiles import counting, distinct, profiling
from feature_platform.compute.profiles.counting import layouts_of, profile_of, profiles_by
from feature_platform.compute.profiles.kinds import value_kind_of
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.compute.profiles.profile import EXAMPLES, ColumnProfile, add_profiles
from feature_platform.compute.profiles.profiling import Profiler
from feature_platform.compute.profiles.rows import arrays, as_lists
from feature_platform.compute.profiles.waiting import move_to_layout, waiting_layout, waits
from feature_platform.compute.profiles.window_profiles import profile_windows
from feature_platform.parts.drift import Kind
from feature_platform_tests.effort import tries

DRAWN = settings(derandomize=True, deadline=None, max_examples=tries(60))
SCHEMA = pl.Schema({"x": pl.Float64, "i": pl.Int32, "c": pl.String, "at": pl.Date})
NUMBERS = st.one_of(
    st.none(),
    st.sampled_from([0.0, 0.0, 1.0, -2.5, float("nan"), float("inf"), -float("inf"), 1e300, -1e300]),
    st.floats(-1e6, 1e6),
)
TEXTS = st.one_of(st.none(), st.sampled_from(["a", "a", "b", "航空", "", "z", "é", "🛩"]))
ROW = st.tuples(NUMBERS, st.one_of(st.none(), st.integers(-3, 3)), TEXTS, st.none())
ROWS = st.lists(ROW, max_size=25)
COLUMNS = list(SCHEMA)


def framed(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def exact(profile: ColumnProfile) -> tuple[object, ...]:
    """What of a profile adds up without rounding, but the sketch."""
    counts = profile.counts.tolist()
    ends = [None if np.isnan(each) else each for each in (profile.lowest, profile.highest)]
    known = (profile.rows, profile.nulls, profile.nans, profile.infinities)
    return (*known, counts, *ends, profile.unknown, profile.layout.id)


def assert_same(found: ColumnProfile, wanted: ColumnProfile) -> None:
    assert exact(found) == exact(wanted)
    assert str((found.total, found.squares)) == str((wanted.total, wanted.squares))


def naive(values: Sequence[object], layout: Layout) -> tuple[object, ...]:
    """What `exact` says of values, one by one."""
    there = [each for each in values if each is not None]
    known = [each for each in there if each == each]  # NaN is not itself
    counts, unknown = [0] * layout.bins, set()
    for each in known if layout.kind is not Kind.OTHER else []:
        if layout.kind is Kind.NUMBER:
            counts[sum(edge < each for edge in layout.edges)] += 1
        elif each in layout.values:
            counts[layout.values.index(str(each))] += 1
        else:
            counts[-1] += 1
            unknown.add(str(each))
    if layout.kind is Kind.OTHER:
        counts[0] = len(there)
    finite = [each for each in known if isinstance(each, (int, float)) and abs(each) != float("inf")]
    ends = (min(finite) + 0.0, max(finite) + 0.0) if finite else (None, None)
    told = (len(values), len(values) - len(there), len(there) - len(known), 0)
    if layout.kind is Kind.NUMBER:
        told = (*told[:3], len(known) - len(finite))
    return (*told, counts, *ends, tuple(sorted(unknown)[:EXAMPLES]), layout.id)


def seen(profiler: Profiler, parts: Mapping[str, pl.DataFrame], pieces: int = 1) -> dict[str, PartitionProfile]:
    """The profiles after each part has passed, in pieces."""
    for key, rows in parts.items():
        size = -(-rows.height // pieces) or 1
        for piece in rows.iter_slices(size) if rows.height else [rows]:
            profiler.see(key, piece)
    return profiler.profiles({key: f"hash of {key}" for key in parts}, SCHEMA)


# ---------------------------------------------------------------- windows


@given(reference=ROWS, parts=st.lists(ROWS, max_size=5), cut=st.integers(1, 40))
@DRAWN
def test_windows_that_are_counted_together_are_as_if_each_was_counted_alone(reference, parts, cut):
    layouts = layouts_of(framed(reference), COLUMNS)
    starts = [datetime(2024, 1, 1 + at) for at in range(len(parts))]
    frames = [framed(rows).with_columns(day=pl.lit(start)) for start, rows in zip(starts, parts, strict=True)]
    frames.append(framed([(1.0, 1, "a", None)] * 3).with_columns(day=pl.lit(None, pl.Datetime("us"))))
    rows = pl.concat(frames).sample(fraction=1.0, shuffle=True, seed=cut)
    found = profile_windows(rows, layouts, pl.col("day"))
    assert list(found) == [start for start, part in zip(starts, parts, strict=True) if part]
    for start, part in zip(starts, parts, strict=True):
        for name in COLUMNS if part else ():
            alone = profile_of(framed(part), layouts)[name]
            assert_same(found[start][name], alone)
            assert exact(found[start][name]) == naive(framed(part)[name].to_list(), layouts[name])
            assert not len(found[start][name].sketch)
            sketched = profiles_by(rows, layouts, pl.col("day"))[start][name]
            assert sketched.sketch.tolist() == alone.sketch.tolist()


def test_batches_of_a_lazy_frame_add_up(tmp_path, monkeypatch):
    draw, many = np.random.default_rng(1), 9000
    rows = pl.DataFrame(
        {
            "at": [datetime(2024, 1, 1) + timedelta(minutes=at) for at in range(many)],
            "x": draw.standard_normal(many),
            "c": ["a", "b", "c"] * (many // 3),
        }
    )
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=1000)
    layouts, window = layouts_of(rows.head(5000), ["x", "c"]), pl.col("at").dt.truncate("1h")
    whole = profile_windows(rows, layouts, window)
    monkeypatch.setattr(counting, "_BATCH_OF_WINDOWS", 1000)
    lazy = profile_windows(pl.scan_parquet(tmp_path / "rows.parquet"), layouts, window)
    assert list(lazy) == list(whole)
    for start, profiles in whole.items():
        for name, profile in profiles.items():
            assert_same(lazy[start][name], profile)


# ---------------------------------------------------------------- partitions


@given(
    parts=st.lists(ROWS, min_size=1, max_size=5),
    held=st.sampled_from([1, 20, 1 << 20]),
    pieces=st.integers(1, 3),
    known=ROWS,
)
@DRAWN
def test_partitions_that_pass_have_the_profiles_of_their_rows_however_many_are_held(parts, held, pieces, known):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiling, "HELD_VALUES", held)
        frames = {str(at): framed(rows) for at, rows in enumerate(parts)}
        layouts = layouts_of(framed(known), COLUMNS)
        given = {name: each for name, each in layouts.items() if each.bins > 1}
        found = seen(Profiler(given, keys=["i", "c"], identity=()), frames, pieces)
    for key, rows in frames.items():
        profile = found[key]
        assert (profile.partition, profile.content, profile.rows) == (key, f"hash of {key}", rows.height)
        assert profile.dtypes == {name: str(dtype) for name, dtype in SCHEMA.items()}
        assert list(profile.columns) == COLUMNS
        for name, each in profile.columns.items():
            assert exact(each) == naive(rows[name].to_list(), each.layout)
            assert name not in given or each.layout is given[name]
            wanted = distinct.EMPTY if name == "x" else profile_of(rows, {name: each.layout})[name].sketch
            assert each.sketch.tolist() == wanted.tolist()
        assert distinct.distinct(profile.keys) == rows.select("i", "c").drop_nulls().n_unique()
        assert profile.duplicates == rows.height - rows.unique().height


@given(parts=st.lists(ROWS, min_size=1, max_size=5))
@DRAWN
def test_the_profiles_of_partitions_add_up_to_that_of_all_rows(parts):
    frames = {str(at): framed(rows) for at, rows in enumerate(parts)}
    found = seen(Profiler(keys=["c"]), frames)
    for name in COLUMNS:
        layout = found["0"].columns[name].layout
        total = add_profiles([each.columns[name] for each in found.values()], layout)
        assert_same(total, profile_of(pl.concat(frames.values()), {name: layout})[name])
    keys = distinct.merge_sketches([each.keys for each in found.values()])
    assert keys.tolist() == distinct.sketch_of(pl.concat(frames.values())["c"]).tolist()


@given(rows=ROWS, identity=st.sampled_from([["i"], ["i", "c"], ["x", "at"], ["c", "not there"]]))
@DRAWN
def test_duplicates_are_the_rows_beyond_the_first_of_their_identity(rows, identity):
    profile = seen(Profiler(identity=identity), {"": framed(rows)}, pieces=3)[""]
    there = [name for name in identity if name in COLUMNS]
    assert profile.duplicates == len(rows) - framed(rows).unique(there).height


def test_rows_that_are_the_same_are_found_in_batches_far_apart(monkeypatch):
    monkeypatch.setattr(profiling, "HELD_VALUES", 1)
    profiler = Profiler(identity=())
    for batch in ([1, 2], [3], [], [2, 1], [4]):
        profiler.see("", pl.DataFrame({"x": pl.Series(batch, dtype=pl.Int64)}))
    assert profiler.profiles({"": "h"})[""].duplicates == 2


def test_nobody_counts_duplicates_who_does_not_say_what_makes_rows_the_same():
    profile = seen(Profiler(), {"a": framed([(1.0, 1, "a", None)] * 2)})["a"]
    assert profile.duplicates is None
    assert not len(profile.keys)


def test_a_partition_cannot_pass_twice(monkeypatch):
    monkeypatch.setattr(profiling, "HELD_VALUES", 1)
    profiler, rows = Profiler(), framed([(1.0, 1, "a", None)])
    profiler.see("a", rows)
    profiler.see("b", rows)
    with pytest.raises(ValueError, match="rows of `a` have passed before those of `b`"):
        profiler.see("a", rows)


def test_a_partition_that_did_not_pass_has_no_rows():
    profiler = Profiler(identity=())
    profiler.see("a", framed([(1.0, 1, "a", None)]))
    found = profiler.profiles({"a": "h", "b": "none"})
    assert (found["b"].rows, found["b"].duplicates, list(found["b"].columns)) == (0, 0, COLUMNS)
    total = add_profiles([each.columns["x"] for each in found.values()], found["a"].columns["x"].layout)
    assert total.rows == 1
    nothing = Profiler().profiles({"a": "none"}, SCHEMA)["a"]
    assert (nothing.rows, list(nothing.dtypes), list(nothing.columns)) == (0, COLUMNS, COLUMNS)


# ---------------------------------------------------------------- layouts


def test_a_column_without_values_waits_and_is_learnt_from_the_first_that_come(monkeypatch):
    monkeypatch.setattr(profiling, "HELD_VALUES", 1)
    inf = float("inf")
    parts = {
        "a": framed([]),
        "b": framed([(None, None, None, None), (inf, None, None, None), (-inf, None, None, None)]),
        "c": framed([(1.0, 2, "a", None), (inf, None, None, None)]),
        "d": framed([(-7.0, 3, "b", None)]),
    }
    profiler = Profiler()
    found = seen(profiler, parts)
    learnt = layouts_of(parts["c"], COLUMNS)
    for name in COLUMNS:
        assert {each.columns[name].layout.id for each in found.values()} == {learnt[name].id}
        for key, rows in parts.items():
            assert exact(found[key].columns[name]) == naive(rows[name].to_list(), learnt[name])


def test_a_column_that_never_has_values_is_counted_all_the_same():
    columns = seen(Profiler(), {"a": framed([(None, None, None, None), (float("nan"), None, None, None)])})["a"].columns
    assert {name: (each.rows, each.nulls, each.nans) for name, each in columns.items()} == {
        "x": (2, 1, 1), "i": (2, 2, 0), "c": (2, 2, 0), "at": (2, 2, 0),
    }  # fmt: skip
    assert [name for name, each in columns.items() if waits(each.layout)] == ["x", "i", "c"]


def test_a_layout_is_learnt_anew_when_the_kind_of_its_column_changed():
    layouts = layouts_of(pl.DataFrame({"x": ["a"], "i": [1]}), ["x", "i"])
    columns = seen(Profiler(layouts), {"a": framed([(1.0, 2, "a", None)])})["a"].columns
    assert columns["x"].layout.kind is Kind.NUMBER
    assert columns["i"].layout is layouts["i"]


def test_only_profiles_that_wait_move_to_another_layout():
    learnt = layouts_of(framed([(1.0, 1, "a", None)]), COLUMNS)
    profile = profile_of(framed([(2.0, 1, "a", None)]), learnt)
    other = layouts_of(framed([(5.0, 5, "b", None)]), COLUMNS)
    for name in COLUMNS:
        assert move_to_layout(profile[name], other[name]) is profile[name]
    empty = profile_of(framed([(None, None, None, None)]), {"x": waiting_layout(Kind.NUMBER)})["x"]
    assert move_to_layout(empty, learnt["c"]) is empty
    assert move_to_layout(empty, learnt["x"]).layout is learnt["x"]


STORED = [
    pl.Series([1, 1, None, -5], dtype=dtype) for dtype in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32)
] + [
    pl.Series([1, 1, None], dtype=pl.UInt64),
    pl.Series([1.5, float("nan"), float("inf"), -float("inf"), 1.7e308, -1.7e308, None]),
    pl.Series([Decimal("1.50"), Decimal("-2.25"), None], dtype=pl.Decimal(38, 2)),
    pl.Series([True, False, None, True]),
    pl.Series(["a", "a", None, "航空", ""]),
    pl.Series(["a", None, "b"], dtype=pl.Categorical),
    pl.Series(["a", None, "b"], dtype=pl.Enum(["b", "a"])),
    pl.Series([b"\xff\x00", b"\xff\x00", None]),
    pl.Series([date(2024, 1, 1), None]),
    pl.Series([datetime(2024, 1, 1), None]),
    pl.Series([timedelta(hours=1), None]),
    pl.Series([timedelta(hours=1), None]).cast(pl.Int64).cast(pl.Time),
    pl.Series([[1], [1], None, []]),
    pl.Series([{"a": 1, "b": ["x"]}] * 2 + [None], dtype=pl.Struct({"a": pl.Int64, "b": pl.List(pl.String)})),
    pl.Series([None, None], dtype=pl.Null),
    pl.Series([None, None], dtype=pl.Float64),
]  # fmt: skip


@pytest.mark.parametrize("values", STORED, ids=lambda values: str(values.dtype))
def test_columns_of_every_type_are_profiled(values):
    rows = values.alias("v").to_frame()
    found = Profiler(keys=["v"], identity=())
    for key in "ab":  # two, so that they are counted together
        found.see(key, rows)
    found.see("c", rows.clear())
    first, second, empty = found.profiles({"a": "1", "b": "1", "c": "2"}).values()
    alone = profile_of(rows, {"v": first.columns["v"].layout})["v"]
    assert_same(first.columns["v"], alone)
    assert_same(second.columns["v"], alone)
    assert first.columns["v"].layout.kind is value_kind_of(values.dtype)
    assert first.columns["v"].counts.sum() == first.columns["v"].values
    assert first.duplicates == len(values) - values.n_unique()
    assert len(first.keys) == (values.drop_nulls().n_unique())
    assert (empty.rows, empty.columns["v"].rows, empty.duplicates) == (0, 0, 0)


def test_two_columns_of_an_entity_are_one_key():
    rows = pl.DataFrame({"a": [1, 1, 1, None], "b": ["x", "y", "x", "x"]})
    profile = seen(Profiler(keys=["a", "b"]), {"p": rows})["p"]
    assert len(profile.keys) == 2
    assert not len(seen(Profiler(keys=["a", "gone"]), {"p": rows})["p"].keys)


STRETCHES = st.lists(st.lists(st.integers(0, 6), max_size=8), max_size=12)


@DRAWN
@given(stretches=STRETCHES, long=st.booleans())
def test_sketches_of_many_stretches_are_those_of_each_alone(stretches: list[list[int]], long: bool) -> None:
    lists = [*stretches, list(range(5000))] if long else stretches
    starts = np.cumsum([0, *map(len, lists)], dtype=np.intp)
    values = pl.Series([value for each in lists for value in each], dtype=pl.Int64)
    found = distinct.sketches_of(values, starts)
    alone = [distinct.sketch_of(pl.Series(each, dtype=pl.Int64)) for each in lists]
    assert [each.tolist() for each in found] == [each.tolist() for each in alone]


@DRAWN
@given(lists=STRETCHES, repeats=st.sampled_from([1, 20]))
def test_arrays_come_back_from_lists_whether_neighbours_have_one_length_or_not(
    lists: list[list[int]], repeats: int
) -> None:
    each = [np.array(values, dtype=np.int64) for values in lists for _ in range(repeats)]
    found = as_lists(each)
    assert (found.name, found.dtype) == ("", pl.List(pl.Int64))
    assert found.to_list() == [values.tolist() for values in each]
    assert [values.tolist() for values in arrays(found)] == [values.tolist() for values in each]
