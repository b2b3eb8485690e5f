"""Limit how many long bodies one account sends at once: each occupies a thread, and other people send pictures, too."""

import threading
import uuid
from collections import Counter

from flask import Flask, abort, current_app, g, request

from csss.connections.request_head import is_long
from csss.i18n import _

_lock = threading.Lock()
_COUNTS = "csss_long_bodies"


def init_long_bodies(app: Flask) -> None:
    app.extensions[_COUNTS] = Counter[uuid.UUID]()
    app.teardown_request(_leave)


def count_body(user_id: uuid.UUID) -> None:
    """Count the body of this request until the request ends. Answers 429 when there are too many.

    Half of the threads read long bodies (`csss.connections`); one account may have half of those. Two are always
    allowed: after a connection was lost silently, the server still waits for the old body when the new one begins.
    """
    if not is_long(request.method, request.content_length, coded="Transfer-Encoding" in request.headers):
        return
    counts = current_app.extensions[_COUNTS]
    most = max(2, current_app.config["CSSS"].web_threads // 4)
    with _lock:
        if counts[user_id] >= most:
            request.max_content_length = 0  # not a byte of it is read
            abort(
                429,
                _(
                    "You are sending %(count)s pictures already. Wait until one of them has arrived.",
                    count=most,
                ),
            )
        counts[user_id] += 1
    g.counted_body_of = user_id


def _leave(_: BaseException | None) -> None:
    user_id = g.pop("counted_body_of", None)
    if user_id is not None:
        counts = current_app.extensions[_COUNTS]
        with _lock:
            counts[user_id] -= 1
            if not counts[user_id]:
                del counts[user_id]
