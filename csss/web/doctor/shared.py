"""One answer for many: when a change makes a hundred open lists ask at once, the first one's look-up serves them all."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar

from csss.remembered import on_forgetting

SECONDS = 1.0  # the longest that an answer is given again, whatever has been heard of meanwhile
MOST = 64

T = TypeVar("T")
_kept: OrderedDict[Hashable, tuple[str, float, Any]] = OrderedDict()
_lock = threading.Lock()
on_forgetting(_kept.clear)


def looked_up_once(key: Hashable, version: str, look_up: Callable[[], T]) -> T:
    """What `look_up` gives, or gave within the last second at this very `version` of the live changes.

    `version` was read before the request's first question to the database, so the look-up sees at least that change. One
    that is committed after the look-up has another version, so who asks because of it gets a fresh answer.
    Without a version (no live changes in this process) nothing is kept. Others who ask meanwhile wait for the first.
    """
    if not version:
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
            # All of it may be forgotten at any moment, and that must wait for nobody.
            with suppress(KeyError):
                _kept.popitem(last=False)
        return found
