from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike, DTypeLike, NDArray

__version__: str

def softmax(
    x: ArrayLike,
    /,
    axis: int | tuple[int, ...] | None = -1,
    *,
    temperature: ArrayLike = 1.0,
    where: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    out: NDArray[Any] | tuple[NDArray[Any]] | None = None,
) -> Any: ...  # an array, or a scalar of the same dtype for a 0-d x

# For tests, bench and guard.
_isa_cap: str | None

def _isa_supported() -> tuple[str, ...]: ...
def _use_isa(name: str) -> str: ...
def _exp(x: NDArray[Any], shift: int, subtract: float = 0.0) -> NDArray[Any]: ...
def _exp_facts() -> dict[str, dict[str, float]]: ...
def _vec(
    name: str, a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], count: int
) -> NDArray[Any]: ...
def _vec_names() -> tuple[str, ...]: ...
def _convert(x: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]: ...
def _levels_for(arch: str, facts: Mapping[str, int]) -> tuple[str, ...]: ...
def _config() -> dict[str, Any]: ...
