"""No patient takes the decoders from the others: what may not be sent is not opened, and each has one opened at a time."""

import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from csss.database import db
from csss.scans import intake, upload_checks
from csss.scans.models import Scan
from tests.factories import Clinic, picture
from tests.stack import eventually
from tests.visitor import Visitor, soup, words

ANOTHER_FIRST = "Another picture of yours is being checked at the moment. Send this one again in a moment."


class Decoder:
    """Counts the pictures that are opened; with `shut` each waits inside until it is let go."""

    def __init__(self) -> None:
        self.opened, self.came_in, self.go = 0, threading.Semaphore(0), threading.Event()
        self.go.set()
        self._open = intake.rewritten

    def __call__(self, content: bytes) -> Any:
        self.opened += 1
        self.came_in.release()
        assert self.go.wait(20)
        return self._open(content)

    @contextmanager
    def shut(self) -> Iterator[None]:
        self.go.clear()
        try:
            yield
        finally:
            self.go.set()


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    counted = Decoder()
    monkeypatch.setattr(intake, "rewritten", counted)
    return counted


def send(visitor: Visitor, content: bytes, **more: str) -> TestResponse:
    scan = {"kind": "chest_xray", "indication": "Cough since Monday", **more}
    return visitor.post("/patient/scans", {**scan, "file": (io.BytesIO(content), "scan.png")})


def scans() -> int:
    db.session.remove()
    return db.session.scalar(select(func.count()).select_from(Scan)) or 0


@pytest.mark.parametrize("settings", [{"uploads_a_day": 1}], indirect=True)
def test_when_the_day_is_used_up_no_picture_is_opened(
    patient: Visitor, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = send(patient, picture(80, 80))
    assert (first.status_code, decoder.opened) == (303, 1)
    for number in range(3):
        answer = send(patient, picture(81 + number, 80))
        assert answer.status_code == 422 and "which is the limit" in words(answer)
    assert decoder.opened == 1
    # The same form again leads to its scan; called something else it counts anew, and not for ever.
    assert send(patient, picture(80, 80)).location == first.location
    assert send(patient, picture(80, 80), kind="cardiac_mri").status_code == 422
    later = time.monotonic() + 130
    monkeypatch.setattr(upload_checks, "time", SimpleNamespace(monotonic=lambda: later))
    opened = decoder.opened
    assert send(patient, picture(80, 80), kind="cardiac_mri").status_code == 422
    assert (decoder.opened, scans()) == (opened, 1)


def test_for_a_form_that_is_wrong_no_picture_is_opened(patient: Visitor, decoder: Decoder) -> None:
    answer = send(patient, picture(80, 80), kind="")
    assert answer.status_code == 422 and "Choose what the picture shows." in words(answer)
    assert soup(answer).select_one("#file-error") is None
    assert (decoder.opened, scans()) == (0, 0)


def test_of_two_different_pictures_sent_at_once_the_second_waits_its_turn_and_both_are_taken(
    clinic: Clinic, app: Flask, decoder: Decoder
) -> None:
    user, neighbour = clinic.person("patient"), clinic.visitor(clinic.person("patient"))
    here, there = clinic.visitor(user), clinic.visitor(user)
    with ThreadPoolExecutor(3) as pool:
        with decoder.shut():
            first = begin(pool, app, here, picture(80, 80))
            assert decoder.came_in.acquire(timeout=20)
            second = begin(pool, app, there, picture(90, 80))
            eventually(lambda: [each.followed for each in upload_checks._open.values()] == [True], 20, 0.02)
            others = begin(pool, app, neighbour, picture(100, 80))
            assert decoder.came_in.acquire(timeout=20)
            assert decoder.opened == 2 and not second.done()
        assert [each.result().status_code for each in (first, second, others)] == [303, 303, 303]
    assert (decoder.opened, scans()) == (3, 3)
    assert not upload_checks._open


def test_a_third_picture_at_once_is_told_that_another_one_of_theirs_is_being_checked(
    clinic: Clinic, app: Flask, decoder: Decoder
) -> None:
    user = clinic.person("patient")
    visitors = [clinic.visitor(user) for _ in range(3)]
    with ThreadPoolExecutor(2) as pool:
        with decoder.shut():
            sent = [begin(pool, app, visitors[0], picture(80, 80))]
            assert decoder.came_in.acquire(timeout=20)
            sent.append(begin(pool, app, visitors[1], picture(90, 80)))
            eventually(lambda: [each.followed for each in upload_checks._open.values()] == [True], 20, 0.02)
            third = send(visitors[2], picture(100, 80))
        assert [each.result().status_code for each in sent] == [303, 303]
    assert third.status_code == 422
    error = soup(third).select_one("#file-error")
    assert error is not None and ANOTHER_FIRST in error.get_text()
    assert soup(third).select_one("#indication").get_text().strip() == "Cough since Monday"  # type: ignore[union-attr]
    assert send(visitors[2], picture(100, 80)).status_code == 303 and scans() == 3


def test_when_the_first_picture_is_refused_the_second_is_taken_all_the_same(
    clinic: Clinic, app: Flask, decoder: Decoder
) -> None:
    user = clinic.person("patient")
    here, there = clinic.visitor(user), clinic.visitor(user)
    with ThreadPoolExecutor(2) as pool:
        with decoder.shut():
            first = begin(pool, app, here, picture(80, 80)[:-30])
            assert decoder.came_in.acquire(timeout=20)
            second = begin(pool, app, there, picture(90, 80))
            eventually(lambda: [each.followed for each in upload_checks._open.values()] == [True], 20, 0.02)
        assert (first.result().status_code, second.result().status_code) == (422, 303)
    assert scans() == 1 and not upload_checks._open


def test_a_form_that_is_sent_twice_at_once_waits_for_its_scan(
    clinic: Clinic, app: Flask, decoder: Decoder
) -> None:
    user = clinic.person("patient")
    visitors = [clinic.visitor(user) for _ in range(3)]
    with ThreadPoolExecutor(2) as pool:
        with decoder.shut():
            sent = [begin(pool, app, visitors[0], picture(80, 80))]
            assert decoder.came_in.acquire(timeout=20)
            sent.append(begin(pool, app, visitors[1], picture(80, 80)))
            eventually(lambda: [each.awaited for each in upload_checks._open.values()] == [True], 20, 0.02)
            assert send(visitors[2], picture(80, 80)).status_code == 422  # each who waits holds a thread
        answers = [each.result() for each in sent]
    assert [each.status_code for each in answers] == [303, 303]
    assert answers[0].location == answers[1].location
    assert (decoder.opened, scans()) == (1, 1)


def begin(pool: ThreadPoolExecutor, app: Flask, visitor: Visitor, content: bytes) -> Future[TestResponse]:
    def there() -> TestResponse:
        with app.app_context():
            return send(visitor, content)

    db.session.remove()
    return pool.submit(there)
