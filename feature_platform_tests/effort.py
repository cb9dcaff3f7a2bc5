"""How often something is tried: what its author chose, times what the profile of this run says.

The profiles are made in `conftest.py`: `quick` (`make test`), `full` (`make test-all`) and `thorough` (by hand).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import TypeVar

from hypothesis import Phase, settings

T = TypeVar("T")

_FULL = 100
_MOST = 500


def tries(examples: int, *, fewest: int = 3) -> int:
    """Return the number of examples under the current profile, of which `full` has as many as were asked for."""
    return max(fewest, examples * settings.default.max_examples // _FULL)


def repetitions(times: int, *, until: Callable[[], object] = lambda: True) -> Iterator[int]:
    """Yield 1, 2, ...: as many as `tries` says, and on until something has happened, however slow the machine is."""
    for number in count(1):
        yield number
        if number >= tries(times) and until():
            return
        assert number < _MOST, "what should happen now and then never did"


def pick_some(cases: Sequence[T], *, fewest: int = 3) -> list[T]:
    """Return the cases that are tried under the current profile, spread over all; `full` has all of them."""
    many = min(len(cases), tries(len(cases), fewest=fewest))
    return [cases[place * len(cases) // many] for place in range(many)]


def stories(examples: int, *, fewest: int = 1) -> settings:
    """Return how a law is tried whose example is a story of half a second or more: as often as `tries` says.

    A story that fails is told as it was drawn: to look for a shorter one would tell hundreds more.
    """
    return settings(
        max_examples=tries(examples, fewest=fewest),
        derandomize=not is_thorough(),
        deadline=None,
        database=None,
        phases=[Phase.generate],
    )


def is_thorough() -> bool:
    """Tell whether new examples are to be drawn in each run."""
    return settings.default.max_examples > _FULL
