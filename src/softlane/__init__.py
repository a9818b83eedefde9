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

__all__ = [
    "__version__",
    "cross_entropy",
    "cross_entropy_with_grad",
    "log_softmax",
    "log_softmax_backward",
    "logsumexp",
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
        ``isa_cap``, the value of the environment variable ``SOFTLANE_ISA`` or None; ``cpu``, the
        feature words as read from the processor; ``compiler``; ``numpy``, its version at run time.

    Examples
    --------
    >>> import softlane
    >>> softlane.show_config()["isa"] in softlane.show_config()["isa_supported"]
    True
    """
    import numpy

    from softlane import _core

    return {
        **_core._config(),
        "isa_cap": _core._isa_cap,
        "numpy": numpy.__version__,
    }
