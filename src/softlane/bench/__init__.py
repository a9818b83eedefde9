"""What `python -m softlane bench` does: time and maximum error of softlane and of its peers.

Needs numpy alone; what else a part needs is imported when it runs. The parts, each of which imports
only parts above it:

- cases: ops, arrays, shapes; machine: facts, threads; clock: samples
- errors: distances to the oracle
- three_lines, in_numpy, in_torch, in_onnxruntime, in_jax: the contestants
- measurement: from a Plan to a result
- target_groups, target_rows, targets, package_facts: what the project aims at
- table, markdown, figures, draw: a result on a terminal, in the README, as SVG
"""

from softlane.bench.cases import (
    DEFAULT,
    DTYPES,
    FULL,
    MODES,
    OPS,
    QUICK,
    Case,
    Contestant,
    Unsupported,
    make_case,
)
from softlane.bench.machine import missing
from softlane.bench.measurement import CONTESTANTS, Cell, Plan, Result, run, save

__all__ = [
    "CONTESTANTS",
    "DEFAULT",
    "DTYPES",
    "FULL",
    "MODES",
    "OPS",
    "QUICK",
    "Case",
    "Cell",
    "Contestant",
    "Plan",
    "Result",
    "Unsupported",
    "make_case",
    "missing",
    "run",
    "save",
]
