"""The project's targets of speed: ratios inside one run, of which the median of several counts."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from softlane.bench import target_groups as groups
from softlane.bench.measurement import shape_text

NOISE = 0.97  # what "never slower" allows

Times = dict[str, dict[str, float]]  # of one run: group, timer, ns for an element
Samples = dict[str, dict[str, dict[str, Any]]]  # group, timer: its elements and samples


@dataclasses.dataclass(frozen=True)
class Target:
    """One row: `value` of a run's times is to be at most, or at least, `limit`."""

    what: str
    relation: str  # "<=" or ">="
    limit: float
    value: Callable[[Times], float]

    def met(self, measured: float) -> bool:
        """Whether a measured value does."""
        return measured <= self.limit if self.relation == "<=" else measured >= self.limit


def at_least(what: str, limit: float, group: str, slower: str, faster: str) -> Target:
    """`slower` takes so many times as long as `faster`, or more."""
    return Target(what, ">=", limit, lambda t: t[group][slower] / t[group][faster])


def at_most(what: str, limit: float, group: str, name: str, beside: str) -> Target:
    """`name` takes so many times as long as `beside`, or less."""
    return Target(what, "<=", limit, lambda t: t[group][name] / t[group][beside])


def every_target() -> Iterator[Target]:
    """Every target."""
    for shape in groups.IN_CACHE:
        text = shape_text(shape)
        limits = {"onnxruntime": 1.6, "torch": 2.5, "np.exp": 1.8, "numpy": 3.8}
        if shape == (64, 1000):
            limits["onnxruntime"] = 1.7
        for peer, limit in limits.items():
            yield at_least(
                f"{text}: {peer} / softlane", limit, f"in cache {text}", peer, "softlane"
            )
    for shape, limit in zip(groups.OUT_OF_CACHE, (1.1, 1.15, 1.5), strict=True):
        yield from _copies(f"out of cache {shape_text(shape)}", limit)
    for shape, limit in zip(groups.SHORT, (1.2, 1.6, 3.0), strict=True):
        what = f"{shape_text(shape)} / 512x512, by element"
        yield at_most(what, limit, "short rows", shape_text(shape), "512x512")
    for shape, axis in groups.OTHER_AXIS.items():
        yield from _copies(f"axis {axis} of {shape_text(shape)}", 1.3)
    yield Target("4096x2048 fresh / (out= + 1.1 touching it)", "<=", 1.0, _fresh)
    yield at_most(
        "10 elements: softmax(x) / negative(x)", 0.5, "tiny call", "softmax(x)", "negative(x)"
    )
    yield from _of_ops()
    yield from _of_dtypes()
    for shape in groups.AVX2_SHAPES:
        group = f"avx2 {shape_text(shape)}"
        yield at_least(f"{group}: torch with avx2 / softlane", 1.4, group, "torch", "softlane")
        yield at_least(
            f"{group}: onnxruntime, not held / softlane", 1.0, group, "onnxruntime", "softlane"
        )
    yield at_least("threads 512x512: one / two", 1.9, "threads 512x512", "1 threads", "2 threads")
    yield Target("threads, worst shape: one / two", ">=", NOISE, _worst_threads)
    for name in groups.HOSTILE:
        yield Target(f"rows with {name} / plain, worst shape", "<=", 1.5, _hostile(name))
    yield Target("import beyond numpy's, ms", "<=", 5.0, lambda t: t["package"]["import"] / 1e6)
    yield Target("wheel, MB", "<=", 1.0, lambda t: t["package"]["wheel bytes"] / 1e6)


def _copies(group: str, limit: float) -> Iterator[Target]:
    """Against libc's copy, and a loop of vectors that copies: see bench/README.md."""
    for name in ("np.copyto", "plain copy"):
        yield at_most(f"{group}: softlane / {name}", limit, group, "softlane", name)


def _of_ops() -> Iterator[Target]:
    for shape in groups.OPS_SHAPES:
        text = shape_text(shape)
        for op, limit in (("log_softmax", 1.05), ("cross_entropy_with_grad", 1.15)):
            yield at_most(f"{text}: {op} / softmax", limit, f"ops {text}", op, "softmax")
    what = "cross_entropy / softmax"
    yield at_most(f"512x512: {what}", 0.75, "ops 512x512", "cross_entropy", "softmax")
    what = "4096x2048: cross_entropy / x.max(-1)"
    yield at_most(what, 1.6, "ops 4096x2048", "cross_entropy", "x.max(-1)")


def _of_dtypes() -> Iterator[Target]:
    for dtype in ("f64", "f16", "bf16"):
        what = f"512x512 {dtype}: torch / softlane"
        yield at_least(what, 2.5, "dtypes", f"torch {dtype}", f"softlane {dtype}")
    for dtype in ("f16", "bf16"):
        what = f"512x512: softlane {dtype} / f32"
        yield at_most(what, 1.0, "dtypes", f"softlane {dtype}", "softlane f32")


def _fresh(times: Times) -> float:
    found = times["fresh result"]
    return found["softmax(x)"] / (found["softmax(x, out=out)"] + 1.1 * found["touch()"])


def _worst_threads(times: Times) -> float:
    found = [of for name, of in times.items() if name.startswith("threads ")]
    if not found:
        raise KeyError("threads")
    return min(of["1 threads"] / of["2 threads"] for of in found)


def _hostile(name: str) -> Callable[[Times], float]:
    def worst(times: Times) -> float:
        shapes = groups.HOSTILE_SHAPES
        found = [times[f"hostile rows {shape_text(shape)}"] for shape in shapes]
        return max(of[name] / of["plain"] for of in found)

    return worst


def times(samples: Samples) -> Times:
    """The medians of one run, for an element."""
    return {
        group: {
            name: statistics.median(of["ns_per_call"]) / of["elements"]
            for name, of in timers.items()
        }
        for group, timers in samples.items()
    }


def judged(target: Target, of_runs: Sequence[Times], all_measured: bool) -> dict[str, Any] | None:
    """A target with its values; None if its groups were not asked for."""
    row = {"what": target.what, "relation": target.relation, "limit": target.limit}
    try:
        values = [target.value(found) for found in of_runs]
    except KeyError:
        return {**row, "runs": [], "measured": None, "met": None} if all_measured else None
    measured = statistics.median(values)
    rounded = [float(f"{value:.4g}") for value in values]
    return {
        **row, "runs": rounded, "measured": float(f"{measured:.4g}"), "met": target.met(measured),
    }  # fmt: skip
