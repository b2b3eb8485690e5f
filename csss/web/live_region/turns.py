"""Answer refreshes one after the other, so that a person who opens a page does not wait for all of them."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from csss.web.live_region.refresh import REFRESH_HEADER

_REFRESH = "HTTP_" + REFRESH_HEADER.upper().replace("-", "_")


class Turns:
    """Let one request run at a time. Those beyond `most` run immediately, so that waiting requests never occupy all
    threads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._number = 0
        self._counting, self._turn = threading.Lock(), threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        with self._counting:
            self._number += 1
            waits = self._number <= self._most
        try:
            with self._turn if waits else nullcontext():
                yield
        finally:
            with self._counting:
                self._number -= 1


class RefreshesInTurn:
    """WSGI middleware: when a change makes all open lists ask at once, they are answered one after the other, so that a
    person who opens a page shares the interpreter with one of them and not with one in every thread.

    The turn covers only the making of the answer, not reading the request or sending the answer: a slow connection
    would block everybody.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], turns: Turns) -> None:
        self._app, self._turns = app, turns

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        refreshes = environ["REQUEST_METHOD"] == "GET" and _REFRESH in environ
        with self._turns.one() if refreshes else nullcontext():
            return self._app(environ, start_response)
