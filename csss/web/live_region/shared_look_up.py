"""Look up once for many: when a change makes a hundred open lists ask at once, the first look-up serves them all."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar

from csss.caches import on_clearing
from csss.web.live_region.refresh import is_refresh
from csss.web.live_region.stream import live_version

SECONDS = 1.0  # the longest time that an answer is reused, even without a change
MOST = 64

T = TypeVar("T")
_kept: OrderedDict[Hashable, tuple[str, float, Any]] = OrderedDict()
_lock = threading.Lock()
on_clearing(_kept.clear)


def looked_up_once(key: Hashable, look_up: Callable[[], T]) -> T:
    """The result of `look_up`. A refresh may get the result of another refresh with the same `key`, from the last
    second and with the same number of live changes. Requests in the meantime wait for the first.

    The number was read before the request's first question to the database, so the look-up sees at least that change. A
    change that is committed later has another number, so a request because of it gets a new answer. Without a number
    (no live changes in this process) nothing is kept. For a page, `look_up` always runs: it must show what its reader
    has just sent.
    """
    version = live_version()
    if not version or not is_refresh():
        return look_up()
    with _lock:
        kept = _kept.get(key)
        if kept is not None and kept[0] == version and time.monotonic() - kept[1] < SECONDS:
            found: T = kept[2]
            return found
        at, found = time.monotonic(), look_up()
        _kept.pop(key, None)
        _kept[key] = (version, at, found)
        while len(_kept) > MOST:
            # The cache may be cleared at any moment, and clearing must not wait.
            with suppress(KeyError):
                _kept.popitem(last=False)
        return found
