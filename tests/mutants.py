"""Mutants: faults that are put into the source on purpose, to show that the tests can fail.

    python tests/mutants.py [--only WORD ...] [--json FILE] [--directory FOLDER]

Each one changes one place of a copy of the source, never the source itself. The copy is built, and
the tests that guard that place are run on it: those that tests/peer_faults.py has beside the
mutant, of which each must fail, else the files that the mutant names, of which one test must. A
mutant that a test does not notice survives. The exit status is 1 if one does, or does not build, or
if a test fails without any. The self-test at first use is off, for the tests to be alone; whether
it notices too, which no change of a kernel's results should pass, stands beside.

About a minute each; needs the extra `test`, git and a C++ compiler. With --directory the copy stays
for the next run, which builds what has changed.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mutant_list import MUTANTS, Mutant
from peer_faults import nodes_of
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

ROOT = Path(__file__).parents[1]
LONGEST = 900  # seconds for one run of tests


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant."""

    fault: str
    name: str
    builds: bool = True
    # The first failure of each run of tests; None: they pass.
    failures: dict[str, str | None] = field(default_factory=dict)
    self_test: bool = False  # whether the self-test notices

    @property
    def killed(self) -> bool:
        return self.builds and bool(self.failures) and None not in self.failures.values()


class Workshop:
    """A copy of the source that is built again and again, and installed beside this package."""

    def __init__(self, directory: Path) -> None:
        self.source = directory / "source"
        self.site = directory / "site"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout.split("\0")  # fmt: skip
        for name in filter(None, listed):
            original, copy = ROOT / name, self.source / name
            if not original.exists():
                copy.unlink(missing_ok=True)
            elif not copy.exists() or not filecmp.cmp(original, copy, shallow=False):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(original, copy)  # with a new time, for the build to see
        self.environment = {**os.environ, "PYTHONPATH": str(self.site), "SOFTLANE_SELFTEST": "off"}

    def build(self) -> str | None:
        """Build and install the copy; what went wrong."""
        shutil.rmtree(self.site, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
        command += ["--no-build-isolation", "--target", str(self.site), "."]
        done = subprocess.run(command, cwd=self.source, capture_output=True, text=True)
        return None if done.returncode == 0 else done.stdout + done.stderr

    def first_failure(self, tests: list[str]) -> str | None:
        """Run the tests; the first that fails, None if all pass."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        with subprocess.Popen(
            command, cwd=self.source, env=self.environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            try:
                output, _ = process.communicate(timeout=LONGEST)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # pytest, its workers, and their children
                return "a test that does not end"
        if process.returncode == 0:
            return None
        found = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(\S+)", output, re.MULTILINE)
        if process.returncode not in (1, 2) or not found:
            return f"exit {process.returncode}: {output.strip()[-300:]}"
        return found[1]

    def self_test_fails(self) -> bool:
        """Whether a kernel of the best level gives other bits than it is known to give."""
        code = (
            "import sys; from softlane import _core; "
            "sys.exit(any(found != known for found, known in _core._self_test_hashes().values()))"
        )
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=self.environment, capture_output=True).returncode != 0

    @contextlib.contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """The fault is in the copy inside the block."""
        path = self.source / "cpp" / mutant.file
        original = path.read_text()
        assert original.count(mutant.old) == 1, f"{mutant.name}: not once in {mutant.file}"
        path.write_text(original.replace(mutant.old, mutant.new))
        try:
            yield
        finally:
            path.write_text(original)

    def judge(self, mutant: Mutant) -> Verdict:
        with self.mutated(mutant):
            if self.build() is not None:
                return Verdict(mutant.fault, mutant.name, builds=False)
            failures = {" ".join(run): self.first_failure(run) for run in runs_of(mutant)}
            return Verdict(mutant.fault, mutant.name, True, failures, self.self_test_fails())


def runs_of(mutant: Mutant) -> list[list[str]]:
    """The tests that must notice it: of each list one."""
    named = nodes_of(mutant.name)
    if named:
        return [[f"tests/{test}"] for test in named]
    return [[f"tests/test_{word}.py" for word in mutant.tests.split()]]


def table_of(verdicts: list[Verdict]) -> Table:
    table = Table("fault", "mutant", Column("killed by", overflow="fold"), "self-test")
    for verdict in verdicts:
        lines = [
            failure or f"[bold]survives {tests}[/bold]"
            for tests, failure in verdict.failures.items()
        ]
        table.add_row(
            verdict.fault,
            verdict.name,
            "\n".join(lines) if verdict.builds else "[bold]does not build[/bold]",
            "notices" if verdict.self_test else "-",
        )
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[""], help="mutants whose text holds a word")
    parser.add_argument("--json", type=Path, help="write the verdicts here")
    parser.add_argument("--directory", type=Path, help="keep the copy here for the next run")
    options = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if any(word in f"{mutant.fault} {mutant.name}" for word in options.only)
    ]
    if not chosen:
        parser.error(f"no mutant has {' or '.join(options.only)}")
    console = Console(stderr=True)
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as temporary:
        workshop = Workshop(options.directory or Path(temporary))
        if (complaint := workshop.build()) is not None:
            console.print(complaint, markup=False)
            return 1
        guards = sorted({test for mutant in chosen for run in runs_of(mutant) for test in run})
        if failure := workshop.first_failure(guards):
            console.print(f"without a fault: {failure}", markup=False)
            return 1
        for mutant in track(chosen, "mutants", console=console):
            verdicts.append(workshop.judge(mutant))
            state = "killed" if verdicts[-1].killed else "SURVIVES"
            console.print(f"{state}: {mutant.fault}, {mutant.name}", markup=False)
            if options.json:
                options.json.write_text(json.dumps([asdict(v) for v in verdicts], indent=1))
    Console().print(table_of(verdicts))
    survivors = [verdict.name for verdict in verdicts if not verdict.killed]
    print(f"{len(verdicts)} mutants, {len(survivors)} survive", *survivors, sep="\n  ")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
