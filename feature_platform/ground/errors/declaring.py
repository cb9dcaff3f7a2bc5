"""What is wrong with a declaration."""

from collections.abc import Iterable
from pathlib import Path

from feature_platform.ground.errors.base import FeaturePlatformError, join_names


class InvalidDeclaration(FeaturePlatformError):
    """A declaration that cannot mean anything, found when it is made."""

    def __init__(self, culprit: str, found: str, remedy: str) -> None:
        super().__init__(f"{culprit} {found}. {remedy}")


class ContractRefused(FeaturePlatformError):
    """A data contract that cannot be read, or that says what cannot be; the file and the field are named."""

    def __init__(self, path: Path, field: str, found: str, remedy: str) -> None:
        place = f", `{field}`," if field else ""
        super().__init__(f"Data contract {path}{place} {found}. {remedy}")
        self.field = field


class SecretMissing(FeaturePlatformError):
    """A secret whose environment variable is not set."""

    def __init__(self, owner: str, variable: str) -> None:
        super().__init__(
            f"{owner} needs the environment variable `{variable}`, which is not set or empty. "
            "Set it for the process that runs this."
        )


class WrongArgument(FeaturePlatformError):
    """A value of a kind that a function cannot take."""

    def __init__(self, function: str, given: str, takes: str) -> None:
        super().__init__(f"`{function}` was given {given}. It takes {takes}.")


class UnknownName(FeaturePlatformError):
    """A name that its owner does not declare."""

    def __init__(self, owner: str, kind: str, name: str, known: Iterable[object]) -> None:
        super().__init__(f"{owner} has no {kind} `{name}`. It has: {join_names(known)}.")
        self.kind = kind


class DuplicateName(FeaturePlatformError):
    """Two different declarations of one kind share a name."""

    def __init__(self, kind: str, name: str, remedy: str = "Rename one of them.") -> None:
        super().__init__(f"Two declarations are called {kind} `{name}`. {remedy}")


class DependencyCycle(FeaturePlatformError):
    """Declarations that depend on themselves."""

    def __init__(self, path: Iterable[str]) -> None:
        super().__init__(
            f"These declarations depend on one another in a circle: {' -> '.join(path)}. "
            "Read one of them from a source instead."
        )


class PartitionOutOfRange(FeaturePlatformError):
    """A partition key that the project's partitions do not contain."""

    def __init__(self, key: str, grain: str, first: str, last: str) -> None:
        super().__init__(
            f"Partition `{key}` is outside the {grain} partitions of this project, which run from {first} to {last}."
        )
