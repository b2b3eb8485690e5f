"""One answer for many: when a change makes a hundred open lists ask at once, the first one's answer serves them all."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from flask import current_app
from markupsafe import Markup

from csss.caches import cached, on_clearing
from csss.i18n import language
from csss.web.live_region.refresh import is_refresh
from csss.web.live_region.rows import RenderedRow, rows_had
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


class Region(Protocol):
    """Everything that a region shows but the markup of its rows: a frozen dataclass. `values` are the template's."""

    def values(self) -> dict[str, Any]: ...
    def __hash__(self) -> int: ...


def region_html(template: str, region: Region, rows: Iterable[RenderedRow]) -> str:
    """The region for a page that has some of its rows already; rendered once for all who have the same rows.

    The template must show nothing of one session, so its buttons belong to a form beside the region, which has the token.
    """
    had = rows_had()
    return _region_html(template, region, tuple(row.unless(had) for row in rows), language())


@cached(64)
def _region_html(template: str, region: Region, rows: tuple[Markup, ...], _language: str) -> str:
    return current_app.jinja_env.get_template(template).render(**region.values(), rows=rows)
