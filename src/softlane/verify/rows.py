"""Whole rows, among them hard ones, against the oracle: the ULPs that are promised of each call."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import softlane
from softlane._ulp import wide_float
from softlane.verify.calls import CALLS, Arrays, Call
from softlane.verify.hard_rows import FAMILIES, FULL_PRECISION, TEMPERATURES, tempered
from softlane.verify.levels import DTYPES, LEVELS, THREADS, Array, DType, errors_by_level, on_levels
from softlane.verify.outcome import Outcome
from softlane.verify.promises import measures, promised_of

# With a temperature the gradient has no bound of its own.
WITH_TEMPERATURE = ("softmax", "log_softmax", "cross_entropy_labels")


def arguments(x: Array, rng: np.random.Generator) -> Arrays:
    """What the calls take beside the logits x, each at random."""
    shape, dtype, n = x.shape, x.dtype, x.shape[1]
    share = rng.random(shape) ** 4
    any_class = rng.integers(n, size=len(x))
    forward = {
        name: on_levels(lambda f=f: f(x), LEVELS[:1])[LEVELS[0]]  # type: ignore[misc]
        for name, f in (("y", softlane.softmax), ("log_y", softlane.log_softmax))
    }
    return {
        "x": x,
        "grad": rng.standard_normal(shape).astype(dtype),
        "b": (rng.standard_normal(shape) * (rng.random(shape) < 0.9)).astype(dtype),
        "q": (share / share.sum(axis=1, keepdims=True)).astype(dtype),
        "labels": np.where(rng.random(len(x)) < 0.5, np.argmax(x, axis=1), any_class),
        "weight": np.exp(rng.standard_normal(n)),
        **forward,
    }


def judge(outcome: Outcome, name: str, given: Arrays) -> None:
    """Compare the results of a call on each level with the oracle's."""
    call = CALLS[name]
    judge_parts(outcome, name, call, given)
    if "z_loss" in call.options:
        options = {key: value for key, value in call.options.items() if key != "z_loss"}
        judge_parts(outcome, f"{name} but the z-loss", call._replace(options=options), given)


def judge_parts(outcome: Outcome, name: str, call: Call, given: Arrays) -> None:
    """Compare each part of its results."""
    results = on_levels(lambda: call(given))
    for place, (part, measure) in enumerate(measures(name, given, call).items()):
        if part == "loss" and "z_loss" in call.options:
            continue  # beside a logsumexp that cancels, it has no digits to promise
        if part == "gradient" and "temperature" in given:
            continue
        parts = {level: np.asarray(result[place]) for level, result in results.items()}
        dtype = parts[LEVELS[0]].dtype
        if part == "sign":
            for level, error in errors_by_level(parts, measure).items():
                outcome.expect(not error.any(), f"{name} of {dtype.name} on {level}: wrong sign")
            continue
        bound = promised_of(call, part, given, dtype)
        op = " ".join(filter(None, (name, part, "temperature" * ("temperature" in given))))
        for level, error in errors_by_level(parts, measure).items():
            n = error.size // len(error)
            outcome.judge(
                op, given_dtype(given).name, level, error * bound, bound,
                lambda i, n=n: worst_row(given, i // n),  # type: ignore[misc]
            )  # fmt: skip


def given_dtype(given: Arrays) -> DType:
    """The dtype that a call's first argument has."""
    return next(iter(given.values())).dtype


def worst_row(given: Arrays, row: int) -> str:
    """What a failure needs to be repeated: the row in hex, shortened."""
    values = next(iter(given.values()))[row]
    return f"n = {values.size}, row {[float(v).hex() for v in values[:20]]}"


def thin(x: Array, elements: int) -> Array:
    """Some of the rows, evenly taken, with about so many elements."""
    return x[:: max(1, -(-x.size // elements))]


def some_rows(family: str, dtype: DType, elements: int, every: int) -> Iterator[Array]:
    """The rows of a family, every so manyth kind, so many elements of it, no row that is longer."""
    rng = np.random.default_rng(list(family.encode()))
    for x, _ in itertools.islice(FAMILIES[family](dtype, rng), 0, None, every):
        if x.shape[1] <= elements:
            yield thin(x, elements)


def check(outcome: Outcome, elements: int, every: int = 1) -> None:
    """Judge so many elements of each kind of rows, in each call and dtype."""

    def judge_family(job: tuple[DType, str]) -> None:
        dtype, family = job
        rng = np.random.default_rng(0)
        for x in some_rows(family, dtype, elements, every):
            given = arguments(x, rng)
            for name, call in CALLS.items():
                with outcome.case(f"{name} of {family} rows of {x.shape[1]} {dtype.name}"):
                    judge(outcome, name, {key: given[key] for key in call.names})

    def judge_temperature(job: tuple[DType, float]) -> None:
        dtype, t = job
        rng = np.random.default_rng(0)
        x = thin(tempered(dtype, t, rng), elements)
        given = {**arguments(x, rng), "temperature": t * rng.uniform(0.5, 1, len(x))}
        for name in WITH_TEMPERATURE:
            with outcome.case(f"{name} of {dtype.name} with temperature {t}"):
                names = (*CALLS[name].names, "temperature")
                judge(outcome, name, {key: given[key] for key in names})

    dtypes = list(DTYPES.values())
    try:
        wide_float()
    except NotImplementedError as error:
        outcome.skipped.append(f"float64: {error}")
        dtypes.remove(DTYPES["float64"])
    families = [
        (dtype, family)
        for dtype in dtypes
        for family in FAMILIES
        if dtype.itemsize > 2 or family not in FULL_PRECISION
    ]
    temperatures = [(dtype, t) for dtype in dtypes for t in TEMPERATURES if dtype.itemsize > 2]
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(judge_family, job) for job in families]
        jobs += [pool.submit(judge_temperature, job) for job in temperatures]
        for done, job in enumerate(jobs):
            outcome.tick(done / len(jobs))
            job.result()
