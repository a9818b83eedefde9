"""The house stays in order: stubs, docstrings, examples, include rules, version, documentation.

The files are those of the checkout that this test lies in; the package is the installed one.
"""

from __future__ import annotations

import doctest
import inspect
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import softlane

ROOT = pathlib.Path(__file__).parent.parent
CPP = ROOT / "cpp"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FUNCTIONS = [name for name in softlane.__all__ if callable(getattr(softlane, name))]

ROW = "temperature=1.0, where=None, dtype=None, out=None"
LOSS = (
    "(logits, targets, /, axis=-1, *, weight=None, ignore_index=-100, label_smoothing=0.0, "
    "temperature=1.0, z_loss=0.0, reduction='mean'"
)
SIGNATURES = {
    "cross_entropy": f"{LOSS})",
    "cross_entropy_with_grad": f"{LOSS}, out=None)",
    "get_num_threads": "() -> 'int'",
    "log_softmax": f"(x, /, axis=-1, *, {ROW})",
    "log_softmax_backward": "(grad, y, /, axis=-1, *, temperature=1.0, out=None)",
    "logsumexp": "(x, /, axis=-1, *, b=None, keepdims=False, return_sign=False, where=None, "
    "dtype=None, out=None)",
    "num_threads": "(n: 'int') -> 'AbstractContextManager[None]'",
    "set_num_threads": "(n: 'int') -> 'int'",
    "show_config": "() -> 'dict[str, Any]'",
    "softmax": f"(x, /, axis=-1, *, {ROW})",
    "softmax_backward": "(grad, y, /, axis=-1, *, temperature=1.0, out=None)",
}

# What each folder of cpp/ may include: the table in cpp/README.md, as patterns.
INTRINSICS = r"[a-z]+intrin\.h|arm_neon\.h|cstddef|cstdint"
ALLOWED = {
    "core": r"core/\w+\.hpp|[a-z_0-9]+|(sys|asm)/\w+\.h|(cpuid|pthread|sched|unistd|xmmintrin)\.h",
    "include": r"softlane/\w+\.h|std\w+\.h",
    "simd": rf"{INTRINSICS}|(simd|rows)/\w+\.hpp|core/(kernels|types)\.hpp",
    "rows": rf"{INTRINSICS}|(simd|rows)/\w+\.hpp|core/(kernels|types)\.hpp",
    "isa": rf"{INTRINSICS}|(simd|rows)/\w+\.hpp|core/(kernels|types)\.hpp",
    "bind": r"(bind|core|softlane)/\w+\.hp*|[a-z_0-9]+|Python\.h|(numpy|pybind11)/\w+\.h",
    "tests": r"(core|tests)/\w+\.hpp|softlane/\w+\.h|[a-z_0-9]+|(pthread|sys/wait|unistd)\.h"
    r"|fuzzer/FuzzedDataProvider\.h",
}


def forbidden_includes(folder: str, text: str) -> list[str]:
    """The includes in `text` that a file of cpp/<folder>/ may not have."""
    includes = re.findall(r'^\s*#\s*include\s*([<"][^>"]*[>"]|\w+)', text, re.MULTILINE)
    return [name for name in includes if not re.fullmatch(ALLOWED[folder], name.strip('<">'))]


def source_files() -> list[pathlib.Path]:
    return sorted(path for path in CPP.rglob("*") if path.suffix in {".hpp", ".cpp", ".h"})


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(CPP)))
def test_include_rules(path: pathlib.Path) -> None:
    assert forbidden_includes(path.relative_to(CPP).parts[0], path.read_text()) == []


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("core", '#include "simd/avx2.hpp"'),
        ("core", '#include "rows/engine.hpp"'),
        ("core", "#include <pybind11/pybind11.h>"),
        ("core", "# include <Python.h>"),
        ("rows", "#include <algorithm>"),
        ("simd", "#include <cmath>"),
        ("rows", '#include "core/dispatch.hpp"'),
        ("isa", '#include "bind/arrays.hpp"'),
        ("tests", '#include "simd/avx2.hpp"'),
    ],
)
def test_include_rules_catch(folder: str, line: str) -> None:
    assert len(forbidden_includes(folder, f"// first line\n{line}\n")) == 1


def test_version_is_the_one_of_pyproject() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.*)"$', text, re.MULTILINE)
    assert version is not None
    assert softlane.__version__ == version[1]
    assert f"\n## {version[1]}" in (ROOT / "CHANGELOG.md").read_text()


def test_all_is_what_is_public() -> None:
    public = {
        name
        for name, value in vars(softlane).items()
        if getattr(value, "__module__", "").startswith("softlane") and not name.startswith("_")
    }
    assert public == {name for name in softlane.__all__ if not name.startswith("_")}


@pytest.mark.parametrize("name", [n for n in softlane.__all__ if not n.startswith("_")])
def test_public_name_is_on_the_api_page(name: str) -> None:
    assert re.search(rf"softlane\.{name}\b", api_page())


def api_page() -> str:
    return (ROOT / "docs" / "api.md").read_text()


def run_doctest(text: str, name: str, names: dict[str, object]) -> doctest.TestResults:
    """Run the session in `text`, which reads and writes the variables in `names`."""
    test = doctest.DocTestParser().get_doctest(text, names, name, name, 0)
    test.globs = names  # not a copy
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False
    )
    output: list[str] = []
    runner.run(test, out=output.append, clear_globs=False)
    result = runner.summarize(verbose=False)
    assert result.failed == 0, "".join(output)
    return result


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_examples(name: str) -> None:
    doc = inspect.getdoc(getattr(softlane, name))
    assert doc is not None
    assert run_doctest(doc, name, {}).attempted > 0


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page_examples(path: pathlib.Path) -> None:
    """Every Python block of a page runs, in order: sessions as doctests, the others as code."""
    names: dict[str, object] = {"np": np, "softlane": softlane}
    blocks = re.findall(r"^```(?:py\w*)\n(.*?)^```$", path.read_text(), re.M | re.S)
    for block in blocks:
        if ">>>" in block:
            run_doctest(block, path.name, names)
        else:
            exec(compile(block, path.name, "exec"), names)
    assert blocks or path.name not in {"README.md", "index.md", "recipes.md"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_is_numpydoc(name: str) -> None:
    validate = pytest.importorskip("numpydoc.validate")
    # Allowed: a one-line docstring that starts on its first line, no extended summary, no See Also.
    allowed = {"GL01", "ES01", "SA01"}
    found = [error for error in validate.validate(f"softlane.{name}")["errors"]]
    assert [error for error in found if error[0] not in allowed] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signature(name: str) -> None:
    assert str(inspect.signature(getattr(softlane, name))) == SIGNATURES[name]


def test_stubs_match_the_extension(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("mypy.stubtest")
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "--concise", "softlane._core"],
        cwd=tmp_path,  # not the checkout, whose src/ has no extension
        env={**os.environ, "MYPY_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_paths_of_a_machine() -> None:
    """Nothing that is shipped names a home folder or an absolute path of a build machine."""
    texts = [*source_files(), *PAGES, *ROOT.glob("src/softlane/**/*.py*"), ROOT / "pyproject.toml"]
    texts += ROOT.glob("examples/*.py")
    found = [path for path in texts if re.search(r"/(home|root|Users|work)/\w", path.read_text())]
    assert found == []
