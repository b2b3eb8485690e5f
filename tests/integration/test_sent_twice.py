"""A form that comes twice is one scan; what a patient writes to the same picture is never lost."""

import io

import pytest
from flask import Flask
from sqlalchemy import select

from csss.database import db
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.storage.files import storage
from tests.factories import Clinic, picture
from tests.integration.test_uploads import Line
from tests.visitor import Visitor, soup, words


def send(patient: Visitor, indication: str, kind: str = "chest_xray", upload: str = ""):
    fields = {"kind": kind, "indication": indication}
    sent = {"upload": upload} if upload else {"file": (io.BytesIO(picture()), "scan.png")}
    return patient.post("/patient/scans", {**fields, **sent})


def kept() -> list[tuple[str, str]]:
    db.session.remove()
    return [
        tuple(row)
        for row in db.session.execute(select(Scan.kind, Scan.indication).order_by(Scan.uploaded_at))
    ]


@pytest.mark.both_databases
def test_the_same_form_sent_twice_is_one_scan(patient: Visitor) -> None:
    first = send(patient, "Cough since Monday")
    again = send(patient, "Cough since  Monday\r\n")
    silent = send(patient, "")
    assert first.location == again.location == silent.location
    assert kept() == [("chest_xray", "Cough since Monday")]


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("indication", "kind"), [("I am pregnant", "chest_xray"), ("Cough since Monday", "cardiac_mri")]
)
def test_the_same_picture_with_other_words_is_a_scan_of_its_own_and_says_so(
    patient: Visitor, clinic: Clinic, indication: str, kind: str
) -> None:
    first = send(patient, "Cough since Monday")
    second = send(patient, indication, kind)
    assert second.status_code == 303 and second.location != first.location
    page = patient.page(second.location)
    assert "You sent this picture a moment ago" in page.select_one("#messages").get_text()
    assert kept() == [("chest_xray", "Cough since Monday"), (kind, indication)]
    # Each of the two may come once more by a second press.
    assert send(patient, "Cough since Monday").location == first.location
    assert send(patient, indication, kind).location == second.location
    assert len(kept()) == 2
    doctor = clinic.visitor(clinic.person("doctor"))
    assert "Cough since Monday" in words(doctor.get("/doctor/"))
    assert indication in words(doctor.get("/doctor/"))


def test_an_upload_in_pieces_that_has_become_a_scan_gives_back_the_other_words(patient: Visitor) -> None:
    upload = Line(patient).whole(picture())
    first = send(patient, "Cough since Monday", upload=upload)
    assert first.status_code == 303
    assert send(patient, "Cough since Monday", upload=upload).location == first.location
    files = set(storage().stored())
    answer = send(patient, "I am pregnant", upload=upload)
    assert answer.status_code == 422
    page = soup(answer)
    assert "This picture has been sent already" in page.select_one("#file-error").get_text()
    assert page.select_one("#indication").get_text().strip() == "I am pregnant"
    assert kept() == [("chest_xray", "Cough since Monday")] and set(storage().stored()) == files
    assert send(patient, "I am pregnant", upload=Line(patient).whole(picture())).status_code == 303
    assert len(kept()) == 2


def test_of_a_picture_that_was_closed_nothing_is_known_any_more(
    app: Flask, patient: Visitor, clinic: Clinic
) -> None:
    scan = clinic.scan(Status.PENDING_AI, patient=patient.user, indication="Cough since Monday")
    doctor = clinic.visitor(clinic.person("doctor"))
    assert doctor.post(f"/doctor/scans/{scan.id}/close", {"reason": "Upside down."}).status_code == 303
    answer = send(patient, "Cough since Monday")
    assert answer.location.rsplit("/", 1)[1] != str(scan.id)
    assert "a moment ago" not in words(patient.get(answer.location))
