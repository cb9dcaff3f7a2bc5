"""Pinned partitions: those of a rolled-back table that no run may change."""

from collections.abc import Iterable
from dataclasses import dataclass

from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.project import Asset
from feature_platform.offline import OfflineStore
from feature_platform.offline.contents import Contents
from feature_platform.offline.pins import Pin


@dataclass(frozen=True)
class HeldPartitions:
    """The partitions of one asset that a pin holds; `key in held` tells whether it holds one.

    Attributes:
        pin: of its table; None when nothing is held.
        other_code: the declared code is not the one that made what was restored. Then partitions that came later are
            held as well, so that what was rolled back because of its code does not come back day by day.
    """

    pin: Pin | None = None
    other_code: bool = False

    def __contains__(self, key: str) -> bool:
        return self.pin is not None and (self.other_code or key in self.pin.partitions)

    def without(self, keys: Iterable[str]) -> list[str]:
        """Return the keys that are not held."""
        return [key for key in keys if key not in self]


def held_partitions(asset: Asset, store: OfflineStore) -> HeldPartitions:
    """Return the partitions of an asset that a pin holds."""
    return (
        HeldPartitions() if store.pin(asset.asset) is None else held_partitions_in(asset, store.contents(asset.asset))
    )


def held_partitions_in(asset: Asset, contents: Contents) -> HeldPartitions:
    """Return the partitions of an asset that a pin holds, from its log as it was read."""
    pin = contents.pin
    if pin is None:
        return HeldPartitions()
    code, states = code_of(asset), contents.states()
    restored = [state for key, state in states.items() if key in pin.partitions and state.code_version is not None]
    return HeldPartitions(
        pin, other_code=any(code.change_since(each.code_version, each.functions) for each in restored)
    )
