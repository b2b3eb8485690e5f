"""With CSSS_CLASSIFIER_SHOWN=silent predictions are made and kept, and nobody who works with the scan hears of them."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from csss.database import db
from csss.people.models import User
from csss.reports.build import report_context
from csss.reports.document import report_html, sheet
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.statistics.queries import count
from tests.factories import Clinic, reading
from tests.integration.doctor import LOOKED, url
from tests.integration.pages import fresh
from tests.visitor import Visitor, words

SILENT = pytest.mark.parametrize("settings", [{"classifier_shown": "silent"}], indirect=True)
TELLING = (
    "Viral",
    "viral",
    "95 %",
    "95.0",
    "ncertain",
    "heatmap",
    "Heat map",
    "heat map",
    "nearest",
    "Agrees",
    "τ",
)


def asked(clinic: Clinic, status: Status, **more: Any) -> uuid.UUID:
    return clinic.scan(status, result=reading("Viral_Pneumonia", 0.95), **more).id


def parts(visitor: Visitor, *addresses: str) -> list[str]:
    """The main part of these pages, without what explains keys and the doctor's templates."""
    found = []
    for address in addresses:
        page = visitor.page(address)
        for dialog in page.select("dialog, #template"):
            dialog.decompose()
        found.append(str(page.select_one("main")))
    return found


@SILENT
def test_no_page_of_a_scan_says_anything_of_it_to_anybody(clinic: Clinic) -> None:
    patient_id = clinic.person("patient").id
    for status in Status:
        scan_id = asked(clinic, status, patient=db.session.get_one(User, patient_id))
        people = {
            "doctor": ["/doctor/?status=all", url(scan_id)],
            "pharmacist": ["/pharmacist/", f"/pharmacist/scans/{scan_id}"],
            "admin": ["/admin/", f"/admin/scans/{scan_id}"],
        }
        for role, addresses in people.items():
            visitor = clinic.visitor(clinic.person(role))
            for page in parts(visitor, *addresses):
                assert [word for word in TELLING if word in page] == [], (status, role)
            assert visitor.get(f"/scans/{scan_id}/heatmap").status_code == 404
        visitor = clinic.visitor(db.session.get_one(User, patient_id))
        for page in parts(visitor, "/patient/", f"/patient/scans/{scan_id}"):
            assert [word for word in TELLING if word in page] == [], status
        assert visitor.get(f"/scans/{scan_id}/heatmap").status_code == 404


@SILENT
@pytest.mark.parametrize("confidence", [0.95, 0.4])
def test_an_agreement_is_not_asked_for_whatever_the_classifier_said(
    doctor: Visitor, clinic: Clinic, confidence: float
) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, result=reading("COVID", confidence)).id
    assert not doctor.page(url(scan_id)).select("[name=agreement], [name=read_myself]")
    without = {"findings": "Clear lungs.", "impression": "No active disease.", "agreement": "disagree"}
    assert doctor.post(url(scan_id, "verify"), without).status_code == 303
    review = fresh(scan_id).review
    assert review is not None and review.agreement is None


@SILENT
def test_the_report_prints_nothing_of_it(app: Flask, clinic: Clinic) -> None:
    scan_id = asked(clinic, Status.PHARMACIST_COMPLETED)
    made = report_context(db.session.get_one(Scan, scan_id), report_id="1", version=1)
    assert made.prediction is None and sheet(made, app.jinja_env).heatmap is None
    printed = BeautifulSoup(report_html(made, app.jinja_env), "html.parser").select_one("#report").get_text()
    for word in (*TELLING, "lassifier", "Risk", "AI assistance"):
        assert word not in printed, word
    assert "has been reviewed and approved by a qualified medical professional" in printed


@SILENT
def test_predictions_are_kept_and_statistics_see_them(clinic: Clinic, admin: Visitor) -> None:
    scan_id = asked(clinic, Status.DOCTOR_VERIFIED)
    kept = fresh(scan_id).prediction
    assert kept is not None and kept.label == "Viral_Pneumonia" and len(kept.probabilities) == 6
    assert kept.silent and kept.heatmap_key
    assert count(30).verdicts["Viral_Pneumonia"].unsaid == 1
    assert "Viral pneumonia" in words(admin.get("/admin/statistics?days=7"))


def test_what_was_said_in_silence_stays_silent_when_the_setting_changes(clinic: Clinic, app: Flask) -> None:
    shown = asked(clinic, Status.AI_ANALYZED)
    scan_id = clinic.scan().id
    silently(app, clinic, scan_id)
    doctor = clinic.visitor(clinic.person("doctor"))
    assert "Viral pneumonia" in words(doctor.get(url(shown)))
    assert "Viral pneumonia" not in words(doctor.get(url(scan_id)))
    assert doctor.get(f"/scans/{scan_id}/heatmap").status_code == 404
    assert doctor.post(url(scan_id, "verify"), {**LOOKED, "agreement": ""}).status_code == 303


def silently(app: Flask, clinic: Clinic, scan_id: uuid.UUID) -> None:
    """Analysed as in a time of silence that is over."""
    settings = app.config["CSSS"]
    app.config["CSSS"] = replace(settings, classifier_shown="silent")
    try:
        clinic.analyse(scan_id, clinic.person("doctor"), reading("Viral_Pneumonia", 0.95))
    finally:
        app.config["CSSS"] = settings
