"""Priority, closing, corrections and addenda, and what holds for all pages of a doctor."""

import uuid

from sqlalchemy import select

from csss.database import db
from csss.scans.models import ScanHold
from csss.scans.states import HoldFor, Priority, Status
from tests.factories import Clinic, reading
from tests.integration.doctor import LOOKED, hold, listed, url
from tests.integration.pages import fresh, one_root
from tests.visitor import Visitor, soup, words

# Priority, closing, corrections, addenda


def test_priority_is_one_of_two(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    assert doctor.post(url(scan_id, "priority"), {"priority": "soon"}).status_code == 422
    assert doctor.post(url(scan_id, "priority")).status_code == 422
    answer = doctor.post(url(scan_id, "priority"), {"priority": "urgent"}, htmx=True)
    one_root(answer, "reading")
    assert "The priority has been changed." in words(answer)
    assert fresh(scan_id).priority is Priority.URGENT
    released = clinic.scan(Status.REPORT_READY)
    assert doctor.post(url(released, "priority"), {"priority": "soon"}).status_code == 409


def test_a_closed_scan_leaves_the_list_and_keeps_its_reason(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    answer = doctor.post(url(scan_id, "close"))
    assert answer.status_code == 422
    assert soup(answer).select_one("details[open] #close-reason-error") is not None
    assert doctor.post(url(scan_id, "close"), {"reason": "Not a <scan>."}).status_code == 303
    page = doctor.get(url(scan_id))
    assert "Not a &lt;scan&gt;." in page.get_data(as_text=True)
    assert soup(page).select("main form[method=post]:not([action$='/logout'])") == []
    assert listed(doctor, "?status=all") == []
    assert doctor.post(url(scan_id, "close"), {"reason": "Again"}).status_code == 409


def test_a_correction_stands_beside_what_it_corrects(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    assert doctor.page(url(scan_id)).select_one("form[action$=correct]") is None
    hold(clinic, scan_id, note="Left or <right>?")
    page = doctor.page(url(scan_id))
    assert "Left or <right>?" in page.get_text()
    assert page.select_one("form[action$=correct] #findings").get_text().strip() == "Clear lungs."
    answer = doctor.post(url(scan_id, "correct"), {**LOOKED, "findings": ""})
    assert answer.status_code == 422
    assert (
        doctor.post(url(scan_id, "correct"), {**LOOKED, "findings": "Clear right lung."}).status_code == 303
    )
    scan = fresh(scan_id)
    assert [review.findings for review in scan.reviews] == ["Clear lungs.", "Clear right lung."]
    assert scan.status is Status.PHARMACIST_COMPLETED
    text = words(doctor.get(url(scan_id)))
    assert "Reading, version 2" in text and "Clear lungs." in text and "Answered" in text


def test_a_hold_for_the_pharmacist_is_shown_without_a_form(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    hold(clinic, scan_id, HoldFor.PHARMACIST)
    assert db.session.scalars(select(ScanHold)).one().to is HoldFor.PHARMACIST
    page = doctor.page(url(scan_id))
    assert "A correction by the pharmacist has been asked for" in page.get_text()
    assert page.select_one("form[action$=correct]") is None
    assert listed(doctor) == []


def test_an_addendum_makes_a_new_version_and_the_old_one_stays(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.REPORT_READY).id
    clinic.run_jobs("render_report")
    assert doctor.post(url(scan_id, "addendum"), {"note": " "}).status_code == 422
    assert doctor.post(url(scan_id, "addendum"), {"note": "Seen <again>."}).status_code == 303
    assert "new version of the report is being made" in words(doctor.get(url(scan_id)))
    clinic.run_jobs("render_report")
    page = doctor.page(url(scan_id))
    links = page.select("#report .versions a")
    assert ["Version 2" in links[0].get_text(), "Version 1" in links[1].get_text()] == [True, True]
    assert doctor.get(links[0]["href"]).data.startswith(b"%PDF")
    assert "Seen <again>." in page.select_one("#report").get_text()


# Around it


def test_pages_and_fragments(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    for address, root in (("/doctor/", "worklist"), (url(scan), "reading")):
        one_root(doctor.fragment(address), root)
        whole = doctor.get(address)
        assert "HX-Request" in whole.headers["Vary"]
        assert len(soup(whole).select(f"html #{root}")) == 1


def test_no_id_stands_twice_on_a_page(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    pending = clinic.scan(patient=patient)
    analysed = clinic.scan(Status.AI_ANALYZED, patient=patient, result=reading("COVID", 0.5))
    for address in ("/doctor/", url(pending), url(analysed)):
        ids = [tag["id"] for tag in doctor.page(address).select("[id]")]
        assert len(ids) == len(set(ids)), address


def test_other_scans_of_the_same_patient_are_one_click_away(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    first, second = clinic.scan(patient=patient).id, clinic.scan(patient=patient).id
    stranger = clinic.scan().id
    page = doctor.page(url(second))
    assert page.select_one(f"a[href='{url(first)}']") is not None
    assert page.select_one(f"a[href='{url(stranger)}']") is None


def test_only_doctors_come_here(
    clinic: Clinic, patient: Visitor, pharmacist: Visitor, doctor: Visitor
) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, patient=patient.user)
    for visitor in (patient, pharmacist):
        assert visitor.get("/doctor/").status_code == 403
        assert visitor.get(url(scan)).status_code == 403
        assert visitor.post(url(scan, "verify"), LOOKED).status_code == 403
    missing = uuid.uuid4()
    assert doctor.get(url(missing)).status_code == 404
    for step in ("analyze", "verify", "correct", "read-without-ai", "close", "priority", "addendum"):
        sent = {**LOOKED, "reason": "x", "note": "x", "priority": "urgent"}
        assert doctor.post(url(missing, step), sent).status_code == 404, step
