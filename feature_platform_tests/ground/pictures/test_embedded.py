"""A picture inside Markdown is whole in itself, and the same for the same drawing."""

from html import unescape

import pytest

from feature_platform.ground.pictures import svg
from feature_platform.ground.pictures.embedded import INLINE, embed, fits_inline, sheet
from feature_platform_tests.ground.pictures.reading import SVG, rendered, svg_of, texts

HOSTILE = 'a]b)(c [x](javascript:alert(1)) "q" <i> & \\ `'


def test_the_picture_brings_its_style_for_light_and_dark_and_its_size() -> None:
    found = svg_of(embed(sheet(840, 60, "said", [svg.words(1, 2, "words", "name")])))

    [style] = found.iter(f"{SVG}style")
    assert "prefers-color-scheme:dark" in (style.text or "")
    assert "svg text.name" in (style.text or "")
    assert (found.attrib["width"], found.attrib["height"], found.attrib["viewBox"]) == ("840", "60", "0 0 840 60")
    assert texts(found) == ["words"]


def test_it_stands_on_paper_of_its_own() -> None:
    found = svg_of(embed(sheet(840, 60, "said", [])))

    [paper] = [each for each in found.iter(f"{SVG}rect") if each.attrib["class"] == "paper"]
    assert paper.attrib["width"] == "839"


def test_it_needs_nothing_from_elsewhere() -> None:
    text = embed(sheet(10, 10, "said", []))

    assert not {each.tag for each in svg_of(text).iter()} & {f"{SVG}{tag}" for tag in ("script", "image", "use", "a")}
    assert "http" not in text


@pytest.mark.parametrize("said", [HOSTILE, "two\nlines", "東京", ""])
def test_whatever_it_says_is_one_image(said: str) -> None:
    html = rendered(embed(svg.drawing(10, 10, said, [])))

    assert html.count("<img") == 1
    assert html.startswith('<p><img src="data:image/svg+xml;base64,')
    assert unescape(html).rstrip().endswith(f'alt="{" ".join(said.split())}" /></p>')


def test_the_same_drawing_gives_the_same_text() -> None:
    assert embed(sheet(10, 10, "said", [])) == embed(sheet(10, 10, "said", []))


def test_titles_that_an_image_cannot_show_are_left_out() -> None:
    assert not list(svg_of(embed(svg.drawing(9, 9, "said", [svg.box(0, 0, 1, 1, "b", "hover")]))).iter(f"{SVG}title"))


def test_what_is_no_drawing_is_refused() -> None:
    with pytest.raises(ValueError, match="only a drawing"):
        embed("<svg onload='alert(1)'/>")


def test_what_is_shown_where_it_stands_is_counted_as_a_browser_counts() -> None:
    assert fits_inline("😀" * (INLINE // 2))
    assert not fits_inline("😀" * (INLINE // 2 + 1))
