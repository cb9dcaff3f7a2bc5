"""Results show themselves in a few lines, and what comes from data is never markup."""

from feature_platform.ground.result_table import BriefResult, ResultTable


class Result(BriefResult):
    def __init__(self, *rows: list[object]) -> None:
        self.rows = rows

    def summary(self) -> ResultTable:
        return ResultTable("A result", ["name", "rows"], self.rows)


def test_a_result_is_a_table_of_text_with_columns_of_equal_width() -> None:
    assert repr(Result(["orders", 12], ["x", None])) == "A result\n  name    rows\n  orders  12\n  x"


def test_a_result_of_nothing_is_its_title() -> None:
    assert repr(Result()) == "A result"
    assert Result()._repr_html_() == "<p><b>A result</b></p>"


def test_a_long_result_says_how_much_it_left_out() -> None:
    shown = repr(Result(*([f"t{n}", n] for n in range(1000)))).splitlines()

    assert len(shown) == 33
    assert shown[-1] == "... and 970 more"


def test_a_long_value_is_shortened() -> None:
    assert max(map(len, repr(Result(["x" * 10_000, 1])).splitlines())) < 200


def test_what_comes_from_data_is_text_in_a_notebook() -> None:
    html = Result(["<script>alert(1)</script>", "a & b"])._repr_html_()

    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a &amp; b" in html
