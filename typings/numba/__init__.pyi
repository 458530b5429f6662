"""What the project uses of numba: without it, every compiled function would be `Any` to mypy."""

from collections.abc import Callable
from typing import TypeVar

_Function = TypeVar("_Function", bound=Callable[..., object])

def njit(
    *,
    cache: bool = ...,
    nogil: bool = ...,
    fastmath: bool | set[str] = ...,
    inline: str = ...,
    error_model: str = ...,
) -> Callable[[_Function], _Function]: ...
