"""Whole rows of float32 and float64 against the oracle: the ULPs that softmax promises."""

from __future__ import annotations

import functools
import json
from typing import NamedTuple

import numpy as np
import pytest
from families import FAMILIES, Rows, tempered
from flint import arb, ctx
from helpers import promised_ulp
from reference import EXTREME, TEMPERATURES, climb, long_double, worst_row

import softlane
from softlane._oracle import softmax_reference, ulp_error

EVERY_TYPE = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
# Families not made to be bad: 1 element in 10,000 may be further off than 2 ULP (1 or 2 in 100,000
# are; 6 in float64 rows of a spread of 30 and more).
ORDINARY = ("normal", "short", "lengths")
EDGES = np.r_[0:3.75:0.25, np.inf]  # of the histogram's bins, in ULP


class Case(NamedTuple):
    rows: Rows
    exact: np.ndarray


@functools.cache
def cases(family: str, dtype: type) -> list[Case]:
    """The rows of a family with their exact softmax, once for all levels."""
    rng = np.random.default_rng(list(family.encode()))
    every = FAMILIES[family](np.dtype(dtype), rng)
    return [Case(rows, softmax_reference(rows.x, where=rows.where)) for rows in every]


@EVERY_TYPE
@pytest.mark.parametrize("family", FAMILIES)
def test_rows(family, dtype, isa, tmp_path, record_property) -> None:
    counts = np.zeros(len(EDGES) - 1, np.int64)
    worst, row = 0.0, ""
    for (x, where), exact in cases(family, dtype):
        error = ulp_error(softlane.softmax(x, where=where), exact)
        counts += np.histogram(error, EDGES)[0]
        if error.max() > worst:
            worst, row = error.max(), worst_row(x, error)
    histogram = {"family": family, "dtype": np.dtype(dtype).name, "isa": isa}
    histogram |= {"edges_ulp": EDGES[:-1].tolist(), "counts": counts.tolist(), "max_ulp": worst}
    (tmp_path / "ulp.json").write_text(json.dumps(histogram))
    record_property("ulp", histogram)
    assert worst <= promised_ulp(np.dtype(dtype)), row
    if family in ORDINARY:
        assert counts[EDGES[:-1] >= 2].sum() <= counts.sum() * 1e-4, histogram


@EVERY_TYPE
@pytest.mark.parametrize(
    "steps", [60, pytest.param(3000, marks=pytest.mark.exhaustive)], ids=["short", "long"]
)
def test_no_worse_row_is_found_by_climbing(steps, dtype, isa, record_property) -> None:
    """From the 1,500 worst pairs and triples of three families, 1,500 * (steps + 1) rows each."""

    def error(x: np.ndarray) -> np.ndarray:
        return ulp_error(softlane.softmax(x), softmax_reference(x)).max(axis=1)

    rng = np.random.default_rng(5)
    found = {}
    for family, n in (("worst_exponentials", 2), ("lowest", 2), ("binade_edges", 3)):
        x = np.concatenate([rows.x for rows, _ in cases(family, dtype) if rows.x.shape[1] == n])
        x, worst = climb(error, x[np.argsort(error(x))[-1500:]], steps, rng)
        found[f"{family}: {worst_row(x, worst[:, None])}"] = worst.max()
    record_property("worst rows", found)
    assert max(found.values()) <= promised_ulp(np.dtype(dtype)), found


@EVERY_TYPE
@pytest.mark.parametrize("temperatures", [TEMPERATURES, EXTREME], ids=["usual", "extreme"])
def test_temperature(temperatures, dtype, isa, record_property) -> None:
    """Softmax of the real quotient x / T, T for all rows or one for each; far from 0 as well."""
    rng = np.random.default_rng(6)
    worst, row = 0.0, ""
    for t in temperatures:
        logits = tempered(np.dtype(dtype), t, rng)
        for temperature in (t, t * rng.uniform(0.5, 1, len(logits))):
            exact = softmax_reference(logits, temperature=temperature)
            error = ulp_error(softlane.softmax(logits, temperature=temperature), exact)
            if error.max() > worst:
                worst, row = error.max(), f"T = {t!r}: {worst_row(logits, error)}"
    record_property("max ulp", worst)
    assert worst <= promised_ulp(np.dtype(dtype), t), row


def arb_softmax(row: np.ndarray) -> np.ndarray:
    """The softmax of one float64 row without +inf and NaN, by Arb, in long double."""
    with ctx.workprec(256):
        top = arb(float(row.max()))
        e = [(arb(v) - top).exp() if v > -np.inf else arb(0) for v in row.tolist()]
        total = sum(e, arb(0))
        return long_double(v / total for v in e)


def test_oracle_agrees_with_arb() -> None:
    rng = np.random.default_rng(7)
    rows = [rng.uniform(-800, 0, 5) + rng.uniform(-1e3, 1e3) for _ in range(300)]
    rows += [4 * rng.standard_normal(100) for _ in range(20)]
    rows += [np.array([0.1, -np.inf, -744.5, -745.2, 1e-300]), np.array([1e15 / 3, 1e15 / 3 - 40])]
    for row in rows:
        exact = arb_softmax(row)
        np.testing.assert_allclose(softmax_reference(row), exact, rtol=2.0**-61, atol=0)
        for divisor in (4.0, 2.0**-10):  # exact quotients
            reference = softmax_reference(row * divisor, temperature=divisor)
            np.testing.assert_allclose(reference, exact, rtol=2.0**-61, atol=0)


def test_ulp_error_never_drops_nan() -> None:
    nan, inf = np.nan, np.inf
    got = np.array([nan, 1, inf, 1, nan, inf, 1 + 2**-23, 0, 2**-149], np.float32)
    exact = np.array([1, nan, 1, inf, nan, inf, 1, 2.0**-150, 0])
    np.testing.assert_array_equal(ulp_error(got, exact), [inf, inf, inf, inf, 0, 0, 1, 0.5, 1])
    just_below_one = (np.array([1.0]), np.array([-(2.0**-54)]))
    assert ulp_error(np.array([1.0]), just_below_one) == 0.5
    with pytest.raises(TypeError, match="no wider"):
        ulp_error(np.array([1.0]), np.array([1.0]))
