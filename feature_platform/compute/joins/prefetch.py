"""Work one step ahead: the next thing is made in a thread of its own while the last one is used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def prefetch(things: Iterator[T], context: Context | None = None) -> Iterator[T]:
    """Yield the same things in the same order, each made while the one before it is used; one more is held at most.

    What making one raises is raised where it would have been used.

    Args:
        context: the context variables that the work sees. Defaults to those of the caller.

    >>> list(prefetch(iter("abc")))
    ['a', 'b', 'c']
    """
    own_context = (context or copy_context()).copy()

    def one_more() -> list[T]:
        return list(islice(things, 1))

    with ThreadPoolExecutor(1, thread_name_prefix="feature_platform-ahead") as thread:
        coming = thread.submit(own_context.run, one_more)
        while things_made := coming.result():
            coming = thread.submit(own_context.run, one_more)
            yield things_made.pop()
