"""A Redis of the tests' own, on a socket. Skips where there is none, except in CI."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csss.demo.redis import NoRedisError, redis_command
from tests.conftest import IN_CI
from tests.stack import eventually


def command_for(socket: Path) -> list[str]:
    """What starts it."""
    try:
        return redis_command(socket)
    except NoRedisError as error:
        if IN_CI:
            raise
        pytest.skip(f"{error} What needs Redis is not tested.")


def started(socket: Path) -> subprocess.Popen[bytes]:
    """The server, which has made its socket."""
    server = subprocess.Popen(command_for(socket), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(socket.exists)
    return server


@contextmanager
def own_redis() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its address, and the process; a test may kill it."""
    with tempfile.TemporaryDirectory(prefix="csss-redis-") as folder:
        socket = Path(folder) / "redis.sock"
        server = started(socket)
        try:
            yield f"unix://{socket}", server
        finally:
            server.kill()
            server.wait(10)
