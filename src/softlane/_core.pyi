from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Literal, TypeAlias, overload

from numpy.typing import ArrayLike, DTypeLike, NDArray

__version__: str

_Axis: TypeAlias = int | tuple[int, ...] | None
_Out: TypeAlias = NDArray[Any] | tuple[NDArray[Any]] | None
_Reduction: TypeAlias = Literal["mean", "sum", "none"]

# A result typed Any is an array, or a scalar where it has no dimensions.
def softmax(
    x: ArrayLike,
    /,
    axis: _Axis = -1,
    *,
    temperature: ArrayLike = 1.0,
    where: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    out: _Out = None,
) -> Any: ...
def log_softmax(
    x: ArrayLike,
    /,
    axis: _Axis = -1,
    *,
    temperature: ArrayLike = 1.0,
    where: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    out: _Out = None,
) -> Any: ...
@overload
def logsumexp(
    x: ArrayLike,
    /,
    axis: _Axis = -1,
    *,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: Literal[False] = False,
    where: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    out: _Out = None,
) -> Any: ...
@overload
def logsumexp(
    x: ArrayLike,
    /,
    axis: _Axis = -1,
    *,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: Literal[True],
    where: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    out: _Out = None,
) -> tuple[Any, Any]: ...
@overload
def logsumexp(
    x: ArrayLike,
    /,
    axis: _Axis = -1,
    *,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: bool,
    where: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    out: _Out = None,
) -> Any: ...
def softmax_backward(
    grad: ArrayLike,
    y: ArrayLike,
    /,
    axis: _Axis = -1,
    *,
    temperature: ArrayLike = 1.0,
    out: _Out = None,
) -> Any: ...
def log_softmax_backward(
    grad: ArrayLike,
    y: ArrayLike,
    /,
    axis: _Axis = -1,
    *,
    temperature: ArrayLike = 1.0,
    out: _Out = None,
) -> Any: ...
def cross_entropy(
    logits: ArrayLike,
    targets: ArrayLike,
    /,
    axis: int = -1,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    temperature: ArrayLike = 1.0,
    z_loss: float = 0.0,
    reduction: _Reduction = "mean",
) -> Any: ...
def cross_entropy_with_grad(
    logits: ArrayLike,
    targets: ArrayLike,
    /,
    axis: int = -1,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    temperature: ArrayLike = 1.0,
    z_loss: float = 0.0,
    reduction: _Reduction = "mean",
    out: _Out = None,
) -> tuple[Any, Any]: ...

# For tests, bench and guard.
_isa_cap: str | None

def _isa_supported() -> tuple[str, ...]: ...
def _use_isa(name: str) -> str: ...
def _exp(x: NDArray[Any], shift: int, subtract: float = 0.0) -> NDArray[Any]: ...
def _exp_facts() -> dict[str, dict[str, float]]: ...
def _exp_pair(z: NDArray[Any], dtype: str) -> tuple[NDArray[Any], NDArray[Any]]: ...
def _log1p(w: NDArray[Any], dtype: str) -> tuple[NDArray[Any], NDArray[Any]]: ...
def _log_facts() -> dict[str, dict[str, float]]: ...
def _vec(
    name: str, a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], count: int
) -> NDArray[Any]: ...
def _vec_names() -> tuple[str, ...]: ...
def _convert(x: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]: ...
def _levels_for(arch: str, facts: Mapping[str, int]) -> tuple[str, ...]: ...
def _self_test_hashes() -> dict[tuple[str, str], tuple[int, int]]: ...
def _fail_self_test(isa: str, op: str, dtype: str) -> None: ...
def _cache_bytes(text: str) -> int: ...
def _streaming_bytes() -> int: ...
def _largest_kept_bytes() -> int: ...
def _config() -> dict[str, Any]: ...

_context_threads: ContextVar[int | None]

def _set_num_threads(n: int) -> int: ...
def _num_threads() -> tuple[int, str]: ...
def _pool_facts() -> dict[str, int]: ...
def _refuse_threads(refuse: bool) -> None: ...
def _physical_cores(cpus: Sequence[int], files: Mapping[str, str]) -> int: ...
def _quota_cores(files: Mapping[str, str]) -> int: ...
