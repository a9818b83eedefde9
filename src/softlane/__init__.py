"""The softmax family for NumPy arrays on the CPU: fast, within 3 ULP, the same bits everywhere."""

from __future__ import annotations

from typing import Any

from softlane._core import (
    __version__,
    cross_entropy,
    cross_entropy_with_grad,
    log_softmax,
    log_softmax_backward,
    logsumexp,
    softmax,
    softmax_backward,
)
from softlane._threads import get_num_threads, num_threads, set_num_threads

__all__ = [
    "__version__",
    "cross_entropy",
    "cross_entropy_with_grad",
    "get_num_threads",
    "log_softmax",
    "log_softmax_backward",
    "logsumexp",
    "num_threads",
    "set_num_threads",
    "show_config",
    "softmax",
    "softmax_backward",
]


def show_config() -> dict[str, Any]:
    """Say how softlane was built and what it runs on.

    Returns
    -------
    dict
        ``version``; ``isa``, the instruction-set level in use; ``isa_supported``, the levels that
        this machine can run, best first; ``isa_compiled``, those that exist for its architecture;
        ``isa_cap``, the value of the environment variable ``SOFTLANE_ISA`` or None;
        ``num_threads``, how many threads a call may use here, and ``num_threads_from``, where that
        comes from: ``num_threads``, ``set_num_threads``, ``SOFTLANE_NUM_THREADS``,
        ``OMP_NUM_THREADS``, ``quota`` (of the control group) or ``cores``; ``cpu``, the
        feature words as read from the processor; ``selftest``, what the self-test at first use
        found: ``mode`` (the environment variable ``SOFTLANE_SELFTEST``: on, off or strict) and the
        kernels that ``passed`` and that are ``quarantined``, as (level, function, dtype);
        ``compiler``; ``numpy``, its version at run time.

    Examples
    --------
    >>> import softlane
    >>> softlane.show_config()["isa"] in softlane.show_config()["isa_supported"]
    True
    """
    import numpy

    from softlane import _core

    threads, source = _core._num_threads()
    return {
        **_core._config(),
        "isa_cap": _core._isa_cap,
        "num_threads": threads,
        "num_threads_from": source,
        "numpy": numpy.__version__,
    }
