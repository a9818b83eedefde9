"""Facts about the installed package that are no speed: what it takes to import, and its size."""

from __future__ import annotations

import io
import pathlib
import subprocess
import sys
import zipfile
from typing import Any

import softlane

IMPORTS = 7  # of which the median counts
CODE = (
    "import time, numpy; begin = time.perf_counter(); import softlane; "
    "print(time.perf_counter() - begin)"
)


def levels() -> tuple[str, ...]:
    """The instruction-set levels of this machine."""
    return tuple(softlane.show_config()["isa_supported"])


def import_seconds() -> float:
    """The time of `import softlane` in a new process that has numpy."""
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=120
    )
    return float(done.stdout)


def wheel_bytes() -> int:
    """The size of the installed files, compressed as a wheel compresses them."""
    folder = pathlib.Path(softlane.__file__).parent
    store = io.BytesIO()
    with zipfile.ZipFile(store, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                wheel.write(path, path.relative_to(folder.parent))
    return len(store.getvalue())


def package() -> dict[str, dict[str, Any]]:
    """Both, in the form of timers' samples."""
    import_seconds()  # writes the bytecode
    imports = [round(import_seconds() * 1e9) for _ in range(IMPORTS)]
    return {
        "import": {"elements": 1, "ns_per_call": imports},
        "wheel bytes": {"elements": 1, "ns_per_call": [wheel_bytes()]},
    }
