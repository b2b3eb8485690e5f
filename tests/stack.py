"""The real thing, as a deployer runs it: Redis, workers, web server and an SMTP server, each a process of its own
(the SMTP server a thread), on free ports of this machine."""

import asyncio
import datetime
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import IPv4Address
from pathlib import Path

import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask
from flask_migrate import upgrade

from csss import create_app
from csss.config import Settings
from csss.database import db
from csss.demo.redis import redis_command
from csss.demo.run import environment
from csss.outbox import Queue

_reserved: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody else is given until this process ends: it stays bound, so that no connection of another test takes
    it before the server that it is for listens there, which all of ours do with SO_REUSEADDR."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    _reserved.append(probe)
    port: int = probe.getsockname()[1]
    return port


def eventually(what: Callable[[], object], seconds: float = 60.0, pause: float = 0.1) -> object:
    """Wait until `what` is true and return its value; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not happen within {seconds:.0f} s")
        time.sleep(pause)


def make_certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail of the tests")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "mail.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Mailbox:
    """An SMTP server with STARTTLS that keeps what it accepts. `mood` says how it answers meanwhile:

    "ok" · "4xx" and "5xx" (refuses each recipient for now, or for ever) · "hang" (says nothing more once it has heard for
    whom the message is) · "drop" (accepts the message, and breaks the line before it says so).
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.certificate = make_certificate(folder)
        self.received: list[tuple[float, EmailMessage]] = []
        self.mood = "ok"
        self._controller: Controller | None = None

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        while self.mood == "hang":
            await asyncio.sleep(0.05)
        if self.mood in {"4xx", "5xx"}:
            return "451 try again later" if self.mood == "4xx" else "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        self.received.append((time.monotonic(), message_from_bytes(content, policy=default)))  # type: ignore[arg-type]
        if self.mood == "drop" and server.transport is not None:
            server.transport.abort()
        return "250 OK"

    def start(self) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate)
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, tls_context=context, require_starttls=True
        )
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def copies(self) -> dict[str, list[EmailMessage]]:
        """Everything that was accepted, by Message-ID, oldest first."""
        found: dict[str, list[EmailMessage]] = {}
        for _, mail in list(self.received):
            found.setdefault(str(mail["Message-ID"]), []).append(mail)
        return found

    def to(self, address: str, subject: str = "") -> list[EmailMessage]:
        """What has arrived for this address with `subject` in its subject line, oldest first."""
        return [
            mail for _, mail in self.received if mail["To"] == address and subject in str(mail["Subject"])
        ]

    def code_for(self, address: str, number: int = 1, seconds: float = 60.0) -> str:
        """The six digits of the `number`-th code mail to this address."""
        eventually(lambda: len(self.to(address, "one-time code")) >= number, seconds)
        body = self.to(address, "one-time code")[number - 1].get_content()
        found = re.findall(r"\b\d{6}\b", body)
        assert len(found) == 1, "exactly one six-digit number stands in a code mail"
        return str(found[0])


class Stack:
    """Start it with `running_stack`."""

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str = "",
        variables: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        """`variables` are environment variables for the processes beside the settings (`more`)."""
        self.folder = folder
        self._variables = dict(variables or {})
        self._socket_folder = tempfile.TemporaryDirectory(prefix="csss-test-")
        socket_path = Path(self._socket_folder.name) / "redis.sock"
        self.mailbox = Mailbox(folder)
        port = free_port()
        self.settings = Settings(
            instance=str(folder),
            database_url=database_url,
            redis_url=f"unix://{socket_path}",
            secret_key="a test key that is long enough to be taken as one",
            base_url=f"http://127.0.0.1:{port}",
            port=port,
            mail_server="127.0.0.1",
            mail_port=self.mailbox.port,
            mail_ca_file=str(self.mailbox.certificate),
            hospital_name="Hospital of the Tests",
            bcrypt_rounds=4,
            check_pictures=False,  # they send pictures that are no scans, and many
            uploads_a_day=100_000,  # in measurements and under fire one patient stands for many
        )
        if more:
            self.settings = replace(self.settings, **more)  # type: ignore[arg-type]
        self._redis_command = redis_command(socket_path)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.app: Flask = create_app(self.settings)

    @property
    def url(self) -> str:
        return self.settings.base_url

    def start(self) -> None:
        with self.app.app_context():
            upgrade()
            db.session.remove()
            db.engine.dispose()
        self.mailbox.start()
        self.start_redis()
        for queue in Queue:
            self.start_worker(queue)
        self.start_web()
        eventually(self.ready, 180)

    def start_web(self) -> None:
        self._spawn("web", [sys.executable, "-m", "csss", "web"])

    def start_redis(self) -> None:
        self._spawn("redis", self._redis_command)

    def start_worker(self, queue: Queue, number: int = 0) -> None:
        """A process that serves one queue; `number` tells several of one queue apart."""
        name = f"worker-{queue}" if number == 0 else f"worker-{queue}-{number}"
        self._spawn(name, [sys.executable, "-m", "csss", "worker", queue.value])

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self, name: str, sign: signal.Signals = signal.SIGKILL) -> None:
        """End one process and, with it, the job it is at."""
        process = self.processes.pop(name)
        os.killpg(process.pid, sign)
        process.wait(30)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.mailbox.stop()
        with self.app.app_context():
            db.engine.dispose()
        self._socket_folder.cleanup()

    def _spawn(self, name: str, command: list[str]) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            command,
            env={**os.environ, **environment(self.settings), **self._variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


@contextmanager
def running_stack(folder: Path, *, database_url: str = "", **more: object) -> Iterator[Stack]:
    """The whole system, migrated and ready."""
    stack = Stack(folder, database_url=database_url, **more)
    try:
        stack.start()
        yield stack
    except BaseException:
        print(stack.logs()[-6000:])
        raise
    finally:
        stack.stop()


@contextmanager
def postgres_database(server: str) -> Iterator[str]:
    """The URL of a database that lives as long as this context. `server` is a URL without a database."""
    name = f"csss_stack_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    try:
        yield f"{server}/{name}"
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
        engine.dispose()
