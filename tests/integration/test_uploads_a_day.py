"""Nobody fills the disk: how many scans one patient may send within 24 hours."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from csss.clock import now, pretending
from csss.database import db, transaction
from csss.errors import Invalid
from csss.scans import services
from csss.scans.models import Scan
from csss.scans.states import ScanKind
from csss.storage.files import storage
from tests.factories import Clinic, picture, taken
from tests.visitor import Visitor, soup, words

MOST = 3
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture(autouse=True)
def few(app: Flask) -> None:
    app.config["CSSS"] = replace(app.config["CSSS"], uploads_a_day=MOST)


def send(visitor: Visitor, width: int) -> Any:
    scan = {"kind": "chest_xray", "indication": "Cough since Monday"}
    return visitor.post("/patient/scans", {**scan, "file": (io.BytesIO(picture(width, 80)), "scan.png")})


def kept() -> int:
    db.session.remove()
    return db.session.scalar(select(func.count()).select_from(Scan)) or 0


def test_the_fourth_scan_of_a_day_is_told_when_it_can_be_sent_and_keeps_what_was_typed(
    clinic: Clinic, patient: Visitor
) -> None:
    for number in range(3):
        assert send(patient, 80 + number).status_code == 303
    files = set(storage().stored())
    answer = send(patient, 90)
    assert answer.status_code == 422
    beside = soup(answer).select_one("#file-error")
    assert beside is not None and "You have sent 3 scans within a day" in beside.get_text()
    assert soup(answer).select_one("#indication").get_text().strip() == "Cough since Monday"  # type: ignore[union-attr]
    assert soup(answer).select_one("input[name=kind][value=chest_xray]").has_attr("checked")  # type: ignore[union-attr]
    assert kept() == 3 and set(storage().stored()) == files
    # Others send theirs, and the same form sent twice still leads to its scan.
    assert send(clinic.visitor(clinic.person("patient")), 80).status_code == 303
    assert send(patient, 82).status_code == 303 and kept() == 4


def test_when_it_can_be_sent_is_told_with_the_day(patient: Visitor) -> None:
    """A time alone would be taken for today's: at 02:05 people read 02:06 and wait a minute."""
    for number in range(3):
        with pretending(datetime(2026, 5, 3, 20, 36 + number, tzinfo=UTC)):
            assert send(patient, 80 + number).status_code == 303
    with pretending(datetime(2026, 5, 3, 21, 0, tzinfo=UTC)):
        beside = soup(send(patient, 90)).select_one("#file-error")
    # In Kolkata, where the first was sent on 4 May at 02:06.
    assert beside is not None and "can be sent from 5 May 2026, 02:06 on." in beside.get_text()


def test_a_day_later_the_next_one_is_taken(patient: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        assert send(patient, 80 + number).status_code == 303
    assert send(patient, 90).status_code == 422
    monkeypatch.setattr("csss.scans.services.now", lambda: now() + timedelta(hours=24, seconds=1))
    assert send(patient, 91).status_code == 303 and kept() == 4


def test_an_upload_in_pieces_is_refused_before_a_slow_line_has_carried_it(patient: Visitor) -> None:
    begun = patient.post("/patient/uploads", headers={**TUS, "Upload-Length": "1000"})
    assert begun.status_code == 201
    for number in range(3):
        assert send(patient, 80 + number).status_code == 303
    answer = patient.post("/patient/uploads", headers={**TUS, "Upload-Length": "2000"})
    assert (answer.status_code, answer.mimetype) == (422, "text/plain")
    assert "You have sent 3 scans within a day" in words(answer)
    # One that had begun before stays, with what has arrived of it.
    assert patient.get(begun.location, method="HEAD", headers=TUS).status_code == 204


@pytest.mark.both_databases
def test_of_two_that_come_at_once_only_one_is_the_last(app: Flask, clinic: Clinic, patient: Visitor) -> None:
    user = patient.user
    for number in range(2):
        clinic.scan(patient=user, image=picture(80 + number, 80))
    user_id, start = user.id, threading.Barrier(2)
    db.session.remove()

    def one(number: int) -> str:
        with app.app_context():
            image = taken(picture(100 + number, 80))
            key = storage().put("scans", "png", image.content)
            start.wait()
            try:
                with transaction():
                    by = db.session.get_one(type(user), user_id)
                    services.submit_scan(image, key, kind=ScanKind.CHEST_XRAY, indication="", by=by)
                return "taken"
            except Invalid:
                return "refused"
            finally:
                db.session.remove()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, range(2))) == ["refused", "taken"]
    assert kept() == 3
