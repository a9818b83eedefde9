"""The clock: samples of several contestants, interleaved, and what is said of them."""

from __future__ import annotations

import random
import time
import timeit
from collections.abc import Callable, Mapping, Sequence

import numpy as np

SAMPLE_SECONDS = 1e-3  # a shorter sample measures the clock
REST_SECONDS = 5e-3
ROUNDS = 5  # at least
SEED = 20
EVICT_BYTES = (64 << 20, 256 << 20)  # what a cold sample writes first: at least, at most


def evictor(last_level_cache: int) -> tuple[Callable[[], object], int]:
    """A call that fills the caches with something else, and how many bytes it writes.

    They are read and written back, as stores alone may go past the caches. As many as the
    last-level cache holds, within EVICT_BYTES.
    """
    least, most = EVICT_BYTES
    buffer = np.zeros(min(max(last_level_cache, least), most) // 8, np.int64)
    return lambda: np.add(buffer, 1, out=buffer), buffer.nbytes


def rest() -> None:
    """Let the threads of the contestant before go to sleep: those that wait busily disturb."""
    time.sleep(REST_SECONDS)


def sample(
    timers: Mapping[str, timeit.Timer],
    seconds: float,
    tick: Callable[[float], None],
    before: Callable[[], object] | None = None,
    single: bool = False,
) -> dict[str, list[float]]:
    """Seconds per call of each timer, one sample each a round, in an order drawn anew each round.

    Parameters
    ----------
    timers : mapping of str to timeit.Timer
        The contestants.
    seconds : float
        Rounds go on until they are over; ROUNDS are made in any case.
    tick : callable
        Hears between rounds which part of `seconds` has passed.
    before : callable, optional
        Called before each sample.
    single : bool
        A sample is one call; otherwise it is as many as take SAMPLE_SECONDS.

    Returns
    -------
    dict
        The samples of each timer in the order of the rounds.
    """
    calls = {name: 1 for name in timers}

    def one(name: str) -> float:
        if before is not None:
            before()
        if single:
            return timers[name].timeit(1)
        while (took := timers[name].timeit(calls[name])) < SAMPLE_SECONDS:
            grow = min(1.2 * SAMPLE_SECONDS / max(took, 1e-9), 100)
            calls[name] = max(calls[name] + 1, int(calls[name] * grow))
        return took / calls[name]

    for name in timers:  # finds the calls, touches the pages, warms the caches
        one(name)
    order = list(timers)
    shuffle = random.Random(SEED).shuffle
    samples: dict[str, list[float]] = {name: [] for name in timers}
    begin = time.perf_counter()
    rounds = 0
    while True:
        passed = time.perf_counter() - begin
        tick(min(passed / seconds, 1.0))
        if passed >= seconds and rounds >= ROUNDS:
            return samples
        shuffle(order)
        for name in order:
            samples[name].append(one(name))
        rounds += 1


def statistics(runs: Sequence[Sequence[float]]) -> dict[str, float]:
    """Minimum of all runs; median and the tenth and ninetieth percentile: the median run's."""
    p10, median, p90 = np.median([np.percentile(run, [10, 50, 90]) for run in runs], axis=0)
    return {
        "min": min(min(run) for run in runs),
        "median": float(median),
        "p10": float(p10),
        "p90": float(p90),
    }
