"""`python -m tests.small_server PORT SETTINGS`: our web worker around a small application, for tests of connections.

SETTINGS is JSON: `threads`, `connections`, `of_one_address`, `grace`, `head` (seconds). `/large` answers with 12 MB, `/echo`
with the length of the body and what cut it off, anything else with "ok".
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.stack import eventually, free_port

LARGE = 12_000_000
_LARGE = bytes(LARGE)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    status, answer = "200 OK", b"ok"
    if environ["PATH_INFO"] == "/large":
        answer = _LARGE
    elif environ["PATH_INFO"] == "/echo":
        length = 0
        try:
            while piece := environ["wsgi.input"].read(1000):
                length += len(piece)
        except OSError as error:
            status, answer = "408 Request Timeout", type(error).__name__.encode()
        else:
            answer = str(length).encode()
    start_response(status, [("Content-Length", str(len(answer)))])
    return [answer]


def main(port: int, settings: dict[str, Any]) -> None:
    from csss.connections import rates

    rates.GRACE = settings.get("grace", rates.GRACE)
    rates.HEAD = settings.get("head", rates.HEAD)

    from gunicorn.app.base import BaseApplication

    from csss.connections.worker import WaitingWorker

    class Worker(WaitingWorker):
        most_of_one = settings.get("of_one_address")

    class Server(BaseApplication):
        def load_config(self) -> None:
            for name, value in {
                "bind": f"127.0.0.1:{port}",
                "threads": settings.get("threads", 4),
                "worker_connections": settings.get("connections", 1000),
                "worker_class": Worker,
                "keepalive": 75,
                "control_socket_disable": True,
            }.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return application

    Server().run()


@contextmanager
def small_server(**settings: object) -> Iterator[int]:
    """Its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.small_server", str(port), json.dumps(settings)],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )

    def listens() -> bool:
        assert process.poll() is None
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
                line.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return line.recv(100).startswith(b"HTTP/1.0 200")
        except OSError:
            return False

    try:
        eventually(listens, 60)
        yield port
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
