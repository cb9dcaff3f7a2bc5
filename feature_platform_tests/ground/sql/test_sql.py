"""SQL of users: nothing but the batch is read, whatever is written, and what is allowed means what Polars says."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.sql import UnreadableSql, print_query, standard_text
from feature_platform.ground.sql.lexing import tokens_of
from feature_platform.ground.sql.printing import print_expression
from feature_platform.ground.sql.words import FUNCTIONS
from feature_platform.quality.conditions import expression_of_condition, read_condition
from feature_platform.quality.queries import query_fault, unexpected_rows
from feature_platform.quality.target import NotComputable
from feature_platform_tests.effort import tries
from feature_platform_tests.ground.sql.opened import Opened, watching

RIDES = pl.DataFrame(
    {
        "fare": [1.0, -2.0, None],
        "city": ["a", "b", None],
        "n": [1, 2, 3],
        "first": [1, 2, 3],
        "limit": [1, 2, 3],
        "my col": [1, 2, 3],
        "date": ["2026-01-01", "x", None],
    }
).with_columns(at=pl.lit("2026-01-01").str.to_datetime(time_zone="UTC"))

READS = [
    "read_csv('{file}')",
    "READ_CSV('{file}')",
    "read_csv/**/('{file}')",
    "read_csv--\n('{file}')",
    "read_csv /* a /* b */ c */ ('{file}')",
    "\"read_csv\"('{file}')",
    "`read_csv`('{file}')",
    "'read_csv'('{file}')",
    "read_csv\u00a0('{file}')",
    'read_csv("{file}")',
    "read_csv($${file}$$)",
    "read_csv(E'{file}')",
    "ｒｅａｄ_csv('{file}')",
    "re\u200bad_csv('{file}')",
    "(read_csv)('{file}')",
    "batch.read_csv('{file}')",
    "read_parquet('{file}')",
    "read_ipc('{file}')",
    "read_json('{file}')",
    "read_ndjson('{file}')",
    "scan_csv('{file}')",
    "'{file}'",
    '"{file}"',
    "lateral read_csv('{file}')",
    "table(read_csv('{file}'))",
    "batch, read_csv('{file}')",
    "batch, \"read_csv\"('{file}') x",
    "batch, 'read_csv'('{file}')",
    "batch join read_csv/* */('{file}') using (fare)",
    "(select * from \"read_csv\"('{file}')) t",
]
STATEMENTS = [
    "SELECT * FROM {{batch}} UNION ALL SELECT * FROM \"read_csv\"('{file}')",
    "SELECT * FROM {{batch}} WHERE fare IN (SELECT fare FROM `read_csv`('{file}'))",
    "WITH batch AS (SELECT * FROM 'read_csv'('{file}')) SELECT * FROM {{batch}}",
    "WITH t AS (FROM \"read_csv\"('{file}')) SELECT * FROM t",
    "FROM \"read_csv\"('{file}')",
    "TABLE batch",
    "CREATE TABLE x AS SELECT * FROM \"read_csv\"('{file}')",
    "COPY batch TO '{file}'",
    "DROP TABLE batch",
    "TRUNCATE TABLE batch",
    "DELETE FROM batch",
    "INSERT INTO batch VALUES (1)",
    "EXPLAIN SELECT * FROM \"read_csv\"('{file}')",
    "SELECT * FROM {{batch}}; SELECT * FROM \"read_csv\"('{file}')",
    "SELECT {{batch.__class__}} FROM {{batch}}",
    "SELECT * FROM {{batch!r}}",
    "SELECT * FROM {{batch:>9}}",
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Opened]]:
    file = tmp_path_factory.mktemp("planted") / "secret.csv"
    file.write_text("fare\n7\n")
    with watching(file.parent) as opened:
        yield file, opened


def test_the_watch_sees_what_polars_opens(planted: tuple[Path, Opened]) -> None:
    file, opened = planted
    pl.SQLContext().execute(f"SELECT * FROM read_csv('{file}')").collect_schema()
    assert opened.names() == {"secret.csv"}


@pytest.mark.parametrize("query", [*(f"SELECT * FROM {read}" for read in READS), *STATEMENTS])
def test_a_query_that_reads_anything_but_the_batch_is_refused_and_opens_nothing(
    planted: tuple[Path, Opened], query: str
) -> None:
    file, opened = planted
    written = query.format(file=file) if query in STATEMENTS else query.replace("{file}", str(file))
    with pytest.raises(NotComputable):
        unexpected_rows(RIDES.lazy(), written)
    assert opened.names() == set()
    if "TABLE batch" not in query:
        assert query_fault(written) is not None


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("parser", [None, "spark", "pandas"])
def test_a_row_condition_reads_no_file(planted: tuple[Path, Opened], read: str, parser: str | None) -> None:
    file, opened = planted
    text = f"fare > (select max(fare) from {read.replace('{file}', str(file))})"
    with pytest.raises(InvalidDeclaration):
        read_condition(text, parser)
    stored = {"type": "pass_through", "pass_through_filter": text}
    with pytest.raises(NotComputable):
        expression_of_condition(stored, RIDES.schema)
    assert opened.names() == set()


_WORDS = """SELECT FROM WHERE UNION ALL WITH AS IN JOIN ON EXISTS read_csv "read_csv" `read_csv` batch {batch}
    {x} fare "fare" city ( ( ) ) , . * = < - -- /* */ ; ' " ` $$ E' 1 2.5 'a' NOT AND OR CASE WHEN THEN END CAST int ::
    count max LATERAL TABLE [ ] ANY 'FILE' "FILE" ('FILE') "read_csv"('FILE') \n"""


@settings(max_examples=tries(300), deadline=None)
@given(
    pieces=st.lists(st.sampled_from(_WORDS.split()), max_size=14),
    glue=st.sampled_from(["", " ", "/**/"]),
    leading=st.booleans(),
)
@example(pieces=["*", "FROM", "\"read_csv\"('FILE')"], glue=" ", leading=True)
def test_whatever_is_written_no_file_is_opened_and_there_is_one_kind_of_error(
    planted: tuple[Path, Opened], pieces: list[str], glue: str, leading: bool
) -> None:
    file, opened = planted
    text = ("SELECT " if leading else "") + glue.join(pieces).replace("FILE", str(file))
    with suppress(NotComputable):
        unexpected_rows(RIDES.lazy(), text)
    with suppress(NotComputable, InvalidDeclaration):
        expression_of_condition(read_condition(text.removeprefix("SELECT ")) or {}, RIDES.schema)
    assert opened.names() == set()


ALLOWED = [
    "SELECT * FROM {batch} WHERE fare < 0",
    "SELECT b.fare f, count(*) AS k FROM {batch} b GROUP BY b.fare HAVING count(*) > 0 ORDER BY k, f NULLS LAST",
    "WITH t AS (SELECT n, row_number() OVER (PARTITION BY city ORDER BY n DESC) AS r FROM {batch}) SELECT * FROM t",
    "SELECT * EXCLUDE (city) FROM {batch} WHERE city ~ '^[a-z]{1}$' -- one letter",
    "SELECT sum(n) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS s FROM {batch}",
    "SELECT CASE WHEN fare > 0 THEN 'x' ELSE 'y' END AS z, coalesce(fare, 0) AS c FROM {batch}",
    "SELECT extract(year FROM at) y, date_part('month', at) m, at + INTERVAL '1 day' AS d FROM {batch}",
    "SELECT cast(n AS decimal(10, 2)) a, n::text b, trim(BOTH ' ' FROM city) c FROM {batch}",
    "SELECT * FROM {batch} WHERE date < '2026-05-01' AND first > 0 AND `my col` IN (1, 2) /* and */",
    "SELECT DISTINCT city FROM {batch} UNION ALL SELECT 'c' AS city FROM {batch} ORDER BY city",
    "SELECT a.n FROM {batch} a LEFT JOIN {batch} AS b ON a.n = b.n INNER JOIN {batch} c USING (n) ORDER BY 1",
    "SELECT * FROM {batch} WHERE fare > (SELECT avg(fare) FROM {batch}) OR fare IS NOT DISTINCT FROM 1",
    "SELECT * FROM (SELECT n FROM {batch}) t WHERE NOT t.n BETWEEN 2 AND 5;",
    "SELECT count(*) FILTER (WHERE n > 1) AS k, 'it''s' AS x, -1e3 AS y FROM {batch}",
    "SELECT * FROM {batch} WHERE \"limit\" > 1 AND city NOT LIKE 'a%'",
]


@pytest.mark.parametrize("query", ALLOWED)
def test_what_is_allowed_means_what_polars_says(query: str) -> None:
    assert query_fault(query) is None
    raw = query.replace("{batch}", "batch").rstrip(";").replace("AND first >", 'AND "first" >')
    assert_frame_equal(
        unexpected_rows(RIDES.lazy(), query).collect(), pl.SQLContext(batch=RIDES.lazy()).execute(raw).collect()
    )


def test_braces_in_a_text_are_its_own_and_doubled_ones_are_single_as_great_expectations_writes_them() -> None:
    for text in ("^[a-z]{1}$", "^[a-z]{{1}}$"):
        found = unexpected_rows(RIDES.lazy(), f"SELECT n FROM {{batch}} WHERE city ~ '{text}'").collect()
        assert found["n"].to_list() == [1, 2]
    assert unexpected_rows(RIDES.lazy(), "SELECT '{batch}' AS x FROM {batch} LIMIT 1").collect().item() == "{batch}"


@given(name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8))
@settings(max_examples=tries(60), deadline=None)
def test_any_name_of_a_column_can_be_written_in_quotes(name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    printed = print_expression(tokens_of(quoted), [name])
    assert print_expression(tokens_of(printed), [name]) == printed
    if not name.startswith("^") and name != "*":  # those are patterns to Polars
        assert pl.sql_expr(printed).meta.output_name() == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fair > 1", "it names `fair` at character 1, which is no column; near to it: fare"),
        ("lenght(city) > 1", "it calls `lenght` at character 1, which is no known function; near to it: length"),
        ("fare > 1 'x'", "it has the text 'x' at character 10 right after `1`"),
        ("fare > 'x", "it has a quote at character 8 that does not end"),
        ("fare > E'x'", "write plain text in single quotes"),
        ("(fare > 1", "it has a `(` that is not closed"),
        ("fare > 1)", "it has a `)` at character 9 that closes nothing"),
        ("fare > 1; fare < 2", "it has a `;` at character 9; write one statement"),
        ("fare in (select 1)", "an expression reads no table"),
        ("/* fare", "comment at character 1 that does not end"),
        ("", "it is empty"),
        ("(" * 41 + "fare" + ")" * 41, "nested deeper than 40 levels"),
        ("+".join(["fare"] * 1002), "1,001 operators, and at most 1,000 are computed"),
    ],
)
def test_what_is_not_read_is_refused_with_its_place_and_what_would_do(text: str, words: str) -> None:
    with pytest.raises(UnreadableSql) as error:
        print_expression(tokens_of(text), ["fare", "city"])
    assert words in str(error.value)


def test_every_function_that_is_let_through_is_one_of_polars() -> None:
    frame, calls = pl.LazyFrame({"a": ["x"]}), {"extract": "extract(year FROM a)", "substring": "substring(a, 1, 1)"}
    calls["position"] = "position('x' IN a)"
    unknown = []
    for name in sorted(FUNCTIONS):
        query = print_query(f"SELECT {calls.get(name, f'{name}(a, a, a, a, a)')} FROM t", tables=["t"], columns=["a"])
        try:
            pl.SQLContext(t=frame).execute(query).collect_schema()
        except pl.exceptions.PolarsError as error:
            unknown += [name] if "unsupported function" in str(error) else []
    assert unknown == []


def test_a_backslash_in_a_text_is_a_plain_character_to_polars() -> None:
    query = "SELECT 'a\\' AS x, 'b\\n' AS y"
    assert pl.SQLContext().execute(query).collect().row(0) == ("a\\", "b\\n")


def test_the_words_of_spark_become_standard_sql() -> None:
    assert standard_text('s = "paid" OR `my col` > 1', "spark") == "s = 'paid' OR \"my col\" > 1"
    with pytest.raises(UnreadableSql, match="backslash"):
        standard_text("s = 'a\\'b'", "spark")
