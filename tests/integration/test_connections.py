"""Connections hold a thread only while there is something to do: our web worker around a small application."""

import socket
import time
from collections.abc import Iterator

import pytest

from tests.small_server import LARGE, small_server
from tests.stack import eventually

THREADS = 4
OK = b"HTTP/1.1 200 OK"
QUICK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
FORM = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with small_server(threads=THREADS, grace=3, head=3) as port:
        yield port


class Client:
    """One connection."""

    def __init__(self, port: int, address: str = "127.0.0.1", *, receives: int = 0) -> None:
        self.socket = socket.socket()
        if receives:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        self.socket.settimeout(20)
        self.socket.bind((address, 0))
        self.socket.connect(("127.0.0.1", port))

    def say(self, *pieces: bytes) -> "Client":
        for piece in pieces:
            self.socket.sendall(piece)
        return self

    def hear(self, until: bytes) -> bytes:
        """All that comes until `until` is in it, or until the other side closes."""
        heard = b""
        while until not in heard:
            try:
                piece = self.socket.recv(65_536)
            except ConnectionResetError:
                break
            if not piece:
                break
            heard += piece
        return heard

    def hear_all(self) -> bytes:
        return self.hear(b"\0never\0")

    def drip_until_cut(self) -> bytes:
        """A byte at a time, until the other side has had enough; what it said."""
        self.socket.settimeout(0.2)
        began = time.monotonic()
        while time.monotonic() - began < 30:
            try:
                self.socket.sendall(b"x")
                if heard := self.socket.recv(65_536):
                    return heard
                return b""
            except TimeoutError:
                continue
            except OSError:
                return b""
        raise AssertionError("it was never cut")


def answers(port: int, address: str = "127.0.0.1") -> float:
    """How many seconds a page takes that somebody asks for now."""
    began = time.monotonic()
    client = Client(port, address)
    assert client.say(QUICK).hear(b"ok").startswith(OK)
    client.socket.close()
    return time.monotonic() - began


HALVES = {
    "nothing": b"",
    "half a request line": b"GET /lo",
    "half a head": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "half a form": FORM % 5000 + b"name=",
    "half a form whose length has zeros in front": FORM.replace(b"%d", b"%030d") % 5000 + b"name=",
    "a form that waits to be asked": FORM.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") % 5000,
    "a whole request and half of the next": QUICK + b"GET / HT",
    "half of a long body": FORM % 5_000_000 + b"x" * 100,
    "half of a body in chunks": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
}


@pytest.mark.parametrize("half", HALVES)
def test_however_many_send_half_a_request_others_are_answered(port: int, half: str) -> None:
    held = [Client(port).say(HALVES[half]) for _ in range(10 * THREADS)]
    assert max(answers(port) for _ in range(3)) < 1
    for each in held:
        each.socket.close()


def test_a_head_that_does_not_come_whole_is_cut_off_and_told_so(port: int) -> None:
    client = Client(port).say(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert client.drip_until_cut().startswith(b"HTTP/1.1 408 ")


CHUNKED = FORM.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked") + b"ffff\r\n"


@pytest.mark.parametrize(
    "head", [FORM % 100_000, FORM % 5_000_000, CHUNKED], ids=["form", "long body", "chunks"]
)
def test_a_body_of_single_bytes_is_cut_off_and_told_so(port: int, head: bytes) -> None:
    assert Client(port).say(head).drip_until_cut().startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("length", [60_000])
def test_a_body_that_comes_as_over_a_line_of_64_kbit_is_taken(length: int) -> None:
    """And takes longer than the time before the average counts."""
    grace = length / 8000 / 3
    with small_server(threads=THREADS, grace=grace) as port:
        client = Client(port).say(FORM % length)
        for at in range(0, length, 4000):
            client.say(bytes(min(4000, length - at)))
            time.sleep(0.5)
        assert client.hear(str(length).encode()).startswith(OK)


def test_a_request_in_single_bytes_is_understood(port: int) -> None:
    whole = FORM % 3 + b"abc"
    client = Client(port)
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in whole:
        client.say(bytes([byte]))
    assert client.hear(b"\r\n\r\n3").startswith(OK)


def test_requests_that_come_together_are_all_answered_in_their_order(port: int) -> None:
    bodies = [b"", b"a", b"bc" * 2000]
    heard = Client(port).say(b"".join(FORM % len(body) + body for body in bodies)).hear(b"\r\n\r\n4000")
    assert [part.partition(b"\r\n\r\n")[2].partition(b"HTTP")[0] for part in heard.split(OK)[1:]] == [
        b"0", b"1", b"4000",
    ]  # fmt: skip


def test_whoever_waits_to_be_asked_for_the_body_is_asked(port: int) -> None:
    for length in (5, 300_000):
        expecting = FORM.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") % length
        client = Client(port).say(expecting)
        assert client.hear(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        assert OK in client.say(bytes(length)).hear(b"\r\n\r\n%d" % length)


def test_the_old_protocol_is_answered_and_closed(port: int) -> None:
    assert Client(port).say(b"GET / HTTP/1.0\r\n\r\n").hear_all().endswith(b"\r\n\r\nok")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"431"),
        (b"GET / HTTP/1.1\nHost: x\n\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
    ],
    ids=["too large a head", "line feeds alone", "no request", "two lengths", "length and chunks"],
)
def test_what_is_no_request_is_refused_at_once(port: int, request_: bytes, status: bytes) -> None:
    began = time.monotonic()
    heard = Client(port).say(request_).hear_all()
    assert heard.startswith(b"HTTP/1.1 " + status + b" ")
    assert time.monotonic() - began < 3


def test_whoever_never_closes_after_an_error_keeps_nobody_waiting(port: int) -> None:
    """gunicorn's own loop would wait two seconds for each."""
    held = [Client(port).say(b"nonsense\r\n\r\n") for _ in range(40)]
    assert max(answers(port) for _ in range(3)) < 1
    assert all(b" 400 " in each.hear(b"\r\n\r\n") for each in held)


def test_whoever_does_not_read_the_answer_holds_no_thread(port: int) -> None:
    deaf = [
        Client(port, receives=4096).say(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(10 * THREADS)
    ]
    assert max(answers(port) for _ in range(3)) < 2
    for each in deaf[1:]:
        each.socket.close()
    time.sleep(5)  # the least rate has cut it off by now
    assert len(deaf[0].hear_all()) < LARGE


def test_a_reader_that_pauses_gets_the_whole_answer(port: int) -> None:
    client = Client(port, receives=4096).say(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(1)
    heard = client.hear(b"\r\n\r\n")
    left = LARGE - len(heard.partition(b"\r\n\r\n")[2])
    while left:
        left -= len(client.socket.recv(1 << 20))
    assert client.say(QUICK).hear(b"ok").startswith(OK), "the connection is good for more"


def test_idle_connections_are_kept_and_serve_again(port: int) -> None:
    clients = [Client(port) for _ in range(10 * THREADS)]
    for _ in range(2):
        for each in clients:
            assert each.say(QUICK).hear(b"ok").startswith(OK)


def test_one_address_has_so_many_connections_and_the_newest_is_always_served() -> None:
    with small_server(of_one_address=20) as port:
        held = [Client(port, "127.0.0.2").say(b"GET /") for _ in range(20)]
        other = Client(port, "127.0.0.3").say(b"GET / HTTP/1.1\r\n")
        for _ in range(10):
            answers(port, "127.0.0.2")
        assert sum(_is_closed(each) for each in held) >= 1
        assert other.say(b"Host: x\r\n\r\n").hear(b"ok").startswith(OK), "another address loses nothing"


def test_at_the_limit_for_all_the_newest_takes_the_place_of_who_has_waited_longest() -> None:
    with small_server(connections=30) as port:
        held = [Client(port, f"127.0.0.{2 + number}").say(b"GET /") for number in range(60)]
        assert max(answers(port) for _ in range(3)) < 1
        eventually(lambda: _is_closed(held[0]), 10)
        assert not _is_closed(held[-1])


def _is_closed(client: Client) -> bool:
    client.socket.settimeout(0.05)
    try:
        return client.socket.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_half_of_the_threads_read_long_bodies_and_the_others_wait_their_turn() -> None:
    with small_server(threads=4, grace=60) as port:
        slow = [Client(port).say(FORM % 300_000) for _ in range(6)]
        assert max(answers(port) for _ in range(3)) < 1
        for each in slow:
            each.say(bytes(300_000))
        for each in slow:
            assert each.hear(b"300000").startswith(OK)
