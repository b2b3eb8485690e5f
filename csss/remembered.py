"""What a process keeps of things that patients' pages show, so as not to make them again; and forgetting it.

When a patient is erased, the web processes hear of it (`csss.live.hub`) and forget all of it: what was rendered once for
everybody would else stay in memory until something else pushes it out.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_forget: list[Callable[[], object]] = []


def remembered(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """As `functools.lru_cache(maxsize=most)`, for results that hold something of a patient."""

    def keep(function: Callable[P, T]) -> Callable[P, T]:
        kept = lru_cache(maxsize=most)(function)
        on_forgetting(kept.cache_clear)

        @wraps(function)
        def found(*args: P.args, **kwargs: P.kwargs) -> T:
            return kept(*args, **kwargs)  # type: ignore[arg-type]  # whoever cannot be hashed says so

        return found

    return keep


def on_forgetting(clear: Callable[[], object]) -> None:
    """For what is kept in another way: call `clear` when everything is to be forgotten."""
    _forget.append(clear)


def forget() -> None:
    for clear in _forget:
        clear()
