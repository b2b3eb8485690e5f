"""A site that hundreds of slow or idle connections are open to answers everybody else, and takes pictures over slow lines.

What the web worker does with connections in general: test_connections.py.
"""

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from csss.people.models import User
from tests.browser.line import slow_line
from tests.chaos.browser import Browser
from tests.ears import cookie_for, streaming
from tests.factories import Clinic
from tests.stack import Stack

THREADS = 4
PIECE = "application/offset+octet-stream"
KBIT_64 = 8_000  # bytes a second

pytestmark = pytest.mark.xdist_group("slow connections")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("slow")
    with streaming(folder, migrated_sqlite, web_threads=THREADS) as stack, stack.app.app_context():
        yield stack


@pytest.fixture(scope="module")
def clinic(stack: Stack) -> Clinic:
    return Clinic(stack.app)


@pytest.fixture(scope="module")
def patient(clinic: Clinic) -> User:
    return clinic.person("patient")


class Flood:
    """Connections from four addresses that begin a request and do not get on; half of them drip."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._open: list[socket.socket] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._drip, daemon=True)
        self._thread.start()

    def add(self, number: int, *beginnings: bytes) -> None:
        for each in range(number):
            line = socket.create_connection(
                ("127.0.0.1", self.port), 20, source_address=(f"127.0.0.{2 + each % 4}", 0)
            )
            line.sendall(beginnings[each % len(beginnings)])
            self._open.append(line)

    def _drip(self) -> None:
        while not self._over.wait(1):
            for line in self._open[::2]:
                with suppress(OSError):
                    line.send(b"x", socket.MSG_DONTWAIT)

    def end(self) -> None:
        self._over.set()
        self._thread.join(10)
        for line in self._open:
            line.close()


@contextmanager
def flood(stack: Stack, number: int, cookie: bytes) -> Iterator[Flood]:
    """Idle, half and dripping connections of every sort."""
    head = b"Host: 127.0.0.1\r\nContent-Length: %d\r\n"
    piece = b"PATCH /patient/uploads/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\n" + head % 1000
    flood = Flood(stack.settings.port)
    try:
        flood.add(
            number,
            b"",
            b"GET /logi",
            b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n",
            b"POST /login HTTP/1.1\r\n" + head % 900 + b"\r\nemail=",
            b"POST /login HTTP/1.1\r\n" + head % 900_000 + b"\r\nemail=",
            b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nab",
            piece + b"\r\nx",
        )
        flood.add(2 * THREADS, piece + b"Cookie: " + cookie + b"\r\n\r\nx")
        yield flood
    finally:
        flood.end()


def seconds_for_a_page(stack: Stack, address: str) -> float:
    began = time.monotonic()
    with socket.create_connection(
        ("127.0.0.1", stack.settings.port), 60, source_address=(address, 0)
    ) as line:
        line.sendall(b"GET /login HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        heard = b""
        while piece := line.recv(65_536):
            heard += piece
    assert heard.startswith(b"HTTP/1.0 200 ") and b"</html>" in heard
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("number", [40, 400])
def test_the_sign_in_page_comes_within_a_second_whatever_else_is_open(
    stack: Stack, patient: User, number: int
) -> None:
    cookie = cookie_for(stack, patient).encode()
    with flood(stack, number, cookie):
        for address in ("127.0.0.1", "127.0.0.2"):  # of the second one a part of the flood comes
            assert statistics.median(seconds_for_a_page(stack, address) for _ in range(5)) < 1


@pytest.mark.slow
def test_a_picture_arrives_over_a_line_of_64_kbit_whatever_else_is_open(
    stack: Stack, clinic: Clinic, patient: User
) -> None:
    cookie, another = cookie_for(stack, patient), cookie_for(stack, clinic.person("patient"))
    content = bytes(300_000)
    with (
        flood(stack, 400, another.encode()),
        slow_line(stack.settings.port, KBIT_64) as line,
    ):
        browser = Browser(line.url, cookie)
        status, begun = browser.raw("POST", "/patient/uploads", None, Upload_Length=str(len(content)))
        assert status == 201
        url, at = begun["location"], 0
        began = time.monotonic()
        while at < len(content):
            piece = content[at : at + 262_144]  # as long as the first one of a browser
            status, answer = browser.raw("PATCH", url, piece, Content_Type=PIECE, Upload_Offset=str(at))
            assert status == 204, f"{status} at {at}"
            at = int(answer["upload-offset"])
        assert time.monotonic() - began > 30, "the line was slow enough for the average to count"


@pytest.mark.slow
def test_a_piece_of_single_bytes_is_cut_off_and_what_came_of_it_is_kept(stack: Stack, patient: User) -> None:
    browser = Browser(stack.url, cookie_for(stack, patient))
    _, begun = browser.raw("POST", "/patient/uploads", None, Upload_Length="5000")
    head = (
        f"PATCH {begun['location']} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {browser.cookie}\r\n"
        f"X-CSRFToken: {browser.token()}\r\nContent-Type: {PIECE}\r\nUpload-Offset: 0\r\nContent-Length: 5000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stack.settings.port), 1) as line:
        line.sendall(head.encode())
        answer, began = b"", time.monotonic()
        while not answer and time.monotonic() - began < 60:
            with suppress(TimeoutError):
                line.sendall(b"x")
                answer = line.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 408 ")
    kept = int(browser.raw("HEAD", begun["location"], None)[1]["upload-offset"])
    assert f"Upload-Offset: {kept}".encode() in answer


def test_nobody_waits_for_a_long_body_of_a_stranger(stack: Stack) -> None:
    for beginning in (
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n\r\nab",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ):
        with socket.create_connection(("127.0.0.1", stack.settings.port), 10) as line:
            line.sendall(beginning)
            assert line.recv(65_536).startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))
