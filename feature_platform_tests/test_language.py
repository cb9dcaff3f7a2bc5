"""The language of the code stays plain: verbs for what does something, one meaning for a name, verbs in docstrings."""

from feature_platform_tests.language import definitions, names_with_two_meanings

PARTICIPLES = {
    "partitioned": "users write it: `fp.Source(partitioned=False)`",
    "balanced": "users write it: `fp.Weights.balanced`",
    "bounded": "users read it: `fp.Request.bounded`",
    "filled": "the contract of imputations, which users may implement",
    "shutdown": "uvicorn's word for what we override",
}


def test_a_function_is_not_called_by_a_lone_participle() -> None:
    lone = [each for each in definitions() if each.is_lone_participle and each.name not in PARTICIPLES]

    assert [f"{each.name} {each.place}" for each in lone] == []


def test_every_exception_is_still_there() -> None:
    assert set(PARTICIPLES) <= {each.name for each in definitions() if each.is_lone_participle}


def test_a_public_name_has_one_meaning() -> None:
    assert names_with_two_meanings(definitions()) == {}


def test_the_docstring_of_a_function_begins_with_a_verb() -> None:
    wordless = [each for each in definitions() if not each.is_class and not each.begins_with_a_verb]

    assert [f"{each.name} ({each.first_word}) {each.place}" for each in wordless] == []
