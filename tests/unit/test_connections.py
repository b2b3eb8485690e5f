"""How much of a request has come, and how a connection's socket never makes a thread wait."""

import gc
import selectors
import socket
import weakref
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from csss.connections import rates
from csss.connections.line import ClientSocket, KeptAnswers
from csss.connections.rates import Pace, TooSlow
from csss.connections.request_head import MOST_GATHERED, RequestHead, find_head
from csss.connections.worker import Connection, WaitingWorker

MUCH = 8_000_000


@pytest.fixture
def theirs_and_kept() -> Iterator[tuple[ClientSocket, socket.socket, KeptAnswers]]:
    ours, theirs = socket.socketpair()
    kept = KeptAnswers(most=2 * MUCH, places=1)
    line = ClientSocket(ours, kept)
    line.setblocking(True)
    theirs.settimeout(20)
    yield line, theirs, kept
    line.close()
    theirs.close()


@pytest.mark.parametrize(
    ("content", "head"),
    [
        (b"", None),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r", None),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nmore", RequestHead(27)),
        (b"POST / HTTP/1.1\r\ncontent-LENGTH:  12 \r\n\r\n", RequestHead(41 + 12)),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n", RequestHead(62, True)),
        (b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n", RequestHead(62, True)),
        (b"POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n", RequestHead(62)),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: a cup of tea\r\n\r\n", RequestHead(62)),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"0" * 30 + b"12\r\n\r\n", RequestHead(69 + 12)),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n", RequestHead(None)),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"0" * 5000 + b"1\r\n\r\n", RequestHead(5038)),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MOST_GATHERED + 1), RequestHead(None)),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", RequestHead(None)),
        (b"PATCH /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n", RequestHead(None)),
        (b"\r\nPATCH /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n", RequestHead(None)),
        (b"GET / HTTP/1.1\nHost: x\n", RequestHead(23)),
    ],
)  # fmt: skip
def test_a_request_is_whole_when_head_and_a_short_body_have_come(
    content: bytes, head: RequestHead | None
) -> None:
    assert find_head(bytearray(content)) == head


def test_a_head_is_found_wherever_its_pieces_meet() -> None:
    whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for cut in range(1, len(whole)):
        assert find_head(bytearray(whole[:cut])) is None
        assert find_head(bytearray(whole), cut) == RequestHead(len(whole))


def test_a_line_of_64_kbit_is_never_too_slow_and_one_of_single_bytes_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = 1000.0
    monkeypatch.setattr(rates.time, "monotonic", lambda: at)
    pace = Pace()
    for _ in range(3600):
        at += 1
        pace.moved(8000)
        assert pace.seconds_left() == rates.GRACE
    dripping = Pace()
    for _ in range(int(rates.GRACE)):
        assert dripping.seconds_left() > 0
        at += 1
        dripping.moved(1)
    at += 1
    with pytest.raises(TooSlow):
        dripping.seconds_left()


def test_a_thread_that_answers_never_waits_for_the_reader(
    theirs_and_kept: tuple[ClientSocket, socket.socket, KeptAnswers],
) -> None:
    line, theirs, kept = theirs_and_kept
    line.sendall(b"a" * MUCH)
    assert line.has_rest
    line.sendall(b"end")
    heard = bytearray()
    while line.has_rest:
        heard += theirs.recv(1 << 20)
        line.send_rest()
    while len(heard) < MUCH + 3:
        heard += theirs.recv(1 << 20)
    assert heard == b"a" * MUCH + b"end"
    assert kept.add(2 * MUCH), "nothing counts as kept any more"


def test_a_reader_that_takes_nothing_is_cut(
    theirs_and_kept: tuple[ClientSocket, socket.socket, KeptAnswers], monkeypatch: pytest.MonkeyPatch
) -> None:
    line, _, kept = theirs_and_kept
    monkeypatch.setattr(rates, "GRACE", 0.2)
    kept.add(2 * MUCH)
    with pytest.raises(TooSlow):
        line.sendall(b"a" * MUCH)
    assert not line.has_rest
    kept.places.acquire()
    with pytest.raises(TooSlow):
        line.sendall(b"a" * MUCH)


def test_a_sender_that_says_nothing_is_too_slow(
    theirs_and_kept: tuple[ClientSocket, socket.socket, KeptAnswers], monkeypatch: pytest.MonkeyPatch
) -> None:
    line, theirs, _ = theirs_and_kept
    monkeypatch.setattr(rates, "GRACE", 0.2)
    line.next_request()
    theirs.sendall(b"ab")
    assert line.recv(10) == b"ab"
    with pytest.raises(TooSlow):
        line.recv(10)


def test_nothing_is_kept_of_whoever_waited_for_a_turn_and_has_gone() -> None:
    ours, theirs = socket.socketpair()
    config = Config()
    worker = WaitingWorker(1, 0, [], None, 30, config, SimpleNamespace())
    worker.poller, worker._places = selectors.DefaultSelector(), 0
    line = ClientSocket(ours, KeptAnswers(most=MUCH, places=1))
    conn = Connection(config, line, ("127.0.0.2", 1), ("127.0.0.1", 2))
    worker.nr_conns, worker._of_network[conn.network] = 1, 1
    worker._take_turn(conn)
    worker._drop(conn)
    gone = weakref.ref(conn)
    del conn
    gc.collect()
    assert gone() is None
    worker.poller.close()
    theirs.close()
