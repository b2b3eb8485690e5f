"""One look-up for many: when a change makes a hundred open lists ask at once, the first one's serves them all."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar

from csss.caches import on_clearing
from csss.web.live_region.refresh import is_refresh
from csss.web.live_region.stream import live_version

SECONDS = 1.0  # the longest that an answer is given again, whatever has been heard of meanwhile
MOST = 64

T = TypeVar("T")
_kept: OrderedDict[Hashable, tuple[str, float, Any]] = OrderedDict()
_lock = threading.Lock()
on_clearing(_kept.clear)


def looked_up_once(key: Hashable, look_up: Callable[[], T]) -> T:
    """What `look_up` returns. For a refresh also what it returned to another refresh with the same `key`, within the last
    second and at the same number of the live changes. Others who ask meanwhile wait for the first.

    The number was read before the request's first question to the database, so the look-up sees at least that change. A
    change that is committed later has another number, so who asks because of it gets a fresh answer. Without a number (no
    live changes in this process) nothing is kept. A page is always looked up: it must show what its reader has just sent.
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
            # All of it may be cleared at any moment, and that must wait for nobody.
            with suppress(KeyError):
                _kept.popitem(last=False)
        return found
