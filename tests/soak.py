"""A service under load: threads call at random while all that a process may do goes on around them.

    python tests/soak.py [--seconds 60] [--threads N] [--seed S] [--json FILE]

Functions, dtypes, shapes, memory layouts, options and numbers of threads are random; each result
and each error is compared bitwise with what a single thread computed beforehand. Meanwhile the main
thread calls too, forks (the child calls and compares), collects garbage, and gets signals of a
timer, whose handler calls as well. The exit status is 1 if anything differs, if a child fails or
hangs, or if memory grows by more than GROWTH_MB after the first third of the time, in runs of
JUDGED_FROM seconds and more: before, the allocator has not settled. Linux; needs the extra `test`.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import math
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from soak_requests import request

import softlane

REQUESTS = 256
GROWTH_MB = 8.0
JUDGED_FROM = 30  # s
HANGS_AFTER = 60  # s
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


class Latencies:
    """Counts in buckets of 2^(1/16), whose memory does not grow with the number of calls."""

    def __init__(self) -> None:
        self.counts = np.zeros(16 * 48, np.int64)
        self.longest = 0

    def add(self, ns: int) -> None:
        self.counts[int(16 * math.log2(ns))] += 1
        self.longest = max(self.longest, ns)

    def join(self, other: Latencies) -> None:
        self.counts += other.counts
        self.longest = max(self.longest, other.longest)

    def microseconds(self) -> dict[str, float]:
        """The quantiles, each the upper end of its bucket, and the maximum."""
        total = np.cumsum(self.counts)
        at = {name: int(np.searchsorted(total, q * total[-1])) for name, q in QUANTILES.items()}
        ends = {name: min(2 ** ((i + 1) / 16), self.longest) / 1e3 for name, i in at.items()}
        return {**ends, "max": self.longest / 1e3}


class Client:
    """Whoever calls: a thread, a child, the handler of a signal."""

    def __init__(self, service: Service, seed: int) -> None:
        self.service, self.random = service, Random(seed)
        self.latencies: dict[str, Latencies] = {}
        self.cycle: list[Any] = []

    def call(self) -> None:
        """Make one request and compare the answer."""
        service, random = self.service, self.random
        i = random.randrange(len(service.requests))
        chosen = service.requests[i]
        threads = random.choice((None, None, 1, 2, 3, 8))
        with softlane.num_threads(threads) if threads else contextlib.nullcontext():
            answer, took = chosen.answer()
        self.latencies.setdefault(chosen.name, Latencies()).add(took)
        if answer != service.wanted[i]:
            service.faults.append(f"differs: {chosen}, threads {threads}")
        if random.random() < 0.01 and chosen.name.endswith("small"):
            self.cycle = [answer]  # only the collector frees the former one
            self.cycle.append(self.cycle)

    def loop(self) -> None:
        """Call until the service stops."""
        try:
            while not self.service.stop.is_set():
                self.call()
        except Exception:
            self.service.faults.append(f"a thread ended: {traceback.format_exc()}")


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Service:
    """Requests with the right answers to them, and what came of a run."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        with softlane.num_threads(1):
            self.requests = [request(random) for _ in range(REQUESTS)]
            self.wanted = [chosen.answer()[0] for chosen in self.requests]
        self.seed = seed
        self.stop = threading.Event()
        self.faults: list[str] = []
        self.children: set[int] = set()
        self.memory: list[tuple[float, float]] = []  # s, MB
        self.signals = self.forks = self.collections = 0
        self.handling = False

    def fork(self) -> None:
        """Start a child that calls and compares."""
        self.forks += 1
        pid = os.fork()
        if pid:
            self.children.add(pid)
            return
        status = 4
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(HANGS_AFTER)
            self.faults.clear()
            client = Client(self, self.seed + 1000 + self.forks)
            for _ in range(20):
                client.call()
            status = 3 if self.faults else 0
            print(*self.faults, sep="\n", end="", file=sys.stderr, flush=True)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def reap(self, flags: int) -> None:
        """Take note of the children that ended."""
        for pid in list(self.children):
            ended, status = os.waitpid(pid, flags)
            if ended:
                self.children.remove(pid)
                code = os.waitstatus_to_exitcode(status)
                if code == -signal.SIGALRM:
                    self.faults.append("a child hung")
                elif code:
                    self.faults.append(f"a child ended with {code}")

    def on_alarm(self, *_: object) -> None:
        if not self.handling:  # the next one may come while it calls
            self.handling = True
            self.signals += 1
            self.handler.call()
            self.handling = False

    def run(self, seconds: float, count: int) -> list[Client]:
        """Serve for so long with `count` threads beside the main one; those who called."""
        main, self.handler, *others = (Client(self, self.seed + 1 + i) for i in range(count + 2))
        threads = [threading.Thread(target=client.loop, daemon=True) for client in others]
        for thread in threads:
            thread.start()
        signal.signal(signal.SIGALRM, self.on_alarm)
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        begin = time.monotonic()
        while (now := time.monotonic() - begin) < seconds:
            main.call()
            softlane.set_num_threads(main.random.randint(1, 8))
            if now >= len(self.memory) / 10:
                self.memory.append((now, resident_mb()))
            if now >= self.collections / 10:
                self.collections += 1
                gc.collect()
            if now >= self.forks / 4:
                self.fork()
            self.reap(os.WNOHANG)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.stop.set()
        for thread in threads:
            thread.join(HANGS_AFTER)
            if thread.is_alive():
                self.faults.append("a thread hangs")
        self.reap(0)
        return [main, self.handler, *others]

    def growth_mb(self) -> float:
        """By how much a straight line through the memory grows after the first third."""
        t, mb = np.array(self.memory).T
        late = t >= t[-1] / 3
        return float(np.polyfit(t[late], mb[late], 1)[0] * (t[-1] - t[late][0]))


def report(service: Service, latencies: dict[str, Latencies], console: Console) -> dict[str, Any]:
    """Print what came of a run; the figures."""
    figures = {}
    table = Table(title="Latency in microseconds, of the cross-entropies with the gradient's")
    table.add_column("call")
    for head in ("calls", *QUANTILES, "max"):
        table.add_column(head, justify="right", no_wrap=True)
    for name in sorted(latencies):
        calls, times = int(latencies[name].counts.sum()), latencies[name].microseconds()
        figures[name] = {"calls": calls, **times}
        table.add_row(name, f"{calls:,}", *(f"{time:,.0f}" for time in times.values()))
    console.print(table)
    mb = [value for _, value in service.memory]
    result = {
        "calls": sum(row["calls"] for row in figures.values()),
        "forks": service.forks,
        "signals": service.signals,
        "collections": service.collections,
        "growth_mb": service.growth_mb(),
        "latencies_us": figures,
        "memory_mb": service.memory,
        "faults": service.faults,
    }
    console.print(
        "{calls:,} calls, {forks} forks, {signals} signals, {collections} collections".format(
            **result
        ),
        f"Memory in MB: {mb[0]:.1f} at the start, {mb[len(mb) // 3]:.1f} after a third, "
        f"{mb[-1]:.1f} at the end, {max(mb):.1f} at most; after the first third it grows by "
        f"{result['growth_mb']:+.2f} (accepted: {GROWTH_MB:g}, from {JUDGED_FROM} s on)",
        *service.faults[:20],
        f"{len(service.faults)} faults",
        sep="\n",
        markup=False,
        soft_wrap=True,
    )
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--threads", type=int, default=2 * len(os.sched_getaffinity(0)), help="beside the main one"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args(argv)
    # From Python 3.12, of a fork with threads.
    warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)
    service = Service(options.seed)
    latencies: dict[str, Latencies] = {}
    for client in service.run(options.seconds, options.threads):
        for name, part in client.latencies.items():
            latencies.setdefault(name, Latencies()).join(part)
    width = None if sys.stdout.isatty() else 120
    result = report(service, latencies, Console(highlight=False, width=width))
    if options.json:
        settings = {"seconds": options.seconds, "threads": options.threads, "seed": options.seed}
        options.json.write_text(json.dumps({**settings, **result}))
    grows = options.seconds >= JUDGED_FROM and result["growth_mb"] > GROWTH_MB
    return int(grows or bool(service.faults))


if __name__ == "__main__":
    sys.exit(main())
