"""log_softmax, logsumexp and cross_entropy of whole rows against the oracle: the ULPs promised."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator

import numpy as np
import pytest
from families import CONFIDENT, FAMILIES, tempered
from flint import arb, ctx
from helpers import BFLOAT16, EVERY_DTYPE, promised_ulp
from reference import (
    EVERY_WIDTH,
    EXTREME,
    TEMPERATURES,
    climb,
    errors_by_level,
    long_double,
    on_levels,
    worst_row,
)

import softlane
from softlane._oracle import (
    log_of_softmax,
    log_of_sum,
    log_softmax_reference,
    logsumexp_reference,
    shifted,
    ulp_error,
)
from softlane._oracle_losses import cross_entropy_reference
from softlane.verify.promises import logsumexp_error as error_of_logsumexp

EVERY_HALF = pytest.mark.parametrize("dtype", [np.dtype(np.float16), BFLOAT16], ids=str)
EVERY_FAMILY = FAMILIES | CONFIDENT
FULL_PRECISION = {"offsets", "worst_exponentials"}  # families that need it
EDGES = np.r_[0:3.75:0.25, np.inf]  # of the histogram's bins, in ULP

Worst = dict[str, tuple[float, str]]  # level: the largest error, the row that has it


def loss_dtype(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


def targets_of(x: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The class of each row's maximum, and any class."""
    yield np.argmax(x, axis=-1)
    yield rng.integers(x.shape[-1], size=x.shape[:-1])


class Findings:
    """The largest error of each op, and on which level and row; a histogram of log_softmax."""

    def __init__(self) -> None:
        self.worst: dict[str, tuple[float, str]] = {}
        self.counts = np.zeros(len(EDGES) - 1, np.int64)

    def add(self, op: str, errors: dict[str, np.ndarray], x: np.ndarray) -> None:
        for name, error in errors.items():
            if error.size and error.max() > self.worst.get(op, (-1.0,))[0]:
                by_row = error.reshape(len(x), -1).max(axis=1)
                self.worst[op] = by_row.max(), f"{name}: {worst_row(x, by_row[:, None])}"


@EVERY_DTYPE
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_rows(family, dtype, tmp_path, record_property) -> None:
    """Relative to each element of log_softmax and to each loss, on every level."""
    if dtype.itemsize == 2 and family in FULL_PRECISION:
        pytest.skip("the family is made of digits that 16-bit numbers do not have")
    rng = np.random.default_rng(list(family.encode()))
    found = Findings()
    for x, where in EVERY_FAMILY[family](dtype, rng):
        thin = slice(None, None, -(-len(x) // (5000 if dtype.itemsize > 2 else 1500)))
        x, where = x[thin], None if where is None else where[thin]
        row = shifted(x, -1, 1.0, where)
        exact = (
            log_of_softmax(row) if where is None else np.where(where, log_of_softmax(row), -np.inf)
        )
        results = on_levels(lambda x=x, where=where: softlane.log_softmax(x, where=where))
        errors = errors_by_level(results, exact)
        found.add("log_softmax", errors, x)
        found.counts += np.histogram(next(iter(errors.values())), EDGES)[0]

        lse = log_of_sum(row)[:, 0]
        kept = x if where is None else np.where(where, x, dtype.type(-np.inf))
        results = on_levels(lambda x=x, where=where: softlane.logsumexp(x, where=where))
        measure = functools.partial(error_of_logsumexp, x=kept)
        found.add("logsumexp", errors_by_level(results, lse, measure), x)

        some = kept.max(axis=1) > -np.inf
        kept, exact = kept[some], exact[some]
        for targets in targets_of(kept, rng):
            loss = -np.take_along_axis(exact, targets[:, None], 1)[:, 0]
            results = on_levels(
                lambda x=kept, t=targets: softlane.cross_entropy(x, t, reduction="none")
            )
            found.add("cross_entropy", errors_by_level(results, loss), kept)
    record_property("worst", found.worst)
    histogram = {"family": family, "dtype": str(dtype), "edges_ulp": EDGES[:-1].tolist()}
    histogram |= {"counts": found.counts.tolist()}
    (tmp_path / "ulp.json").write_text(json.dumps(histogram))
    record_property("ulp", histogram)
    assert found.worst["log_softmax"][0] <= promised_ulp(dtype), found.worst
    assert found.worst["logsumexp"][0] <= 1, found.worst
    assert found.worst["cross_entropy"][0] <= promised_ulp(loss_dtype(dtype)), found.worst


# Search


def log_softmax_error(x: np.ndarray) -> np.ndarray:
    return ulp_error(softlane.log_softmax(x), log_softmax_reference(x)).max(axis=1)


def logsumexp_error(x: np.ndarray) -> np.ndarray:
    return error_of_logsumexp(softlane.logsumexp(x), logsumexp_reference(x)[0], x)


@EVERY_WIDTH
@pytest.mark.parametrize(
    "error, allowed",
    [(log_softmax_error, 3), (logsumexp_error, 1)],
    ids=["log_softmax", "logsumexp"],
)
@pytest.mark.parametrize(
    "steps", [40, pytest.param(3000, marks=pytest.mark.exhaustive)], ids=["short", "long"]
)
def test_no_worse_row_is_found_by_climbing(
    steps, error, allowed, dtype, isa, record_property
) -> None:
    """From the 1,000 worst pairs and triples of three families, 1,000 * (steps + 1) rows each."""
    rng = np.random.default_rng(15)
    found = {}
    for family, n in (("margins", 2), ("close_runner_up", 2), ("binade_edges", 3)):
        every = EVERY_FAMILY[family](np.dtype(dtype), rng)
        x = np.concatenate([x for x, _ in every if x.shape[1] == n])
        x, worst = climb(error, x[np.argsort(error(x))[-1000:]], steps, rng)
        found[f"{family}: {worst_row(x, worst[:, None])}"] = worst.max()
    record_property("worst rows", found)
    assert max(found.values()) <= allowed, found


@EVERY_HALF
def test_pairs(dtype, record_property) -> None:
    """log_softmax([a, b]) of every a, with every 4093rd b, in one rounding."""
    patterns = np.arange(65536, dtype=np.uint16)
    with np.errstate(invalid="ignore"):  # signalling NaN
        values = patterns.view(dtype).astype(np.float64)
    largest = 0.0
    for b in range(0, 65536, 4093):
        x = np.stack([patterns, np.full(65536, b, np.uint16)], axis=1).view(dtype)
        with np.errstate(invalid="ignore"):
            below = np.stack([values, np.full(65536, values[b])], axis=1)
            below -= below.max(axis=1, keepdims=True)
            exact = below - np.log1p(np.exp(below.min(axis=1, keepdims=True)))
        exact[(x == np.inf).any(axis=1)] = np.nan
        results = on_levels(lambda x=x: softlane.log_softmax(x))
        largest = max(largest, *(e.max() for e in errors_by_level(results, exact).values()))
    record_property("max ulp", largest)
    assert largest <= promised_ulp(dtype)


# Options


@EVERY_WIDTH
@pytest.mark.parametrize("temperatures", [TEMPERATURES, EXTREME], ids=["usual", "extreme"])
def test_temperature(temperatures, dtype, record_property) -> None:
    """The logarithm for the real quotient x / T, T for all rows or one for each."""
    rng = np.random.default_rng(16)
    found = Findings()
    for t in temperatures:
        x = tempered(np.dtype(dtype), t, rng)
        targets = rng.integers(3, size=len(x))
        for temperature in (t, t * rng.uniform(0.5, 1, len(x))):
            exact = log_softmax_reference(x, temperature=temperature)
            results = on_levels(lambda x=x, t=temperature: softlane.log_softmax(x, temperature=t))
            found.add(f"log_softmax, T = {t}", errors_by_level(results, exact), x)
            options = {"temperature": temperature, "reduction": "none"}
            results = on_levels(lambda x=x, t=targets, o=options: softlane.cross_entropy(x, t, **o))
            exact = -np.take_along_axis(exact, targets[:, None], 1)[:, 0]
            found.add(f"cross_entropy, T = {t}", errors_by_level(results, exact), x)
    record_property("worst", found.worst)
    bad = {op: worst for op, worst in found.worst.items() if worst[0] > 3.5}
    assert not bad, bad


@EVERY_WIDTH
@pytest.mark.parametrize("temperature", [1e-300, 1e-40, 1e300])
def test_limit_of_an_extreme_temperature(temperature, dtype, isa) -> None:
    """Ordinary logits, so cold that all but ties are certain, or so hot that all are equal."""
    x = np.array([[1, 0, -2], [3, 3, 1], [-1e-3, 0, 5]], dtype)
    got = softlane.log_softmax(x, temperature=temperature)
    exact = log_softmax_reference(x, temperature=temperature)
    assert ulp_error(got, exact).max() <= 3.5
    loss = softlane.cross_entropy(x, [0, 0, 2], temperature=temperature, reduction="none")
    assert ulp_error(loss, -exact[[0, 1, 2], [0, 0, 2]]).max() <= 3.5


@pytest.mark.parametrize(
    "narrow, wide",
    [(np.float32, np.float64), (np.float16, np.float32), (BFLOAT16, np.float64)],
    ids=str,
)
def test_wider_result_has_the_accuracy_of_its_dtype(narrow, wide, isa) -> None:
    rng = np.random.default_rng(17)
    for spread in (1, 10):
        x = (spread * rng.standard_normal((300, 50))).astype(narrow)
        got = softlane.log_softmax(x, dtype=wide)
        assert got.dtype == wide
        assert ulp_error(got, log_softmax_reference(x.astype(wide))).max() <= 3
        lse = softlane.logsumexp(x, dtype=wide)
        exact = logsumexp_reference(x.astype(wide))[0]
        assert lse.dtype == wide and error_of_logsumexp(lse, exact, x.astype(wide)).max() <= 1


@EVERY_DTYPE
def test_certain_class_is_plus_zero(dtype, isa) -> None:
    """[0, -inf, ...], with the certain class at every position, and what underflows beside it."""
    for lowest in (-np.inf, float(np.finfo(np.float16).min) if dtype == np.float16 else -1e30):
        for n in (1, 2, 3, 8, 17, 64, 100):
            x = np.full((n, n), lowest, dtype)
            np.fill_diagonal(x, 0)
            y = softlane.log_softmax(x)
            loss = softlane.cross_entropy(x, np.arange(n), reduction="none")
            lse = softlane.logsumexp(x)
            for zeros in (np.diagonal(y), loss, lse):
                assert np.all(zeros == 0) and not np.signbit(zeros).any()
            assert np.all(y[~np.eye(n, dtype=bool)] == dtype.type(lowest))
    x = np.r_[0.0, np.full(100_000, -np.inf)].astype(dtype)
    assert softlane.log_softmax(x)[0] == 0 and softlane.cross_entropy(x[None], [0]) == 0


@EVERY_DTYPE
def test_logsumexp_of_a_row_with_maximum_0_keeps_its_digits(dtype, isa) -> None:
    """No cancellation: it is minus the logarithm of the maximum's probability."""
    for family in ("margins", "tiny_rest", "tied_maximum"):
        for x, _ in CONFIDENT[family](dtype, np.random.default_rng(18)):
            x = x[x.max(axis=1) == 0]
            exact = logsumexp_reference(x)[0]
            assert ulp_error(softlane.logsumexp(x), exact).max() <= promised_ulp(dtype)


@EVERY_WIDTH
@pytest.mark.parametrize("signs", [[1.0], [1.0, -1.0]], ids=["positive", "both"])
def test_logsumexp_with_factors(signs, dtype, record_property) -> None:
    rng = np.random.default_rng(19)
    found = Findings()
    for n in (1, 2, 3, 16, 17, 1000):
        for spread in (0.1, 5, 40):
            x = (spread * rng.standard_normal((200, n)) + rng.uniform(-50, 50)).astype(dtype)
            b = np.exp(3 * rng.standard_normal((200, n))) * rng.choice(signs, (200, n))
            b[rng.random(b.shape) < 0.1] = 0
            b = b.astype(dtype)
            exact, exact_sign = logsumexp_reference(x, b=b)
            with np.errstate(invalid="ignore"):  # a row without factors
                cancelled = np.exp(logsumexp_reference(x, b=np.abs(b))[0] - exact)
            cancelled = np.nan_to_num(cancelled, nan=1.0)
            both = on_levels(lambda x=x, b=b: softlane.logsumexp(x, b=b, return_sign=True))
            measure = functools.partial(error_of_logsumexp, x=x, cancelled=cancelled)
            logs = {name: log for name, (log, _) in both.items()}
            found.add("logsumexp", errors_by_level(logs, exact, measure), x)
            clear = cancelled < 2.0**20
            for _, sign in both.values():
                np.testing.assert_array_equal(sign[clear], exact_sign[clear])
    record_property("worst, as a fraction of what is promised", found.worst)
    assert found.worst["logsumexp"][0] <= 1, found.worst


# The oracle


def arb_log_softmax(row: np.ndarray) -> tuple[list[arb], arb]:
    """The logarithms of one row's softmax, and its logsumexp, by Arb."""
    total = sum((arb(v).exp() for v in row.tolist() if v > -np.inf), arb(0)).log()
    return [arb(v) - total if v > -np.inf else arb("-inf") for v in row.tolist()], total


def test_oracle_agrees_with_arb() -> None:
    rng = np.random.default_rng(20)
    rows = [rng.uniform(-800, 0, 5) + rng.uniform(-1e3, 1e3) for _ in range(200)]
    rows += [np.array([0.0, -margin]) for margin in rng.uniform(0, 770, 100)]
    rows += [40 - np.r_[0, margin + rng.random(9)] for margin in rng.uniform(0, 770, 50)]
    rows += [np.r_[2.5, 2.5, 2.5 - margin] for margin in rng.uniform(0, 770, 20)]
    rows += [np.array([0.1, -np.inf, -744.5, -745.2]), np.array([1e15 / 3, 1e15 / 3 - 40])]
    rows += [np.array([0.0, -1e308]), np.array([1e-300, 0.0]), np.full(1000, -np.log(1000))]
    for row in rows:
        finite = row > -np.inf
        with ctx.workprec(1500):
            logs, total = arb_log_softmax(row)
            exact = long_double(v for v, real in zip(logs, finite, strict=True) if real)
            lse = long_double([total])[0]
        got = log_softmax_reference(row)
        np.testing.assert_allclose(got[finite], exact, rtol=2.0**-61, atol=0)
        assert np.all(got[~finite] == -np.inf)
        size = max(abs(row.max()), 1)
        np.testing.assert_allclose(logsumexp_reference(row)[0], lse, rtol=0, atol=size * 2.0**-61)
        targets = np.argsort(row)[[-1, -2]]  # the maximum, and the next
        loss = cross_entropy_reference(np.stack([row, row]), targets).loss
        np.testing.assert_allclose(loss, -got[targets], rtol=2.0**-61, atol=0)
        for divisor in (4.0, 2.0**-10):  # exact quotients
            if np.all(np.abs(row[finite]) < 1e307):
                reference = log_softmax_reference(row * divisor, temperature=divisor)
                np.testing.assert_allclose(reference[finite], exact, rtol=2.0**-61, atol=0)
        narrow = row.clip(-1e4, 1e4).astype(np.float32)
        wide = log_softmax_reference(narrow.astype(np.float64))
        np.testing.assert_allclose(log_softmax_reference(narrow), wide, rtol=2.0**-50, atol=1e-300)


def test_oracle_of_factors_agrees_with_arb() -> None:
    rng = np.random.default_rng(21)
    for _ in range(200):
        n = rng.integers(1, 9)
        x = rng.uniform(-800, 800, n) * rng.choice([1e-2, 1])
        b = 2.0 ** (rng.uniform(-1000, 1000, n) * rng.choice([0, 1])) * rng.choice([-1, 1], n)
        with ctx.workprec(3000):
            terms = [arb(w) * arb(v).exp() for v, w in zip(x.tolist(), b.tolist(), strict=True)]
            total = sum(terms, arb(0))
            lse = long_double([abs(total).log()])[0]
            cancelled = float(sum((abs(term) for term in terms), arb(0)) / abs(total))
        log, sign = logsumexp_reference(x, b=b)
        assert sign == (1 if total > 0 else -1)
        assert abs(log - lse) <= 2.0**-61 * (cancelled + abs(lse))
    assert logsumexp_reference([np.nan, 1.0], b=[0.0, -1.0]) == (1, -1)
