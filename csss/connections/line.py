"""A connection's socket for use in threads: they never wait for a reader, and for a sender only above a minimum
rate."""

import select
import socket
import threading
from collections import deque
from typing import Any

from csss.connections.rates import Pace, TooSlow

_PIECE = 1 << 20


class KeptAnswers:
    """Counts the unsent answer bytes of all connections of a process, and decides who may wait beyond that.

    Above `most` bytes a thread waits for its reader, in one of `places`; if none is free, the connection is closed.
    """

    def __init__(self, *, most: int, places: int) -> None:
        self._most, self._bytes = most, 0
        self._lock = threading.Lock()
        self.places = threading.BoundedSemaphore(places)

    def add(self, number: int) -> bool:
        """Add (or subtract) this many bytes; returns whether the total is within the limit."""
        with self._lock:
            self._bytes += number
            return self._bytes <= self._most


class ClientSocket(socket.socket):
    """The socket of one connection. Where a blocking socket would wait:

    `recv` raises TooSlow when the sender is too slow; `sendall` buffers what the reader does not accept at once,
    for `send_rest`. With a timeout of its own (as for draining) it behaves like an ordinary socket.
    """

    def __init__(self, accepted: socket.socket, kept: KeptAnswers) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self._kept = kept
        self._reading = Pace()
        self._unsent: deque[memoryview] = deque()

    def next_request(self) -> None:
        """Start a new request; each request's body has its own time limit."""
        self._reading = Pace()

    @property
    def has_rest(self) -> bool:
        """Whether part of the answer waits to be sent."""
        return bool(self._unsent)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        if self.gettimeout() is not None:
            return super().recv(size, flags)
        self.settimeout(self._reading.seconds_left())
        try:
            content = super().recv(size, flags)
        except TimeoutError:
            raise TooSlow from None
        finally:
            self.settimeout(None)
        self._reading.moved(len(content))
        return content

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        if self.gettimeout() is not None:
            super().sendall(data, flags)
            return
        self.send_rest()
        rest = memoryview(data) if self._unsent else self._send_now(memoryview(data))
        if rest:
            self._unsent.append(rest)
            if not self._kept.add(len(rest)):
                self._wait_for_reader()

    def send_rest(self) -> int:
        """Send as much of the buffer as the reader accepts now; returns the number of bytes."""
        sent = 0
        while self._unsent:
            first = self._unsent[0]
            rest = self._send_now(first)
            sent += len(first) - len(rest)
            if rest:
                self._unsent[0] = rest
                break
            self._unsent.popleft()
        self._kept.add(-sent)
        return sent

    def close(self) -> None:
        self._forget_rest()
        super().close()

    def _forget_rest(self) -> None:
        self._kept.add(-sum(map(len, self._unsent)))
        self._unsent.clear()

    def _send_now(self, content: memoryview) -> memoryview:
        """Send without waiting; returns what is left of `content`."""
        while content:
            try:
                content = content[super().send(content[:_PIECE], socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                break
        return content

    def _wait_for_reader(self) -> None:
        if not self._kept.places.acquire(blocking=False):
            self._forget_rest()
            raise TooSlow
        try:
            pace, writable = Pace(), select.poll()
            writable.register(self, select.POLLOUT)
            while self._unsent:
                writable.poll(pace.seconds_left() * 1000)
                pace.moved(self.send_rest())
        except TooSlow:
            self._forget_rest()
            raise
        finally:
            self._kept.places.release()
