"""A picture that may be the wrong one is asked about, never refused; the doctor is told what was asked."""

import io
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from PIL import Image, ImageFilter
from sqlalchemy import select
from werkzeug.test import TestResponse

from csss.clock import now, pretending
from csss.database import db
from csss.scans.likeness_child import doubts
from csss.scans.models import Scan
from csss.storage.files import storage
from tests.factories import Clinic, picture
from tests.integration.test_uploads import Line
from tests.visitor import Visitor, soup, words

SCANS = Path(__file__).parents[2] / "csss/demo/scans"
CHEST, HEART = (SCANS / "Normal-1.jpg").read_bytes(), (SCANS / "Sick-1.jpg").read_bytes()


@lru_cache
def noise() -> bytes:
    """Nobody can take this for a scan; it is sharp."""
    target = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (400, 400, 3), np.uint8)).save(target, "PNG")
    return target.getvalue()


asking = pytest.mark.parametrize("settings", [{"check_pictures": True}], indirect=True)


def changed(change: object) -> bytes:
    target = io.BytesIO()
    change(Image.open(io.BytesIO(CHEST)).convert("L")).save(target, "JPEG", quality=90)  # type: ignore[operator]
    return target.getvalue()


def send(patient: Visitor, content: bytes | None = None, **more: str) -> TestResponse:
    fields = {"kind": "chest_xray", "indication": "Cough since Monday", **more}
    file = {"file": (io.BytesIO(content), "scan.jpg")} if content is not None else {}
    return patient.post("/patient/scans", {**fields, **file})


def question(answer: TestResponse) -> str:
    assert answer.status_code == 422
    return words(soup(answer).select_one(".question"))


def yes(answer: TestResponse) -> dict[str, str]:
    """The fields that the button “Send it all the same” adds."""
    page = soup(answer)
    button, kept = page.select_one("button[name=sure]"), page.select_one("input[name=upload]")
    assert button is not None and kept is not None and "Send it all the same" in button.get_text()
    return {"sure": str(button["value"]), "upload": str(kept["value"])}


def kept() -> list[Scan]:
    db.session.remove()
    return list(db.session.scalars(select(Scan).order_by(Scan.uploaded_at)))


@asking
def test_a_scan_is_taken_without_a_question(patient: Visitor) -> None:
    assert send(patient, CHEST).status_code == 303
    assert send(patient, HEART, kind="cardiac_mri").status_code == 303
    assert [scan.sent_despite for scan in kept()] == [None, None]


@asking
def test_what_is_no_scan_is_asked_about_and_can_be_sent_without_choosing_it_again(
    patient: Visitor, clinic: Clinic
) -> None:
    first = send(patient, noise())
    assert "This does not look like a chest X-ray. Send it all the same?" in question(first)
    page = soup(first)
    assert page.select_one("#indication").get_text().strip() == "Cough since Monday"
    assert page.select_one("input[name=kind][checked]")["value"] == "chest_xray"
    assert kept() == [] and not list(storage().stored("scans"))
    answer = send(patient, **yes(first))
    assert answer.status_code == 303
    (scan,) = kept()
    assert scan.sent_despite == ["unlike"] and scan.indication == "Cough since Monday"
    doctor = clinic.visitor(clinic.person("doctor"))
    told = words(doctor.get(f"/doctor/scans/{scan.id}"))
    assert "The patient was asked about this picture (it does not look like a scan of its kind)" in told


@asking
def test_another_picture_chosen_after_the_question_takes_the_place_of_the_first(patient: Visitor) -> None:
    first = send(patient, noise())
    assert send(patient, CHEST, upload=yes(first)["upload"]).status_code == 303
    (scan,) = kept()
    assert (scan.width, scan.height, scan.sent_despite) == (512, 512, None)


@asking
def test_a_scan_of_the_other_kind_is_asked_about_and_sent_as_what_it_is(patient: Visitor) -> None:
    first = send(patient, HEART)
    assert "This looks like a cardiac MRI, not like a chest X-ray" in question(first)
    kept_upload = {"upload": yes(first)["upload"]}
    assert send(patient, **kept_upload, kind="cardiac_mri").status_code == 303
    assert [scan.sent_despite for scan in kept()] == [None]


@asking
def test_yes_to_one_question_is_no_yes_to_another(patient: Visitor) -> None:
    first = send(patient, noise())
    answer = send(patient, **{**yes(first), "sure": "blurred again"})
    assert "This does not look like" in question(answer) and kept() == []


@asking
def test_with_script_the_pieces_stay_and_only_the_answer_is_sent(patient: Visitor) -> None:
    upload = Line(patient).whole(noise())
    first = send(patient, upload=upload)
    assert yes(first)["upload"] == upload
    assert send(patient, **yes(first)).status_code == 303
    assert len(kept()) == 1


@pytest.mark.parametrize("settings", [{"check_pictures": True, "model": "/nowhere"}], indirect=True)
def test_where_nothing_can_be_checked_every_picture_is_taken(patient: Visitor) -> None:
    assert send(patient, noise()).status_code == 303


def test_a_hospital_can_switch_the_question_off(patient: Visitor) -> None:
    assert send(patient, noise()).status_code == 303


@asking
@pytest.mark.parametrize("shown", ["silent", "after_reading"])
def test_where_the_classifier_is_hidden_so_is_what_it_made_us_ask(
    app: Flask, patient: Visitor, clinic: Clinic, shown: str
) -> None:
    app.config["CSSS"] = replace(app.config["CSSS"], classifier_shown=shown)
    answer = send(patient, **yes(send(patient, noise())))
    clinic.run_jobs()
    doctor = clinic.visitor(clinic.person("doctor"))
    scan_id = answer.location.rpartition("/")[2]
    doctor.post(f"/doctor/scans/{scan_id}/analyze")
    clinic.run_jobs()
    assert "was asked about this picture" not in words(doctor.get(f"/doctor/scans/{scan_id}"))


QUALITY = {
    "dark": lambda image: image.point(lambda grey: grey // 20),
    "bright": lambda image: image.point(lambda grey: 243 + grey // 25),
    "flat": lambda image: image.point(lambda grey: 120 + grey // 40),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(8)),
    "few_pixels": lambda image: image.resize((150, 150)),
}


@pytest.mark.parametrize("name", QUALITY)
def test_a_picture_that_can_hardly_be_read_is_told(name: str) -> None:
    assert name in doubts(changed(QUALITY[name]), "chest_xray", "models/csss-5")


@pytest.mark.parametrize("path", sorted(SCANS.glob("*.jpg")), ids=lambda path: path.stem)
def test_no_scan_is_doubted(path: Path) -> None:
    kind = "cardiac_mri" if path.stem.startswith("Sick") else "chest_xray"
    assert doubts(path.read_bytes(), kind, "models/csss-5") == []


def test_noise_is_doubted() -> None:
    assert doubts(noise(), "chest_xray", "models/csss-5") == ["unlike"]


@pytest.mark.both_databases
def test_the_same_picture_later_is_told_with_the_scan_it_became(patient: Visitor, clinic: Clinic) -> None:
    assert send(patient, picture()).status_code == 303
    with pretending(now() + timedelta(minutes=10)):
        again = send(patient, picture(), indication="Still coughing")
        assert "You have sent this picture before: Chest X-ray, sent" in question(again)
        assert "“Cough since Monday”" in question(again)
        assert len(kept()) == 1
        assert send(patient, indication="Still coughing", **yes(again)).status_code == 303
    assert [scan.sent_despite for scan in kept()] == [None, ["again"]]
    other = clinic.visitor(clinic.person("patient"))
    with pretending(now() + timedelta(minutes=10)):
        assert send(other, picture()).status_code == 303, "nobody learns what others have sent"
