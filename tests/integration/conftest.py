"""Fixtures that several of these tests share."""

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from flask import Flask

from csss.demo.redis import NoRedisError, redis_command
from csss.jobs.queues import init_jobs
from csss.people.models import User
from tests.authenticator import Authenticator
from tests.conftest import IN_CI
from tests.factories import Clinic
from tests.stack import eventually


@pytest.fixture
def device() -> Authenticator:
    """A phone or a key that can hold passkeys and holds none yet."""
    return Authenticator()


@pytest.fixture
def admin_user(clinic: Clinic) -> User:
    """An administrator who has been sent the first mail."""
    admin = clinic.person("admin")
    clinic.run_jobs()
    return admin


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis of our own. Skips where there is none, except in CI."""
    with tempfile.TemporaryDirectory(prefix="csss-redis-") as folder:
        socket = Path(folder) / "redis.sock"
        try:
            command = redis_command(socket)
        except NoRedisError as error:
            if IN_CI:
                raise
            pytest.skip(f"{error} The queues are not tested.")
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            eventually(socket.exists)
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def queue_server(app: Flask, redis_url: str) -> redis.Redis:
    """The app hands its jobs over to this empty Redis."""
    app.config["CSSS"] = replace(app.config["CSSS"], redis_url=redis_url)
    init_jobs(app)
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    return client
