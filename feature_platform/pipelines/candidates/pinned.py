"""What a pin holds back: the partitions of a rolled-back table that no run may change."""

from collections.abc import Iterable
from dataclasses import dataclass

from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.project import Asset
from feature_platform.offline import OfflineStore
from feature_platform.offline.contents import Contents
from feature_platform.offline.pins import Pin


@dataclass(frozen=True)
class Held:
    """The partitions of one asset that are held; `key in held` asks for one.

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
        """The keys that are not held."""
        return [key for key in keys if key not in self]


def held_of(asset: Asset, store: OfflineStore) -> Held:
    """What is held of the table of an asset."""
    return Held() if store.pin(asset.asset) is None else held_in(asset, store.contents(asset.asset))


def held_in(asset: Asset, contents: Contents) -> Held:
    """What is held of the table of an asset, whose log was read."""
    pin = contents.pin
    if pin is None:
        return Held()
    code, states = code_of(asset), contents.states()
    restored = [state for key, state in states.items() if key in pin.partitions and state.code_version is not None]
    return Held(pin, other_code=any(code.change_since(each.code_version, each.functions) for each in restored))
