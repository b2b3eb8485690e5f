"""Live changes for tests and measurements: the web server with its Redis, and listening to `/events` as a browser does."""

import contextlib
import http.client
import shutil
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from csss.auth import sessions
from csss.database import transaction
from csss.people.models import User
from tests.stack import Stack, eventually


@contextmanager
def streaming(folder: Path, migrated: Path, **more: object) -> Iterator[Stack]:
    """`csss web` and Redis on a copy of a migrated database, without workers."""
    shutil.copy(migrated, folder / "csss.db")
    stack = Stack(folder, **more)
    stack.mailbox.start()
    try:
        stack.start_redis()
        stack._spawn("web", [sys.executable, "-m", "csss", "web"])
        eventually(lambda: _answers(stack), 180)
        yield stack
    except BaseException:
        print(stack.logs()[-6000:])
        raise
    finally:
        stack.stop()


def _answers(stack: Stack) -> bool:
    try:
        with urllib.request.urlopen(f"{stack.url}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def cookie_for(stack: Stack, user: User) -> str:
    """A signed-in session of this person, as the header that a browser sends."""
    with transaction():
        _, key = sessions.begin(user, address="", device="a test", complete=True)
    serializer = stack.app.session_interface.get_signing_serializer(stack.app)  # type: ignore[attr-defined]
    signed = serializer.dumps({"_user_id": key, "_fresh": True})
    return f"{stack.app.config['SESSION_COOKIE_NAME']}={signed}"


class Ear:
    """One open stream. `heard` holds (seconds on the monotonic clock, event, data), oldest first."""

    def __init__(self, url: str, cookie: str) -> None:
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        self._connection.request("GET", "/events", headers={"Cookie": cookie, "Accept": "text/event-stream"})
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = self._answer.headers
        self.heard: list[tuple[float, str, str]] = []
        self.bytes = 0
        self.over = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        if self.status == 200:
            self._thread.start()
        else:
            self.over.set()

    def _listen(self) -> None:
        event, data = "message", ""
        try:
            for line in self._answer:
                self.bytes += len(line)
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    data = value
                elif not name and (data or event != "message"):
                    with self._news:
                        self.heard.append((time.monotonic(), event, data))
                        self._news.notify_all()
                    event, data = "message", ""
        except (OSError, ValueError, AttributeError):
            pass  # closed by us
        finally:
            self.over.set()
            with self._news:
                self._news.notify_all()

    def wait(self, event: str, has: str = "", seconds: float = 15.0) -> float:
        """When such an event came, at the earliest; waits for it. Fails after `seconds`."""

        def found() -> float | None:
            return next((at for at, name, data in self.heard if name == event and has in data), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or self.over.is_set(), seconds)
        at = found()
        assert at is not None, f"no {event!r} with {has!r} came: {self.heard}"
        return at

    def hears_more_than(self, number: int) -> bool:
        """Wait for the next event after the first `number`; False when the stream is over instead."""
        with self._news:
            self._news.wait_for(lambda: len(self.heard) > number or self.over.is_set())
            return len(self.heard) > number

    @property
    def told(self) -> list[str]:
        """The names that have come, in their order."""
        return [name for _, event, data in self.heard if event == "message" for name in data.split()]

    def forget(self) -> None:
        self.heard.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # else the reading thread would be waited for
        self._answer.close()
        self._connection.close()
