"""What people write is shown in Markdown as it is."""

import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feature_platform.ground.pictures.markdown import escape_markdown, name_as_code, table_of_cells
from feature_platform_tests.ground.pictures.reading import rendered

HOSTILE = st.text(alphabet=st.sampled_from(list("ab_*`|~[]()<>!#&;:@./\\-+=\"' \n\x00東")), max_size=30)


def said(words: str) -> str:
    """Words as people can see them: on one line, nothing unseen."""
    return " ".join(words.split()).replace("\x00", "�")


def cells(html: str) -> list[str]:
    found = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", html)
    return [" ".join(unescape(each.removeprefix("<code>").removesuffix("</code>")).split()) for each in found]


@given(HOSTILE)
@example(" __x__ ")
@example(" _x_ **y** ")
def test_words_inside_of_a_line_are_shown_as_they_are(words: str) -> None:
    html = rendered(f"a{escape_markdown(words)}z")

    assert "<" not in html.strip().removeprefix("<p>").removesuffix("</p>")
    assert unescape(html) == f"<p>{said(f'a{words}z')}</p>\n"


@given(HOSTILE)
def test_a_cell_holds_any_words_and_no_more_cells(words: str) -> None:
    html = rendered(table_of_cells(["first", "second"], [[f"a{escape_markdown(words)}z", name_as_code(f"b{words}y")]]))

    assert cells(html) == ["first", "second", said(f"a{words}z"), said(f"b{words}y")]


@pytest.mark.parametrize("column", ["dep_delay", "temp 2", "a.b", "東京"])
def test_a_plain_name_is_code(column: str) -> None:
    assert name_as_code(column) == f"`{column}`"


@pytest.mark.parametrize("column", ["a|b", "`a`", "<b>", "", " a"])
def test_another_name_is_text(column: str) -> None:
    assert f"`{column}`" != name_as_code(column)


def test_numbers_stand_to_the_right() -> None:
    assert '<td style="text-align:right">1</td>' in rendered(table_of_cells(["a", "b"], [["x", "1"]], right=[1]))
