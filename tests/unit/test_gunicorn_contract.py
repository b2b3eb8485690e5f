"""What `csss.connections` takes for granted of gunicorn. Read gunicorn's `gthread.py` anew when one of these fails."""

import inspect
import re
import socket
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from csss.connections.line import ClientSocket, KeptAnswers
from csss.connections.worker import Connection, WaitingWorker

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_no_other_release_than_the_one_that_was_read_is_installed() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    assert [each for each in wanted if each.startswith("gunicorn")] == ["gunicorn>=27.0,<28"]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("accept", ["listener"]),
        ("finish_request", ["conn", "fs"]),
        ("enqueue_req", ["conn"]),
        ("handle", ["conn"]),
        ("handle_request", ["req", "conn"]),
        ("murder_pending", []),
        ("_keepalive_after", ["conn", "keepalive"]),
    ],
)
def test_the_worker_has_the_methods_that_are_replaced_or_called(method: str, parameters: list[str]) -> None:
    found = list(inspect.signature(getattr(ThreadWorker, method)).parameters)
    assert found == ["self", *parameters]


def test_whatever_is_replaced_is_there_to_be_replaced() -> None:
    """A method that gunicorn calls by another name one day would never be called here."""
    ours = {
        name for name, what in vars(WaitingWorker).items() if callable(what) and not name.startswith("__")
    }
    replaced = {"accept", "finish_request", "murder_pending", "_keepalive_after"}
    assert {name for name in ours if hasattr(ThreadWorker, name)} == replaced


def test_the_loop_of_the_worker_asks_for_what_is_replaced() -> None:
    loop = inspect.getsource(ThreadWorker.run)
    for words in (
        "self.murder_pending()",
        "self.nr_conns < self.worker_connections",
        "while self.nr_conns > 0",
    ):
        assert words in loop
    assert "self.accept" in inspect.getsource(ThreadWorker.set_accept_enabled)
    assert "self.finish_request, conn, fut" in inspect.getsource(ThreadWorker.enqueue_req)


def test_a_thread_begins_with_init_and_reads_by_recv_and_writes_by_sendall_alone() -> None:
    handling = inspect.getsource(ThreadWorker.handle)
    assert re.search(r"if not conn\.initialized and not conn\.data_ready:", handling)
    assert (
        handling.index("conn.sock.setblocking(True)")
        < handling.index("conn.init()")
        < handling.index("next(conn.parser)")
    )
    from gunicorn import util
    from gunicorn.http import unreader

    assert "self.sock.recv(size)" in inspect.getsource(unreader.SocketUnreader.chunk)
    assert "sock.sendall" in inspect.getsource(util.write) and "sock.sendall" in inspect.getsource(
        util.write_chunk
    )
    assert gthread.util is util


def test_a_parser_begins_with_what_has_come_already(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    conn = Connection(
        Config(), ClientSocket(ours, KeptAnswers(most=0, places=1)), ("127.0.0.1", 1), ("127.0.0.1", 2)
    )
    assert isinstance(conn, TConn)
    conn.begin(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n")
    conn.init()
    assert isinstance(conn.parser, RequestParser)
    request = next(conn.parser)
    assert (request.path, request.body.read()) == ("/a", b"abc")
    assert conn.parser.finish_body(deadline=time.monotonic() + 5)
    assert conn.parser.unreader.take_buffered() == b"GET /b HTTP/1.1\r\n"
    theirs.close()
