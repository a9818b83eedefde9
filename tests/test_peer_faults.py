"""The table of tests/peer_faults.py is whole: every fault, its tests, and what makes them fail."""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from pathlib import Path

import pytest
from mutant_list import MUTANTS
from peer_faults import FAULTS, Fault, node, nodes_of

TESTS = Path(__file__).parent
CORE = TESTS.parent / "cpp"
# Every fault of which a source is known.
ISSUES = {
    "botan": "5260", "candle": "3727", "CTranslate2": "1018", "executorch": "8595 20090",
    "FBGEMM": "46", "golang": "73193", "Halide": "9017", "HiGHS": "1593",
    "jax": "6811 7455 21495 40384", "lattice": "740", "llama.cpp": "7154", "llvm": "57589",
    "mistral.rs": "1269", "MNN": "235", "NNPACK": "174", "numcodecs": "252",
    "numpy": "9532 13512 16660 17761 20356 21376 22772 22867 22904 23523 25231 25274 26775 26972 "
    "32017",
    "oneDAL": "704", "oneDNN": "1823 1862", "oneTBB": "190", "onnxruntime": "27568 28004 32299",
    "OpenBLAS": "240 343 1237 1668", "openvino": "35897", "Paddle": "25549 71935",
    "pthreadpool": "92", "pybind11": "338 2455", "pyhmmer": "71", "pys2index": "5",
    "pytorch": "2201 6864 11752 14436 15508 17262 25110 31829 37577 38839 39769 55657 58128 62897 "
    "69339 72056 73205 75923 77895 84144 88718 98836 111484 113708 124025 139740 158310 191565 "
    "194799 194802",
    "rmcgibbo/logsumexp": "2", "scipy": "18295 20399 22903 23548",
    "tensorflow": "932 8484 10268 11723 17783", "threadpoolctl": "41", "torch-mojo": "319",
    "torch-xpu-ops": "5022", "torch/nn": "825", "tt-metal": "56056", "xla": "11772",
    "XNNPACK": "1003 10467",
}  # fmt: skip
EVERY_FAULT = pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.sources or f.fault)


def sources_of(fault: Fault) -> list[str]:
    return [source for source in fault.sources.split(", ") if source]


@functools.cache
def functions_of(file: str) -> set[str]:
    """The tests of a file."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {item.name for item in tree.body if isinstance(item, ast.FunctionDef)}


def carries(name: str, source: str) -> bool:
    """Whether a test's name has the project and, among the numbers that follow it, the issue."""
    project, number = source.rsplit(" ", 1)
    slug = re.sub(r"\W|-", "_", project.lower())
    return re.search(rf"(?<![a-z0-9]){slug}_(\d+_)*{number}(?!\d)", name) is not None


def test_every_fault_is_there_once():
    known = {f"{project} {n}" for project, numbers in ISSUES.items() for n in numbers.split()}
    listed = Counter(source for fault in FAULTS for source in sources_of(fault))
    assert set(listed) == known
    assert [source for source, count in listed.items() if count > 1] == []


@EVERY_FAULT
def test_its_tests_exist_and_carry_the_source(fault):
    assert fault.tests
    for tests in fault.tests.values():
        assert tests
        for test in tests.split():
            file, _, name = node(test).partition("::")
            assert name in functions_of(file)
            for source in sources_of(fault):
                assert carries(name, source), (name, source)


@EVERY_FAULT
def test_what_makes_them_fail_exists(fault):
    mutants = {mutant.name for mutant in MUTANTS}
    assert [name for name in fault.tests if name not in mutants and "change: " not in name] == []


def test_a_source_is_found_in_a_name():
    assert carries("test_llama_cpp_7154_openblas_240_1237_modes", "OpenBLAS 1237")
    assert carries("test_torch_nn_825_slices", "torch/nn 825")
    assert not carries("test_llama_cpp_7154_openblas_1237_modes", "llama.cpp 1237")
    assert not carries("test_pytorch_11752_two", "pytorch 1175")
    assert not carries("test_55657_the_mean_of_2_to_the_24", "rmcgibbo/logsumexp 2")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_has_its_place_and_its_tests(mutant):
    text = (CORE / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, "gone from the source, or there twice"
    assert mutant.new != mutant.old
    assert sum(other.name == mutant.name for other in MUTANTS) == 1
    assert mutant.tests or nodes_of(mutant.name)
    assert all((TESTS / f"test_{word}.py").exists() for word in mutant.tests.split())
