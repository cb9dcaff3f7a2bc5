"""Shapes and words: any text is text, and columns are as tall as they are said to be."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.ground.pictures import svg
from feature_platform_tests.ground.pictures.reading import heights


@given(st.text())
def test_any_words_are_words_in_a_drawing(said: str) -> None:
    shapes = [svg.words(1, 2, said, "name"), svg.text(1, 2, said), svg.box(0, 0, 1, 1, "b", said)]

    parsed = ET.fromstring(svg.drawing(10, 10, said, shapes))

    read = [each.tag.partition("}")[2] for each in parsed.iter()]
    assert read == ["svg", "title", "text", "text", "rect", *(["title"] if said else [])]  # nothing is read as markup


@pytest.mark.parametrize("said", ["<script>alert(1)</script>", "a & b", "\"quoted\" 'twice'", "東京", "]]>", "&#0;"])
def test_words_are_read_back_as_they_were(said: str) -> None:
    [found] = ET.fromstring(svg.drawing(1, 1, "", [svg.words(0, 0, said, "")])).findall("{*}text")

    assert found.text == said


@pytest.mark.parametrize("letter", ["\x00", "\x0b", "\x1b", "￾", "￿"])
def test_a_character_that_xml_does_not_have_is_shown_as_replaced(letter: str) -> None:
    [found] = ET.fromstring(svg.drawing(1, 1, "", [svg.words(0, 0, f"a{letter}b", "")])).findall("{*}text")

    assert found.text == "a�b"


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 9))
def test_a_skyline_is_as_tall_as_its_columns(tall: list[int], pitch: int) -> None:
    assert heights(svg.skyline(tall, 40, pitch), pitch) == tall
