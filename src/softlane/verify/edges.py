"""The edge table: exact results where a row holds NaN, infinities, the largest numbers, nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import softlane
from softlane.verify.calls import CALLS, Arrays, Results
from softlane.verify.levels import DTYPES, LEVELS, Array, DType, bits, level
from softlane.verify.outcome import Outcome

INF, NAN = np.inf, np.nan
LENGTHS = (1, 2, 3, 8, 17, 33, 70)
# op, dtype, row, its result
TABLE: list[tuple[str, str, list[float], list[float]]] = [
    ("softmax", "float32", [3e38, -3e38], [1, 0]),
    ("softmax", "float32", [0, -100], [1, 27 * 2.0**-149]),
    ("softmax", "float64", [0, -740], [1, 85 * 2.0**-1074]),
    ("softmax", "float16", [0, -16], [1, 2 * 2.0**-24]),
    ("softmax", "bfloat16", [0, -90], [1, 9 * 2.0**-133]),
    ("softmax", "float32", [0, -104], [1, 0]),
    ("softmax", "float64", [0, -INF, -INF, -INF], [1, 0, 0, 0]),
    ("softmax", "float16", [-INF, 5, -INF], [0, 1, 0]),
    ("softmax", "bfloat16", [-0.0, 0.0], [0.5, 0.5]),
    ("softmax", "float32", [], []),
    ("log_softmax", "float32", [3e38, -3e38], [0, -INF]),
    ("log_softmax", "float32", [0, -1e38], [0, float(np.float32(-1e38))]),
    ("log_softmax", "float32", [0, -100], [-27 * 2.0**-149, -100]),
    ("log_softmax", "float64", [0, -740], [-85 * 2.0**-1074, -740]),
    ("log_softmax", "float16", [0, -16], [-2 * 2.0**-24, -16]),
    ("log_softmax", "bfloat16", [0, -90], [-9 * 2.0**-133, -90]),
    ("log_softmax", "float32", [0, -104], [0, -104]),
    ("log_softmax", "float32", [0, -INF, -INF, -INF], [0, -INF, -INF, -INF]),
    ("log_softmax", "float64", [-INF, 5, -INF], [-INF, 0, -INF]),
    ("log_softmax", "float32", [7], [0]),
    ("log_softmax", "bfloat16", [], []),
]


class Edge(NamedTuple):
    """A call, its arguments, the parts of its result."""

    call: str
    arrays: Arrays
    wanted: tuple[npt.ArrayLike, ...]


def table(dtype: DType) -> Iterator[Edge]:
    """Each row of the table."""
    for op, name, row, wanted in TABLE:
        if name == dtype.name:
            yield Edge(op, {"x": np.array(row, np.float64).astype(dtype)}, (wanted,))


def largest_finite(dtype: DType) -> float:
    """The largest number of a dtype."""
    infinity = np.array([INF]).astype(dtype).view(f"u{dtype.itemsize}")
    return float((infinity - 1).view(dtype)[0])


def edges(n: int, dtype: DType) -> Iterator[Edge]:
    """n rows of n elements, each with something at another place."""
    eye, here_class, ignored = np.eye(n, dtype=bool), np.arange(n), np.full(n, -100)
    zeros, nothing = np.zeros((n, n)), np.full((n, n), NAN)
    sure, impossible = np.where(eye, 1.0, 0.0), np.where(eye, 0.0, -INF)
    top = largest_finite(dtype)

    def matrix(here: float, there: float) -> Array:
        return np.where(eye, here, there).astype(dtype)

    for here, there in ((NAN, 0.0), (INF, 0.0), (NAN, -INF), (INF, -INF), (-INF, -INF)):
        x = matrix(here, there)
        yield Edge("softmax", {"x": x}, (nothing,))
        yield Edge("log_softmax", {"x": x}, (nothing,))
        yield Edge("logsumexp", {"x": x}, ([here] * n,))
        yield Edge("logsumexp_b", {"x": x, "b": 0 * eye.astype(dtype)}, ([-INF] * n, [0] * n))
        yield Edge("cross_entropy_labels", {"x": x, "labels": here_class}, (nothing, nothing[0]))
        yield Edge("cross_entropy_labels", {"x": x, "labels": ignored}, (zeros, zeros[0]))
        yield Edge("cross_entropy_probabilities", {"x": x, "q": sure}, (nothing, nothing[0]))
        masked = {"x": x, "where": np.zeros((n, n), bool)}
        yield Edge("softmax", masked, (zeros,))
        yield Edge("log_softmax", masked, (zeros - INF,))
        yield Edge("logsumexp", masked, ([-INF] * n,))
    for here, there in ((5.0, -INF), (top, -top)):
        x = matrix(here, there)
        yield Edge("softmax", {"x": x}, (sure,))
        yield Edge("log_softmax", {"x": x}, (impossible,))
        yield Edge("logsumexp", {"x": x}, ([here] * n,))
        yield Edge("cross_entropy_labels", {"x": x, "labels": here_class}, (zeros, zeros[0]))
        yield Edge("cross_entropy_probabilities", {"x": x, "q": sure}, (zeros, zeros[0]))
        if n > 1:
            beside = np.roll(here_class, 1)
            lost = sure - np.eye(n)[beside]
            loss = [INF if there == -INF or dtype.itemsize > 2 else 2 * top] * n
            yield Edge("cross_entropy_labels", {"x": x, "labels": beside}, (lost, loss))
    y = sure.astype(dtype)
    yield Edge("softmax_backward", {"grad": matrix(5, -3), "y": y}, (zeros,))
    yield Edge("softmax_backward", {"grad": matrix(NAN, 0), "y": y}, (nothing,))
    log_y = impossible.astype(dtype)
    one_for_all = np.where(eye, 1.0 - (2 * n - 1), 2.0)
    yield Edge("log_softmax_backward", {"grad": matrix(1, 2), "log_y": log_y}, (one_for_all,))


def empty(dtype: DType) -> Iterator[Edge]:
    """Two rows without elements."""
    x = np.zeros((2, 0), dtype)
    for name in ("softmax", "log_softmax"):
        yield Edge(name, {"x": x}, (x,))
    yield Edge("softmax_backward", {"grad": x, "y": x}, (x,))
    yield Edge("log_softmax_backward", {"grad": x, "log_y": x}, (x,))
    yield Edge("logsumexp", {"x": x}, ([-INF] * 2,))


def same(result: Array, wanted: npt.ArrayLike) -> bool:
    """Whether they are equal, each NaN the positive quiet one without payload."""
    with np.errstate(over="ignore"):
        want = np.asarray(wanted, np.float64).astype(result.dtype)
    alike = result.astype(np.float64)
    nan = np.isnan(alike)
    return (
        np.array_equal(alike, want.astype(np.float64), equal_nan=True)
        and bits(result[nan]) == bits(np.full(nan.sum(), NAN).astype(result.dtype))
        and not np.signbit(alike[nan]).any()
    )


def refuses_labels(n: int, dtype: DType) -> bool:
    """Whether labels outside the classes are an IndexError and nothing is written."""
    x, out = np.zeros((3, n), dtype), np.full((3, n), 7, dtype)
    for bad in (-1, n, 2**62, -(2**63)):
        labels = np.array([0, 0, bad])
        for with_grad in (False, True):
            try:
                if with_grad:
                    softlane.cross_entropy_with_grad(x, labels, out=out)
                else:
                    softlane.cross_entropy(x, labels)
                return False
            except IndexError:
                if not np.all(out == 7):
                    return False
    return True


def check(outcome: Outcome) -> None:
    """Compare every edge on every level."""
    for done, dtype in enumerate(DTYPES.values()):
        every = [*table(dtype), *empty(dtype), *(e for n in LENGTHS for e in edges(n, dtype))]
        for place, isa in enumerate(LEVELS):
            outcome.tick((done + place / len(LEVELS)) / len(DTYPES))
            with level(isa):
                for name, arrays, wanted in every:
                    case = f"{name} of {dtype.name} on {isa}"
                    with outcome.case(case):
                        results: Results = CALLS[name](arrays)
                        pairs = zip(results, wanted, strict=True)
                        good = all(same(np.asarray(part), want) for part, want in pairs)
                        outcome.expect(good, "" if good else f"{case}: {arrays} gave {results}")
                for n in LENGTHS:
                    refused = refuses_labels(n, dtype)
                    outcome.expect(refused, f"a label outside {n} classes, {dtype.name}, {isa}")
