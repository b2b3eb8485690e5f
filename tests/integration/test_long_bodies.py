"""One account holds a part of the threads that take in pictures, whatever it does, and gives each of them back."""

import io
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.factories import Clinic
from tests.integration.test_session_over import end_of_session
from tests.visitor import Visitor, words

pytestmark = pytest.mark.parametrize("settings", [{"web_threads": 8}], indirect=True)
LENGTH = 300_000


class Body(io.RawIOBase):
    """A picture on its way. It ends when it is told to: whole, or because the connection breaks."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.left, self.breaks = b"--x\r\n\r\n", breaks
        self.is_read, self.goes_on = threading.Event(), threading.Event()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        self.is_read.set()
        assert self.goes_on.wait(30)
        if self.breaks:
            raise ConnectionResetError
        piece, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def send(visitor: Visitor, body: Body) -> TestResponse:
    return visitor.get(
        "/patient/scans",
        method="POST",
        content_type="multipart/form-data; boundary=x",
        environ_overrides={"wsgi.input": body, "CONTENT_LENGTH": str(LENGTH)},
    )


def two_on_their_way(
    threads: ThreadPoolExecutor, people: list[Visitor], bodies: list[Body]
) -> list["Future[TestResponse]"]:
    sent = [threads.submit(send, person, body) for person, body in zip(people, bodies, strict=True)]
    assert all(body.is_read.wait(30) for body in bodies)
    return sent


def test_an_ended_session_holds_no_more_threads_than_a_living_one(
    app: Flask, clinic: Clinic, patient: Visitor
) -> None:
    people = [Visitor(app, patient.user) for _ in range(3)]
    end_of_session(patient, ended=True)
    bodies = [Body() for _ in people]
    bodies[2].goes_on.set()
    with ThreadPoolExecutor() as threads:
        two_on_their_way(threads, people[:2], bodies[:2])
        try:
            refused = send(people[2], bodies[2])
            assert refused.status_code == 429 and not bodies[2].is_read.is_set()
            assert "You are sending 2 pictures already" in words(refused)
            other = Body()
            other.goes_on.set()
            assert send(clinic.visitor(clinic.person("patient")), other).status_code != 429
        finally:
            for body in bodies:
                body.goes_on.set()


def test_connections_that_break_give_their_threads_back(app: Flask, patient: Visitor) -> None:
    for _ in range(3):
        bodies = [Body(breaks=True), Body(breaks=True)]
        with ThreadPoolExecutor() as threads:
            sent = two_on_their_way(threads, [Visitor(app, patient.user) for _ in bodies], bodies)
            for body in bodies:
                body.goes_on.set()
        for each in sent:
            assert each.exception() is not None or each.result().status_code != 429
    assert not app.extensions["csss_long_bodies"]
