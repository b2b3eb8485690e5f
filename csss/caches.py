"""Cache results that contain patient data, and clear those caches.

When a patient is erased, every web process is told (`csss.live.hub`) and clears all of these caches. Otherwise the
patient's name would stay in memory until it is evicted.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_clear_one: list[Callable[[], object]] = []


def cached(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Like `functools.lru_cache(maxsize=most)`, for results that contain patient data."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        cache = lru_cache(maxsize=most)(function)
        on_clearing(cache.cache_clear)

        @wraps(function)
        def from_cache(*args: P.args, **kwargs: P.kwargs) -> T:
            return cache(*args, **kwargs)  # type: ignore[arg-type]  # lru_cache itself refuses what has no hash

        return from_cache

    return decorate


def on_clearing(clear: Callable[[], object]) -> None:
    """Register `clear`, which then runs whenever the caches are cleared; for a cache that is not a `cached`
    function."""
    _clear_one.append(clear)


def clear_all() -> None:
    """Clear all caches of this process."""
    for clear in _clear_one:
        clear()
