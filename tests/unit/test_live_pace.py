"""A hundred open pages are told of a change one after the other, each once, and none of them late."""

import socket
import time
import uuid

from csss.live import hub as hubs
from csss.live.hub import Hub
from csss.live.names import QUEUE, Change, Listener
from csss.people.roles import Role

PAGES = 40


def test_open_pages_are_told_one_after_the_other_and_each_once() -> None:
    hub = Hub("redis://127.0.0.1:1/0", set, ceiling=PAGES)
    hub.start()
    ours, theirs = zip(*(socket.socketpair() for _ in range(PAGES)), strict=True)
    try:
        for connection in theirs:
            hub.adopt(connection, Listener(uuid.uuid4(), Role.DOCTOR, None), b"head\n\n")
        for connection in ours:
            connection.settimeout(10)
            _read_until(connection, b"event: offline")
        began = time.monotonic()
        change = Change((QUEUE,), frozenset({Role.DOCTOR}))
        hub.loop.call_soon_threadsafe(hub._tell, change.encode().encode())
        told = []
        for connection in ours:
            assert _read_until(connection, b"data: queue\n\n").count(b"data: queue") == 1
            told.append(time.monotonic() - began)
        assert told == sorted(told)
        # At the pace that is promised or slower (the machine may be busy), never all at one moment. From the change on:
        # when the first one was told, this thread may have been late to see.
        assert told[-1] >= hubs.GATHER_SECONDS + 0.8 * (PAGES - 1) * hubs.PACE_SECONDS
        assert hubs.GATHER_SECONDS + 100 * hubs.PACE_SECONDS < 0.8  # a second is the budget with a hundred
    finally:
        hub.stop()
        for connection in ours:
            connection.close()


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    content = b""
    while end not in content:
        piece = connection.recv(4096)
        assert piece, "the stream has ended"
        content += piece
    return content
