"""Mutants: faults that are put into the source on purpose, to show that the tests can fail.

    python tests/mutants.py [--only WORD ...] [--json FILE]

Each one changes one place of a copy of the source. The copy is built, and the tests that guard that
place are run on it: a mutant that they do not notice survives, and the exit status is 1. Beside it
stands whether the self-test at first use notices too, which no change of a kernel's results should
pass. About a minute each; needs the extra `test` and a C++ compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from mutant_list import MUTANTS, Mutant
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant."""

    fault: str
    name: str
    killed_by: str | None  # the first test that failed
    self_test: bool | None  # whether the self-test notices; None: it does not build


class Workshop:
    """A copy of the source that is built again and again, and installed beside this package."""

    def __init__(self, directory: Path) -> None:
        self.source = directory / "source"
        self.site = directory / "site"
        tracked = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split("\0")
        for name in filter(None, tracked):
            target = self.source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        self.environment = {**os.environ, "PYTHONPATH": str(self.site)}

    def build(self) -> bool:
        """Build and install the copy; False if it does not compile."""
        shutil.rmtree(self.site, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
        command += ["--no-build-isolation", "--target", str(self.site), "."]
        return subprocess.run(command, cwd=self.source, capture_output=True).returncode == 0

    def first_failure(self, words: str) -> str | None:
        """Run the tests; the first that fails, None if all pass."""
        files = [f"tests/test_{word}.py" for word in words.split()]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files]
        try:
            result = subprocess.run(
                command, cwd=self.source, env=self.environment, capture_output=True, text=True,
                timeout=900,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "a test that does not end"
        if result.returncode == 0:
            return None
        found = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(\S+)", result.stdout, re.MULTILINE)
        return found[1] if found else "a crash"

    def self_test_fails(self) -> bool:
        """Whether a kernel of the best level gives other bits than it is known to give."""
        code = (
            "import sys; from softlane import _core; "
            "sys.exit(any(found != known for found, known in _core._self_test_hashes().values()))"
        )
        return subprocess.run([sys.executable, "-c", code], env=self.environment).returncode != 0

    def judge(self, mutant: Mutant) -> Verdict:
        """Put the fault in, build, test, and take it out again."""
        path = self.source / "cpp" / mutant.file
        original = path.read_text()
        if original.count(mutant.old) < 1:
            raise SystemExit(f"{mutant.name}: {mutant.file} has no {mutant.old!r}")
        path.write_text(original.replace(mutant.old, mutant.new))
        try:
            if not self.build():
                raise SystemExit(f"{mutant.name}: does not compile")
            return Verdict(
                mutant.fault, mutant.name, self.first_failure(mutant.tests), self.self_test_fails()
            )
        finally:
            path.write_text(original)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[""], help="mutants whose text holds a word")
    parser.add_argument("--json", type=Path, help="write the verdicts here")
    options = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if any(word in f"{mutant.fault} {mutant.name}" for word in options.only)
    ]
    verdicts = []
    with tempfile.TemporaryDirectory() as directory:
        workshop = Workshop(Path(directory))
        for mutant in track(chosen, "mutants", console=Console(stderr=True)):
            verdicts.append(workshop.judge(mutant))
    table = Table("fault", "mutant", "killed by", "self-test")
    for verdict in verdicts:
        table.add_row(
            verdict.fault,
            verdict.name,
            verdict.killed_by or "[bold]survives[/bold]",
            "notices" if verdict.self_test else "-",
        )
    Console().print(table)
    survivors = sum(verdict.killed_by is None for verdict in verdicts)
    print(f"{len(verdicts)} mutants, {survivors} survive")
    if options.json:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
