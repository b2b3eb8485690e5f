"""Caches that hold something of a patient, and clearing them.

When a patient is erased, every web process hears of it (`csss.live.hub`) and clears all of these caches. Otherwise the
patient's name would stay in memory until something else pushes it out.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_clear_one: list[Callable[[], object]] = []


def cached(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """As `functools.lru_cache(maxsize=most)`, for results that hold something of a patient."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        cache = lru_cache(maxsize=most)(function)
        on_clearing(cache.cache_clear)

        @wraps(function)
        def from_cache(*args: P.args, **kwargs: P.kwargs) -> T:
            return cache(*args, **kwargs)  # type: ignore[arg-type]  # lru_cache itself refuses what has no hash

        return from_cache

    return decorate


def on_clearing(clear: Callable[[], object]) -> None:
    """Call `clear`, too, whenever the caches are cleared; for a cache that is no `cached` function."""
    _clear_one.append(clear)


def clear_all() -> None:
    """Clear all caches of this process."""
    for clear in _clear_one:
        clear()
