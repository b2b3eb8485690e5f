"""A line that breaks or is slow: a TCP proxy between the browser and the web server."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Line:
    """Forwards connections; after each of `cuts` (bytes sent by the browser, all connections together) it breaks.

    `rate`: how many bytes a second it carries for the browser, on each connection.
    """

    def __init__(self, target: tuple[str, int], cuts: list[int], rate: int | None = None) -> None:
        self.cuts, self._rate = sorted(cuts), rate
        self.breaks = 0
        # A line that is there again at once would often go unnoticed: Chromium itself sends the request a second time.
        self.stays_broken = False  # True: after a break nothing comes through until `mend`
        self.is_down = False
        self.sent = 0
        self._target = target
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:  # a server that is busy may refuse one, and take the next
                browser.close()
                continue
            with self._lock:  # what comes while the line breaks must not slip through
                down = self.is_down
                if not down:
                    self._pairs.append((browser, server))
            if down:
                browser.close()
                server.close()
                continue
            for source, sink, counts in ((browser, server, True), (server, browser, False)):
                threading.Thread(target=self._forward, args=(source, sink, counts), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while content := source.recv(self._rate // 8 if self._rate and counts else 16_384):
                if self._rate and counts:
                    time.sleep(len(content) / self._rate)
                if counts and self._over(len(content)):
                    self.cut()
                    return
                sink.sendall(content)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _over(self, more: int) -> bool:
        with self._lock:
            self.sent += more
            if not self.cuts or self.sent < self.cuts[0]:
                return False
            self.cuts.pop(0)
            self.breaks += 1
            self.is_down = self.stays_broken
            return True

    def mend(self) -> None:
        self.is_down = False

    def cut(self) -> None:
        """Every connection ends at once, without a good-bye (RST)."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for side in pair:
                with suppress(OSError):
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    side.shutdown(socket.SHUT_RDWR)
                    side.close()

    def close(self) -> None:
        self._listener.close()
        self.cut()


@contextmanager
def breaking_line(port: int, *cuts: int) -> Iterator[Line]:
    """A line to this port of the own machine."""
    line = Line(("127.0.0.1", port), list(cuts))
    threading.Thread(target=line.serve, daemon=True).start()
    yield line
    line.close()


@contextmanager
def slow_line(port: int, bytes_a_second: int) -> Iterator[Line]:
    """A line to this port of the own machine that carries so much."""
    line = Line(("127.0.0.1", port), [], bytes_a_second)
    threading.Thread(target=line.serve, daemon=True).start()
    yield line
    line.close()
