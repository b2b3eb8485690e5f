"""Extend gunicorn's threaded worker with an event loop that does all the waiting for slow connections.

It replaces what gunicorn 27 does between accepting a connection and giving it to a thread, and after the thread;
what a thread does with a request is gunicorn's own code. tests/unit/test_gunicorn_contract.py lists the parts of
gunicorn on which this depends.
"""

import errno
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from csss.connections.line import ClientSocket, KeptAnswers
from csss.connections.rates import HEAD, Pace
from csss.connections.request_head import MOST_HEAD, RequestHead, find_head
from csss.networks import network_of

_READ = 65_536
_GOODBYE = 2.0  # seconds for the client to read the answer and close, too (RFC 9112, 9.6)
_GOODBYE_BYTES = 4_000_000  # limit for what it still sends meanwhile
_STOPPING = 2.0  # seconds that a stopping worker gives to requests in progress
_TURN = 60.0  # seconds that a long body waits for a free thread
_KEPT_ANSWERS = 128_000_000
_NO_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_SENTENCES = {
    408: ("Request Timeout", "The request came too slowly. Try again."),
    431: ("Request Header Fields Too Large", "The head of the request is too large."),
    503: ("Service Unavailable", "Many pictures are being sent just now. Try again in a minute."),
}


class Connection(TConn):
    """A connection, and what has arrived of its next request."""

    sock: ClientSocket
    body: Pace  # of a request that is arriving
    answer: Pace  # of a request that is being answered

    def __init__(self, cfg: Any, line: ClientSocket, client: Any, server: Any) -> None:
        super().__init__(cfg, line, client, server)
        self.data_ready = True  # a thread never waits for the request itself
        self.network = network_of(client[0]) if isinstance(client, tuple) else "local"
        self.has_place = False  # among the long bodies
        self.given_away = False  # other code closes it
        self.begin(b"")

    def begin(self, content: bytes) -> None:
        """Wait for a request; `content` is the part that arrived together with the previous one."""
        self.content = bytearray(content)
        self.head: RequestHead | None = None
        self.began = time.monotonic()
        self.keeps, self.drained = False, 0

    def init(self) -> None:
        """Called by the thread before it reads the request: its parser starts with what has arrived."""
        super().init()
        self.sock.next_request()
        self.parser.unreader.unread(self.content)
        self.content = bytearray()


@dataclass
class _Wait:
    """What a connection outside the threads waits for, and its deadline (on the monotonic clock)."""

    on_ready: Callable[[Connection], None]
    deadline: float
    on_late: Callable[[Connection], None]


class WaitingWorker(ThreadWorker):
    """All methods but `_keepalive_after` run in the event loop, and none of them blocks.

    `most_of_one` is the maximum number of open connections per network address; None: unlimited. At that limit, and
    at the total limit, the longest waiting connection is closed in favour of the newest.
    """

    most_of_one: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: dict[Connection, _Wait] = {}  # in the order of beginning to wait
        self._of_network: dict[str, int] = {}
        # Half of the threads may read long bodies, a quarter may wait for readers; the rest is for pages.
        self._places = max(1, self.cfg.threads // 2)
        self._queue: dict[Connection, None] = {}  # long bodies, in order of arrival
        self._kept = KeptAnswers(most=_KEPT_ANSWERS, places=max(1, self.cfg.threads // 4))
        self._looked_at = time.monotonic()
        self._stops_at = float("inf")

    # A connection is opened and closed.

    def accept(self, listener: socket.socket) -> None:
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in _NO_FILES:
                self._close_longest_waiting()
                time.sleep(0.01)  # if none was closed: the listener stays ready, so avoid a busy loop
            elif error.errno not in {errno.EAGAIN, errno.ECONNABORTED}:
                raise
            return
        conn = Connection(self.cfg, ClientSocket(accepted, self._kept), client, listener.getsockname())
        self.nr_conns += 1
        self._of_network[conn.network] = self._of_network.get(conn.network, 0) + 1
        if self.most_of_one is not None and self._of_network[conn.network] > self.most_of_one:
            if not self._close_longest_waiting(conn.network):
                self._drop(conn)
                return
        elif self.nr_conns >= self.worker_connections:
            self._close_longest_waiting()
        self._await_request(conn)
        self._read(conn)

    def _close_longest_waiting(self, network: str | None = None) -> bool:
        """Close the longest waiting one of this network, or of all; returns whether there was one."""
        for conn in self._waiting:
            if network in {None, conn.network}:
                self._drop(conn)
                return True
        return False

    def _drop(self, conn: Connection) -> None:
        self._stop_waiting(conn)
        if conn.sock.fileno() >= 0:
            self._forget(conn)
            conn.close()

    def _forget(self, conn: Connection) -> None:
        self.nr_conns -= 1
        self._of_network[conn.network] -= 1
        if not self._of_network[conn.network]:
            del self._of_network[conn.network]

    # A request arrives.

    def _await_request(self, conn: Connection) -> None:
        self._wait(
            conn, selectors.EVENT_READ, self._read, conn.began + self.cfg.keepalive, self._request_is_late
        )

    def _read(self, conn: Connection) -> None:
        piece = _received(conn)
        if piece is None:
            return
        if not piece:
            self._drop(conn)
            return
        if not conn.content:
            conn.began = time.monotonic()
        looked_at = len(conn.content)
        conn.content += piece
        self._go_on(conn, looked_at)

    def _go_on(self, conn: Connection, looked_at: int = 0) -> None:
        """Give it to a thread if enough of the request has arrived; otherwise wait for more."""
        wait = self._waiting[conn]
        if conn.head is None:
            conn.head = find_head(conn.content, looked_at)
            if conn.head is None:
                wait.deadline = conn.began + HEAD
                if len(conn.content) > MOST_HEAD:
                    self._refuse(conn, 431)
                return
            conn.body = Pace()
            if conn.head.expects_answer and len(conn.content) < (conn.head.whole or 0):
                with suppress(OSError):
                    conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if conn.head.whole is None:
            self._take_turn(conn)
        elif len(conn.content) >= conn.head.whole:
            self._enter(conn)
        else:
            conn.body.moved(len(conn.content) - looked_at)
            wait.deadline = conn.body.deadline()

    def _request_is_late(self, conn: Connection) -> None:
        if conn.content:
            self._refuse(conn, 408)
        else:
            self._drop(conn)

    def _take_turn(self, conn: Connection) -> None:
        if self._places:
            self._places -= 1
            conn.has_place = True
            self._enter(conn)
        else:
            late = time.monotonic() + _TURN
            self._wait(conn, 0, self._drop, late, lambda conn: self._refuse(conn, 503))
            self._queue[conn] = None

    def _leave_place(self, conn: Connection) -> None:
        conn.has_place = False
        self._places += 1
        if self._queue:
            self._take_turn(next(iter(self._queue)))

    def _enter(self, conn: Connection) -> None:
        self._stop_waiting(conn)
        self.enqueue_req(conn)

    # A thread has finished a request.

    def finish_request(self, conn: Connection, done: Any) -> None:
        if conn.has_place:
            self._leave_place(conn)
        if conn.given_away:
            self._forget(conn)
            return
        try:
            conn.keeps = bool(not done.cancelled() and done.result())
            conn.sock.send_rest()
            if conn.sock.has_rest:
                conn.answer = Pace()
                self._wait(conn, selectors.EVENT_WRITE, self._send_rest, conn.answer.deadline(), self._drop)
            else:
                self._answered(conn)
        except OSError:
            self._drop(conn)
        except Exception:
            self.log.exception("A connection could not be closed properly.")
            self._drop(conn)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """Runs in a thread. Does not wait for the rest of a long body that the application did not read."""
        if conn.head is None or conn.head.whole is not None:
            return bool(super()._keepalive_after(conn, keepalive))
        return bool(keepalive and conn.parser.finish_body(deadline=time.monotonic() + 0.05))

    def _send_rest(self, conn: Connection) -> None:
        try:
            conn.answer.moved(conn.sock.send_rest())
        except OSError:
            self._drop(conn)
            return
        if conn.sock.has_rest:
            self._waiting[conn].deadline = conn.answer.deadline()
        else:
            self._answered(conn)

    def _answered(self, conn: Connection) -> None:
        if not conn.keeps:
            self._say_goodbye(conn)
            return
        conn.sock.setblocking(False)
        conn.begin(conn.parser.unreader.take_buffered())
        self._await_request(conn)
        if conn.content:  # it arrived with the previous request
            self._go_on(conn)

    def _refuse(self, conn: Connection, status: int) -> None:
        reason, sentence = _SENTENCES[status]
        head = (
            f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
        )
        with suppress(OSError):
            conn.sock.send(f"{head}Content-Length: {len(sentence) + 1}\r\n\r\n{sentence}\n".encode())
        self._say_goodbye(conn)

    def _say_goodbye(self, conn: Connection) -> None:
        """Close so that the client can read the answer, whatever it may still be sending (lingering close)."""
        conn.sock.setblocking(False)
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
            return
        late = time.monotonic() + _GOODBYE
        self._wait(conn, selectors.EVENT_READ, self._pour_away, late, self._drop)
        self._pour_away(conn)

    def _pour_away(self, conn: Connection) -> None:
        piece = _received(conn)
        if piece is not None:
            conn.drained += len(piece)
            if not piece or conn.drained > _GOODBYE_BYTES:
                self._drop(conn)

    # Waiting.

    def _wait(
        self,
        conn: Connection,
        events: int,
        on_ready: Callable[[Connection], None],
        deadline: float,
        on_late: Callable[[Connection], None],
    ) -> None:
        self._stop_waiting(conn)
        wait = self._waiting[conn] = _Wait(on_ready, deadline, on_late)
        if events:
            self.poller.register(conn.sock, events, lambda _: self._ready(conn, wait))

    def _ready(self, conn: Connection, wait: _Wait) -> None:
        if self._waiting.get(conn) is wait:  # not closed meanwhile in favour of another one
            wait.on_ready(conn)

    def _stop_waiting(self, conn: Connection) -> None:
        self._queue.pop(conn, None)
        if self._waiting.pop(conn, None) is not None:
            with suppress(KeyError, ValueError, OSError):
                self.poller.unregister(conn.sock)

    def murder_pending(self) -> None:
        """Called by gunicorn at least once a second: close connections whose deadline has passed."""
        at = time.monotonic()
        if at - self._looked_at < 0.5:
            return
        self._looked_at = at
        if not self.alive:
            self._stops_at = min(self._stops_at, at + _STOPPING)
        for conn, wait in list(self._waiting.items()):
            if conn not in self._waiting:
                continue
            if at >= wait.deadline:
                wait.on_late(conn)
            elif at >= self._stops_at and wait.on_ready == self._read:
                self._drop(conn)


def _received(conn: Connection) -> bytes | None:
    """What has arrived; None for nothing yet, empty when the client has closed."""
    try:
        return conn.sock.recv(_READ)
    except BlockingIOError:
        return None
    except OSError:
        return b""
