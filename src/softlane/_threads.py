"""How many threads a call may use: the setting of the process, and that of a `with` block."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from softlane import _core

_MOST: int = _core._pool_facts()["most_threads"]


def _checked(function: str, n: int) -> int:
    try:
        number = operator.index(n)
    except TypeError:
        raise TypeError(f"{function}: n has type {type(n).__name__}, expected int") from None
    if not 1 <= number <= _MOST:
        raise ValueError(f"{function}: n is {number}, expected 1 to {_MOST}")
    return number


def get_num_threads() -> int:
    """Say how many threads a call may use here.

    Returns
    -------
    int
        What the innermost `num_threads` block around the call set, else what `set_num_threads`
        set, else the environment variable ``SOFTLANE_NUM_THREADS``, else the first number of
        ``OMP_NUM_THREADS``, else the number of physical cores that the process may use: those of
        its affinity mask, at most its control group's CPU quota, rounded up.

    Examples
    --------
    >>> import softlane
    >>> with softlane.num_threads(3):
    ...     softlane.get_num_threads()
    3
    """
    number: int = _core._num_threads()[0]
    return number


def set_num_threads(n: int) -> int:
    """Set how many threads a call may use, for the whole process.

    Results have the same bits whatever the number. Calls on fewer than about 160,000 elements
    stay on their own thread, and a call never uses more than one thread for 65,536 elements or
    for a row. A `num_threads` block keeps its own number.

    Parameters
    ----------
    n : int
        At least 1, the calling thread included, and at most 1024. It may exceed the number of
        cores.

    Returns
    -------
    int
        The number that was set before.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is out of range.

    Examples
    --------
    >>> import softlane
    >>> former = softlane.set_num_threads(1)
    >>> softlane.get_num_threads()
    1
    >>> softlane.set_num_threads(former)
    1
    """
    former: int = _core._set_num_threads(_checked("set_num_threads", n))
    return former


def num_threads(n: int) -> AbstractContextManager[None]:
    """Set how many threads a call may use, in a ``with`` block.

    The number holds for calls from the block's own context (`contextvars`): the thread or the
    asynchronous task that runs it, and what it starts with a copy of its context, as
    ``asyncio.to_thread`` does. Other threads and tasks keep theirs.

    Parameters
    ----------
    n : int
        At least 1, the calling thread included, and at most 1024.

    Returns
    -------
    context manager
        Which also serves as a decorator of a function.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import softlane
    >>> with softlane.num_threads(1):
    ...     p = softlane.softmax(np.zeros((512, 1000)))
    """
    return _block(_checked("num_threads", n))


@contextmanager
def _block(n: int) -> Iterator[None]:
    # Not a token: a generator may be finished in another context than it was begun in.
    former = _core._context_threads.get(None)
    _core._context_threads.set(n)
    try:
        yield
    finally:
        _core._context_threads.set(former)
