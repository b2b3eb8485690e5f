"""Serve the open streams of one web process: one thread, one Redis subscription, any number of sockets.

A normal request opens a stream, so the normal guard decides who may. Then its socket is taken from gunicorn
(`csss.server`) and belongs to the event loop here. It needs neither a thread nor a database connection.
"""

import asyncio
import logging
import random
import secrets
import socket
import threading
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from csss.caches import clear_all
from csss.live.names import CHANNEL, ERASED, Change, Listener

log = logging.getLogger(__name__)

PER_SESSION = 6  # with more windows, the oldest falls back to the slow refresh
COMMENT_SECONDS = 20.0
LIFE_SECONDS = (900.0, 1200.0)
RETRY_MS = (1000, 5000)  # how long a browser waits before it opens the next one
GATHER_SECONDS = 0.05  # collects related changes into one message
# Streams are notified one after the other, this far apart, and all of them within this time. Each notified page
# sends a request, and a thundering herd would slow down everybody else.
PACE_SECONDS, SPREAD_SECONDS = 0.007, 0.7
CHECK_SECONDS = 2.0  # how soon a stream ends after its session
REDIS_SECONDS = (0.5, 5.0)  # between attempts to reach Redis
CLEAR_AGAIN_SECONDS = 60.0  # a request that read before the erasing may have filled a cache after it
BACKLOG_BYTES = 64_000  # a client that is further behind is disconnected

# Given the sessions that have streams, returns those that are still active. May query the database.
Alive = Callable[[frozenset[uuid.UUID]], set[uuid.UUID]]


class Stream(asyncio.Protocol):
    """One open stream. All methods run in the hub's thread."""

    def __init__(self, hub: "Hub", listener: Listener, head: bytes) -> None:
        self.hub, self.listener = hub, listener
        self._head = head
        now = hub.loop.time()
        self.ends_at = now + random.uniform(*LIFE_SECONDS)  # noqa: S311 - a spread, no secret  # nosec B311
        self.quiet_since = now
        self._transport: asyncio.Transport | None = None
        self._names: dict[str, None] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # nosec B101  # for the type checker
        self._transport = transport
        transport.write(self._head + f"retry: {random.randint(*RETRY_MS)}\n".encode())  # noqa: S311  # nosec B311
        self.say_how_it_is()
        self.hub.opened(self)

    def data_received(self, data: bytes) -> None:
        """A browser sends nothing on a stream; drop whatever arrives."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.hub.closed(self)

    def say_how_it_is(self) -> None:
        """Send `ready` with the number of the last change, so that a page knows whether it has missed one."""
        self.send("ready" if self.hub.online else "offline", self.hub.version)

    def add(self, names: tuple[str, ...]) -> None:
        self._names.update(dict.fromkeys(names))

    def flush(self) -> None:
        if self._names:
            self._write(f"id: {self.hub.version}\ndata: {' '.join(self._names)}\n\n".encode())
            self._names.clear()

    def send(self, event: str, data: str = "") -> None:
        self._write(f"event: {event}\ndata: {data}\n\n".encode())

    def comment(self) -> None:
        self._write(b":\n\n")

    def end(self, event: str = "") -> None:
        if event:
            self.send(event)
        if self._transport is not None:
            self._transport.close()

    def _write(self, content: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > BACKLOG_BYTES:
            self._transport.abort()
            return
        self._transport.write(content)
        self.quiet_since = self.hub.loop.time()


class Hub:
    """Start it in the serving process (`csss.server`); requests hand over their sockets with `adopt`."""

    def __init__(self, redis_url: str, alive: Alive, *, ceiling: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.online = False
        self._redis_url, self._alive, self._ceiling = redis_url, alive, ceiling
        self._streams: dict[Stream, None] = {}  # in the order of opening
        self._token, self._count = secrets.token_hex(3), 0
        self._untold: dict[Stream, None] = {}  # streams with pending names, the longest waiting first
        self._news = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def version(self) -> str:
        """Changes with every change that this process receives, and whenever it may have missed one."""
        return f"{self._token}.{self._count}"

    @property
    def has_room(self) -> bool:
        """Whether another stream fits under the limit. Concurrent requests may exceed it slightly."""
        return len(self._streams) < self._ceiling

    def __len__(self) -> int:
        return len(self._streams)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)

    def adopt(self, connection: socket.socket, listener: Listener, head: bytes) -> None:
        """Take over a connection whose request has been read and not answered; the answer begins with `head`.

        Thread-safe.
        """
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if connection.family in {socket.AF_INET, socket.AF_INET6}:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(
                socket, "TCP_USER_TIMEOUT"
            ):  # a laptop whose lid was closed never closes the connection
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000)
        self.loop.call_soon_threadsafe(self._adopt, connection, listener, head)

    # Everything below runs in the hub's own thread.

    def opened(self, stream: Stream) -> None:
        self._streams[stream] = None
        mine = [each for each in self._streams if each.listener.session_id == stream.listener.session_id]
        for old in mine[:-PER_SESSION]:
            old.end("elsewhere")

    def closed(self, stream: Stream) -> None:
        self._streams.pop(stream, None)
        self._untold.pop(stream, None)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        for work in (self._hear(), self._pass_on(), self._look_after(), self._check_sessions()):
            self._spawn(work)
        try:
            self.loop.run_forever()
        finally:
            for stream in list(self._streams):
                stream.end()
            for task in self._tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
            self.loop.close()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _adopt(self, connection: socket.socket, listener: Listener, head: bytes) -> None:
        self._spawn(self._connect(connection, listener, head))

    async def _connect(self, connection: socket.socket, listener: Listener, head: bytes) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: Stream(self, listener, head), connection)
        except OSError as error:
            log.info("a stream was closed before it began: %s", error)
            connection.close()

    async def _hear(self) -> None:
        """Keep one subscription for ever; while Redis does not answer, every stream says so."""
        pause = REDIS_SECONDS[0]
        while True:
            # The client must not reconnect silently: nobody would know what was missed meanwhile.
            connection = redis.asyncio.Redis.from_url(
                self._redis_url,
                socket_timeout=5.0,
                socket_connect_timeout=2.0,
                health_check_interval=10,
                retry=Retry(NoBackoff(), 0),
            )
            try:
                async with connection.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(CHANNEL)
                    await subscription.ping()
                    self._set_online(True)
                    pause = REDIS_SECONDS[0]
                    while True:
                        message = await subscription.get_message(timeout=5.0)
                        if message is not None and message["type"] == "message":
                            self._tell(message["data"])
            except (redis.RedisError, OSError) as error:
                if self.online:
                    log.warning("live changes are interrupted: %s", error)
                self._set_online(False)
            finally:
                await connection.aclose()
            await asyncio.sleep(pause)
            pause = min(2 * pause, REDIS_SECONDS[1])

    def _set_online(self, online: bool) -> None:
        if online is self.online:
            return
        self.online = online
        self._token = secrets.token_hex(3)  # unknown changes were missed, so every page refreshes once
        clear_all()
        for stream in list(self._streams):
            stream.say_how_it_is()

    def _tell(self, content: bytes) -> None:
        try:
            change = Change.decode(content)
        except (ValueError, KeyError, TypeError):
            log.warning("received an invalid change on %s", CHANNEL)
            return
        self._count += 1
        if ERASED in change.names:
            clear_all()
            self.loop.call_later(CLEAR_AGAIN_SECONDS, clear_all)
        for stream in self._streams:
            if names := stream.listener.may_know(change):
                stream.add(names)
                self._untold[stream] = None
        if self._untold:
            self._news.set()

    async def _pass_on(self) -> None:
        """Notify each stream of its pending names, never many at once. No stream waits longer than one round."""
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_SECONDS)
            turn = self.loop.time()
            while self._untold:
                stream = next(iter(self._untold))
                del self._untold[stream]
                stream.flush()
                # Schedule by the clock: a busy process wakes this thread late, and the delays must not add up.
                turn += min(PACE_SECONDS, SPREAD_SECONDS / max(1, len(self._streams)))
                if (wait := turn - self.loop.time()) > 0:
                    await asyncio.sleep(wait)
            self._news.clear()

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = self.loop.time()
            for stream in list(self._streams):
                if now >= stream.ends_at:
                    stream.end()
                elif now - stream.quiet_since >= COMMENT_SECONDS:
                    stream.comment()

    async def _check_sessions(self) -> None:
        """Check all streams of the process in one short query, every few seconds."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            asked = frozenset(stream.listener.session_id for stream in self._streams)
            if not asked:
                continue
            try:
                alive = await self.loop.run_in_executor(None, self._alive, asked)
            except Exception:
                # While the database does not answer, no page can be fetched either; the next check decides.
                log.exception("sessions could not be checked")
                continue
            for stream in list(self._streams):
                if stream.listener.session_id in asked - alive:
                    stream.end("end")
