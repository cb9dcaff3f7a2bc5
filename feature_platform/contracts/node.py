"""A part of a contract that knows its place and which of its fields were used; all others are left out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feature_platform.ground.errors import ContractRefused


class ContractNode:
    """A mapping in a contract.

    >>> node = ContractNode({"name": "orders", "price": 1}, Path("a.yaml"))
    >>> node.text("name"), node.left_out()
    ('orders', {'price': 1})
    """

    def __init__(self, content: Mapping[str, Any], path: Path, field: str = "") -> None:
        self.path = path
        self.field = field
        self._content = content
        self._used: set[str] = set()
        self._children: dict[str, list[ContractNode]] = {}
        self._whole = False

    def __contains__(self, key: str) -> bool:
        return self._content.get(key) is not None

    def use(self, *names: str) -> None:
        """Note fields as used."""
        self._used |= set(names)

    def take(self, key: str) -> Any:
        """Return a value and note it as used; None when there is none."""
        self.use(key)
        return self._content.get(key)

    def peek(self, key: str) -> Any:
        """Return a value without using it; None when there is none."""
        return self._content.get(key)

    def text(self, key: str) -> str | None:
        """Return a value that the schema says is text, and note it as used."""
        value = self.take(key)
        return value if isinstance(value, str) else None

    def node(self, key: str) -> "ContractNode":
        """Return a mapping inside, empty when there is none."""
        value = self.take(key)
        return self._keep(key, {self.place_of(key): value if isinstance(value, Mapping) else {}})[0]

    def nodes(self, key: str) -> list["ContractNode"]:
        """Return the mappings of a list inside; none when there is no list."""
        value = self.take(key)
        listed = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
        return self._keep(key, {f"{self.place_of(key)}[{place}]": each for place, each in enumerate(listed)})

    def place_of(self, key: str) -> str:
        """Return the place of a field of it in the contract."""
        return f"{self.field}.{key}" if self.field else key

    def refuse(self, key: str, found: str, remedy: str) -> ContractRefused:
        """Return the error that a field is wrong."""
        return ContractRefused(self.path, self.place_of(key) if key else self.field, found, remedy)

    def leave_out(self) -> None:
        """Note that nothing of it can be used, as a whole."""
        self._whole = True

    def ignore(self) -> None:
        """Note everything in it as used, since it is about something else."""
        self.use(*self._content)

    def left_out(self) -> dict[str, Any]:
        """Return what was not used, by its place."""
        if self._whole:
            return {self.field: dict(self._content)}
        left = {self.place_of(key): value for key, value in self._content.items() if key not in self._used}
        for children in self._children.values():
            for child in children:
                left |= child.left_out()
        return left

    def _keep(self, key: str, contents: Mapping[str, Mapping[str, Any]]) -> "list[ContractNode]":
        if key not in self._children:
            self._children[key] = [ContractNode(each, self.path, field) for field, each in contents.items()]
        return self._children[key]
