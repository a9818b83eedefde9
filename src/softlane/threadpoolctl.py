"""Importing this module makes softlane known to threadpoolctl, which must be installed.

From then on `threadpoolctl.threadpool_info()` lists it, and `threadpool_limits(n)` limits it with
the other libraries, for the whole process: what `softlane.set_num_threads` sets.
"""

from __future__ import annotations

# Optional and without types: where it is missing, or has them, other marks are unused.
import threadpoolctl  # type: ignore[import-not-found, import-untyped, unused-ignore]

from softlane import _core


# Its base is untyped too.
class SoftlaneController(threadpoolctl.LibController):  # type: ignore[misc, unused-ignore]
    """softlane's threads, through the functions that the extension module exports."""

    user_api = "softlane"
    internal_api = "softlane"
    filename_prefixes = ("_core",)
    check_symbols = ("softlane_get_num_threads", "softlane_set_num_threads")

    def get_num_threads(self) -> int:
        """Threads that a call of this process may use."""
        return int(self.dynlib.softlane_get_num_threads())

    def set_num_threads(self, num_threads: int) -> None:
        """Set it."""
        self.dynlib.softlane_set_num_threads(num_threads)

    def get_version(self) -> str:
        """softlane's version."""
        return _core.__version__


threadpoolctl.register(SoftlaneController)
