"""Words of other languages mean here what they mean there, or are refused: Python's patterns, pandas, Spark."""

import re
import warnings

import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feature_platform.declarations.expectation import Expect
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.quality import check_supported
from feature_platform.quality.conditions import expression_of_condition, read_condition
from feature_platform.quality.patterns import rust_regex
from feature_platform.quality.target import NotComputable
from feature_platform_tests.effort import tries

ROWS = pl.DataFrame({"n": [1, 2, None], "m": [1, 3, 4], "city": ["a", "b", None]})


def rows_of(condition: str, parser: str | None) -> list[int]:
    chosen = expression_of_condition(read_condition(condition, parser) or {}, ROWS.schema).fill_null(value=False)
    return ROWS.with_row_index("at").filter(chosen)["at"].to_list()


_PARTS = st.sampled_from(
    """n == 1;n != 1;n < 2;n >= 2;n in [1, 5];n not in [1, 5];city == 'a';city != 'a';0 < n <= 2;city in ['a']
    ;city not in ['a'];n == [1, 2];n != [1];n != m;n == m;n + 1 > m;n * 2 != 2;n / 2 < 0.9;city.isnull();n.notnull()
    ;1 != n""".replace("\n", "").split(";")
)


def _joined(parts: tuple[str, str, str]) -> str:
    return f"({parts[0]}) {parts[1]} ({parts[2]})"


_CONDITIONS = st.recursive(
    _PARTS,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, st.sampled_from(["and", "or", "&", "|"]), inner).map(_joined),
    ),
    max_leaves=4,
)


@settings(max_examples=tries(80), deadline=None)
@given(condition=_CONDITIONS)
@example(condition="n != 1")
@example(condition="city not in ['a']")
@example(condition="not (n == 1)")
def test_a_condition_of_pandas_keeps_the_rows_that_pandas_keeps(condition: str) -> None:
    assert rows_of(condition, "pandas") == _pandas_rows(condition)


def _pandas_rows(condition: str) -> list[int]:
    frame = pd.DataFrame({"n": [1.0, 2.0, None], "m": [1, 3, 4], "city": ["a", "b", None]})
    return [int(each) for each in frame.query(condition, engine="python").index]


def test_double_quotes_hold_a_text_for_spark_and_name_a_column_in_sql() -> None:
    assert rows_of('city = "a" and `n` = 1', "spark") == [0]
    with pytest.raises(NotComputable, match="`a`"):
        rows_of('city = "a"', None)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"\<a", r"has `\\<`, which is the sign itself in Python, and the start of a word in Rust"),
        (r"a\>", r"the end of a word in Rust"),
        (r"a++b", "never gives back in Python"),
        (r"[a&&b]", "an operation on sets"),
        (r"[a~~b]", "an operation on sets"),
        (r"[[:alpha:]]", "begins another set"),
        (r"(?=a)", "Rust does not read"),
        (r"(a)\1", "Rust does not read"),
    ],
)
def test_a_pattern_that_two_languages_read_in_two_ways_is_refused_with_the_reason(pattern: str, words: str) -> None:
    rule = Expect("expect_column_values_to_match_regex", column="city", regex=pattern)
    with pytest.raises(InvalidDeclaration, match=words):
        check_supported(rule)


_SIGNS = r"a b $ ^ \Z \A . * + ? | ( ) [ ] [^ - & ~ \< \b \d {2} (?m) 1 END"


@settings(max_examples=tries(300), deadline=None)
@given(
    pattern=st.lists(st.sampled_from(_SIGNS.replace("END", "\n").split(" ")), max_size=7).map("".join),
    texts=st.lists(st.text("ab1\n<-&~", max_size=4), min_size=1, max_size=6),
)
@example(pattern="a$", texts=["a\n", "a\n\n"])
@example(pattern="a\\Z", texts=["a\n", "a"])
def test_a_pattern_finds_what_python_finds(pattern: str, texts: list[str]) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            python = re.compile(pattern)
        found = pl.Series(texts).str.contains(rust_regex(pattern))
    except (re.error, NotComputable, pl.exceptions.ComputeError):
        return
    assert found.to_list() == [python.search(text) is not None for text in texts]
