"""Fixtures that several of these tests share."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from flask import Flask

from csss.jobs.queues import init_jobs
from csss.people.models import User
from tests.authenticator import Authenticator
from tests.factories import Clinic
from tests.redis_server import own_redis


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
    with own_redis() as (url, _):
        yield url


@pytest.fixture
def queue_server(app: Flask, redis_url: str) -> redis.Redis:
    """The app hands its jobs over to this empty Redis."""
    app.config["CSSS"] = replace(app.config["CSSS"], redis_url=redis_url)
    init_jobs(app)
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    return client
