"""The page `docs/expectations.md`, made from Great Expectations' own registry.

`python -m feature_platform_tests.quality.coverage_page` writes it again; a test fails when it is not what is made.
"""

from pathlib import Path

from feature_platform.quality.coverage import NOTES, UNSUPPORTED, known_expectations
from feature_platform.quality.row_rules import row_rule

PAGE = Path(__file__).parents[2] / "docs" / "expectations.md"
_HEAD = """# Expectations

<!-- Made by `python -m feature_platform_tests.quality.coverage_page`; edit that, not this. -->

An expectation is one rule about data, in the words of Great Expectations {version}, computed by Polars:

```python
fp.Expect("expect_column_values_to_be_between", column="fare", min_value=0, mostly=0.99, severity="warning")
```

- All expectations of an asset are computed together; data that is well is read once. Values and rows that break
  one are looked for only when there are some.
- *Rows*: a failed critical expectation of this kind sends the rows that break it to quarantine. *Table*: it judges
  the whole, so all rows of the write are refused.
- `mostly`, `severity`, `row_condition` and `ignore_row_if` mean what they mean in Great Expectations. A row
  condition is written `col("x") > 5`, as SQL (`x > 5 AND s = 'a'`, double quotes name a column), or as Great
  Expectations' own objects. With a `condition_parser` of pandas it is pandas' `query`, with one of spark SQL.
- A condition in the words of pandas keeps the rows that pandas keeps: with a missing value `!=` and `not in` are true,
  every other comparison is false, and `not` turns that round. In SQL such a comparison is unknown, and selects no row.
  Other functions, variables (`@x`), `%`, `//` and `**` are refused; a NaN that is not null stays a value.
- With a `condition_parser` of spark double quotes hold a text (`status = "paid"`) and backticks a column; in SQL double
  quotes hold a column. A text with a backslash or a doubled quote, which Spark reads as an escape, is refused; names
  of columns are case-sensitive, and functions are those of Polars.
- Regular expressions mean what Python's mean: `$` also matches before a last line end, `\\Z` is the very end. Refused
  with the reason: look-around, back-references, possessive and atomic groups, octal escapes, and what Rust reads in
  another way: `\\<` and `\\>` (words begin and end there), `&&`, `--`, `~~` and `[` in brackets. What only Rust reads
  (`\\p{{L}}`, `\\z`) is taken. `\\w` also counts signs that join letters, such as accents on their own. In SQL, `~` and
  LIKE are those of Polars.
- Null is missing and NaN is a value: a NaN lies between nothing, and makes the mean of its column NaN. Great
  Expectations on pandas takes both for missing. Where nothing is NaN, both say the same (tested on random data).
- Suites in JSON are read by `fp.expectations_from_suite` and written by `fp.suite_of`; `$PARAMETER`s, `windows`,
  notes and identifiers are not kept.
- A result is Great Expectations' own, in JSON; `feature_platform.quality.data_docs_page` makes its Data Docs page:
  one file that loads and runs nothing.
- Bounds and the values of a `value_set` are read as the column's type: `1.0` and "1" as a whole number, midnight as a
  date, ISO text as a time, 0 and 1 as booleans; times without a zone are UTC. What the column cannot hold, such as noon
  against a date, is refused before anything is written, naming the expectation; no row is blamed for it.
- SQL reads `{{batch}}` and nothing else: no file, no other table. A row condition may be of any size (10,000 `OR`s).
- What is not supported says so when the project is checked, before any data is read.

Of {total} expectations that Great Expectations registers, {supported} are supported.

| expectation | judges | remarks |
|---|---|---|
"""


def coverage_page() -> str:
    """The page, as text."""
    from feature_platform.quality import session

    registered = sorted(registered_expectations())
    head = _HEAD.format(
        version=session.gx.__version__,  # type: ignore[attr-defined]
        total=len(registered),
        supported=len(set(registered) & set(known_expectations())),
    )
    return head + "".join(f"{_row(kind)}\n" for kind in registered)


def registered_expectations() -> list[str]:
    """The types of expectation that Great Expectations itself registers."""
    from feature_platform.quality import session  # Great Expectations, quietly

    registry = session.gx.expectations.registry  # type: ignore[attr-defined]
    return [str(name) for name in registry.list_registered_expectation_implementations()]


def _row(kind: str) -> str:
    if kind not in known_expectations():
        return f"| `{kind}` | **not supported** | {UNSUPPORTED.get(kind, 'not known to this version')} |"
    return f"| `{kind}` | {'rows' if row_rule(kind) else 'table'} | {NOTES.get(kind, '')} |"


if __name__ == "__main__":
    PAGE.write_text(coverage_page(), encoding="utf-8")
