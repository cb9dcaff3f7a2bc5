"""Aliases: one view that is found by other columns than its own."""

from collections.abc import Mapping, Sequence

from feature_platform.declarations.naming import describe_value
from feature_platform.ground.errors import InvalidDeclaration, UnknownName


def validate_alias_keys(culprit: str, keys: object, own: Sequence[str]) -> None:
    """Refuse what does not say which columns stand for which join keys.

    Raises:
        InvalidDeclaration: it is no mapping of texts, or finds two join keys by one column.
        UnknownName: a key is none of the view.
    """
    texts = isinstance(keys, Mapping) and all(isinstance(each, str) and each for each in keys.values())
    if not isinstance(keys, Mapping) or not keys or not texts:
        example = own[0] if own else "key"
        raise InvalidDeclaration(
            culprit, f"has keys={describe_value(keys)}", f'Say which column finds it: keys={{"{example}": "other"}}.'
        )
    for key in keys:
        if key not in own:
            raise UnknownName(culprit, "join key", key, own)
    columns = [keys.get(key, key) for key in own]
    if len(set(columns)) < len(columns):
        raise InvalidDeclaration(
            culprit, f"finds two join keys by one column: {', '.join(columns)}", "Give each a column of its own."
        )
