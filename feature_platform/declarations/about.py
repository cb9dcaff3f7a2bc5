"""What people should know of a feature: its meaning, who answers for it, how far it can be relied on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from feature_platform.declarations.naming import describe_value
from feature_platform.declarations.source import validate_owner
from feature_platform.ground.clock import instant
from feature_platform.ground.errors import InvalidDeclaration, UnknownName

Stage = Literal["experimental", "stable", "deprecated"]
_STAGES: tuple[Stage, ...] = ("experimental", "stable", "deprecated")
_TAG = re.compile(r"[A-Za-z0-9_.-]{1,63}")


@dataclass(frozen=True, init=False)
class About:
    """What people should know of one feature; no value and no version depends on it.

    Args:
        description: what it means, in a sentence or two.
        stage: `experimental`, `stable` or `deprecated`. Defaults to that of its view.
        tags: words to find it by: letters, digits, `_`, `.` and `-`.
        owner: who answers for it. Defaults to the owner of its view.
        successor: of a deprecated feature what to use instead, e.g. `spending.amount_sum_30d`.
        until: of a deprecated feature the moment from which on `feature-platform check` fails where it is read.

    >>> About("Spend of this week over that of the last.", stage="experimental", tags=["money"]).tags
    ('money',)
    """

    description: str
    stage: Stage | None
    tags: tuple[str, ...]
    owner: str | None
    successor: str | None
    until: datetime | None

    def __init__(
        self,
        description: str = "",
        *,
        stage: Stage | None = None,
        tags: Sequence[str] = (),
        owner: str | None = None,
        successor: str | None = None,
        until: str | datetime | None = None,
    ) -> None:
        if not isinstance(description, str):
            raise InvalidDeclaration(
                "fp.About", f"has description={describe_value(description)}", "Describe the feature in a text."
            )
        if stage != "deprecated" and (successor is not None or until is not None):
            raise InvalidDeclaration(
                f"fp.About({description!r})",
                "has a successor or an end, and is not deprecated",
                'Add stage="deprecated", or leave them out.',
            )
        owner_of_words = f"fp.About({description!r})"
        object.__setattr__(self, "description", description)
        object.__setattr__(self, "stage", validate_stage(owner_of_words, stage))
        object.__setattr__(self, "tags", validate_tags(owner_of_words, tags))
        object.__setattr__(self, "owner", validate_owner(owner_of_words, owner))
        object.__setattr__(self, "successor", successor)
        object.__setattr__(self, "until", None if until is None else instant(until, f"{owner_of_words}, until,"))


def validate_stage(culprit: str, stage: object) -> Stage | None:
    """Return a stage, or None.

    Raises:
        InvalidDeclaration: it is none of the words.
    """
    for known in _STAGES:
        if stage == known:
            return known
    if stage is None:
        return None
    raise InvalidDeclaration(culprit, f"has stage={describe_value(stage)}", f"Use one of {', '.join(_STAGES)}.")


def validate_tags(culprit: str, tags: object) -> tuple[str, ...]:
    """Return tags, each once.

    Raises:
        InvalidDeclaration: they are no list of words.
    """
    if isinstance(tags, str) or not isinstance(tags, Sequence) or not all(isinstance(each, str) for each in tags):
        raise InvalidDeclaration(culprit, f"has tags={describe_value(tags)}", 'Give a list: tags=["money"].')
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise InvalidDeclaration(
                culprit, f"has the tag {tag!r}", "Use letters, digits, `_`, `.` and `-`, at most 63 of them."
            )
    return tuple(dict.fromkeys(tags))


def validate_about(culprit: str, about: object, features: Sequence[str] | None) -> Mapping[str, About]:
    """Return what is said of features by name.

    Args:
        features: those of the view; None where only data tells.

    Raises:
        InvalidDeclaration: it is no mapping to `fp.About`.
        UnknownName: it names what is no feature of the view.
    """
    if about is None:
        return {}
    if not isinstance(about, Mapping) or not all(isinstance(each, About) for each in about.values()):
        raise InvalidDeclaration(
            culprit, f"has about={describe_value(about)}", 'Give a dict: about={"amount": fp.About("What was paid.")}.'
        )
    if features is not None:
        require_described_features(culprit, about, features)
    return dict(about)


def require_described_features(culprit: str, about: Mapping[str, About], features: Sequence[str]) -> None:
    """Refuse what is said of features that are not there.

    Raises:
        UnknownName: names the feature, and those that there are.
    """
    for name in about:
        if name not in features:
            raise UnknownName(f"{culprit}, about,", "feature", name, features)
