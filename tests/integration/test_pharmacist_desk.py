"""The pharmacist's desk: a draft is kept, what was completed is found, printed and taken back, and the next one comes."""

import pytest
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.database import db
from csss.prescriptions import drafts
from csss.prescriptions import services as prescriptions
from csss.scans.states import Status
from tests.factories import Clinic
from tests.integration.pages import fresh
from tests.integration.pharmacist import AMOXICILLIN, hold, url, value
from tests.visitor import Visitor, soup, words


@pytest.mark.both_databases
def test_a_draft_is_kept_for_its_pharmacist_alone_until_it_is_signed(
    pharmacist: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    half = {"drug": "Amoxicillin", "dose": "500", "dose_unit": "mg", "notes": "With food"}
    assert "Draft saved" in words(pharmacist.post(url(scan_id, "draft"), half, htmx=True))
    page = soup(pharmacist.get(url(scan_id)))
    assert value(page, "drug-0") == "Amoxicillin" and "Draft saved" in page.get_text()
    assert page.select_one("#dose_unit-0 [selected]")["value"] == "mg"
    colleague = clinic.visitor(clinic.person("pharmacist"))
    assert value(soup(colleague.get(url(scan_id))), "drug-0") == ""
    assert pharmacist.post(url(scan_id, "complete"), AMOXICILLIN).status_code == 303
    assert drafts.of(scan_id, pharmacist.user) is None
    late = pharmacist.post(url(scan_id, "draft"), half, htmx=True)
    assert late.status_code == 409 and "Not kept" in words(late)


def test_a_draft_works_without_script_and_can_be_discarded(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    assert pharmacist.post(url(scan_id, "draft"), AMOXICILLIN).status_code == 303
    assert drafts.of(scan_id, pharmacist.user) is not None
    assert pharmacist.post(url(scan_id, "draft/discard")).status_code == 303
    assert value(soup(pharmacist.get(url(scan_id))), "drug-0") == ""
    # With nothing typed there is no draft.
    pharmacist.post(url(scan_id, "draft"), {"drug": ""})
    assert drafts.of(scan_id, pharmacist.user) is None


def test_complete_and_next_leads_to_the_next_one_and_at_the_end_to_the_queue(
    pharmacist: Visitor, clinic: Clinic
) -> None:
    first, second = (clinic.scan(Status.DOCTOR_VERIFIED).id for _ in range(2))
    answer = pharmacist.post(url(first, "complete"), {**AMOXICILLIN, "next": "1"})
    assert answer.status_code == 303 and answer.location.endswith(url(second))
    answer = pharmacist.post(url(second, "complete"), {**AMOXICILLIN, "next": "1"})
    assert answer.location.endswith("/pharmacist/")


@pytest.mark.both_databases
def test_what_was_completed_is_printed_again_and_taken_back_until_it_is_approved(
    pharmacist: Visitor, admin: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    pharmacist.post(url(scan_id, "complete"), AMOXICILLIN)
    page = soup(pharmacist.get("/pharmacist/completed"))
    assert page.select_one(f"#completed a[href='{url(scan_id)}']") is not None
    assert "Amoxicillin" in page.get_text()
    assert "500 mg" in words(pharmacist.get(url(scan_id, "print")))
    assert pharmacist.post(url(scan_id, "recall")).status_code == 303
    assert fresh(scan_id).open_hold is not None and "Taken back" in words(
        admin.get(f"/admin/scans/{scan_id}")
    )
    corrected = {**AMOXICILLIN, "dose": "250 mg"}
    assert pharmacist.post(url(scan_id, "correct"), corrected).status_code == 303
    scan = fresh(scan_id)
    assert scan.open_hold is None and scan.status is Status.PHARMACIST_COMPLETED
    assert [each.items[0].dose for each in prescriptions.versions(scan)] == ["500 mg", "250 mg"]
    (event,) = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "prescription.recalled"))
    assert event.subject_id == str(scan_id)


def test_what_is_approved_or_held_is_not_taken_back(pharmacist: Visitor, clinic: Clinic) -> None:
    approved = clinic.scan(Status.REPORT_READY).id
    told = words(pharmacist.get(pharmacist.post(url(approved, "recall")).location))
    assert "The report has been approved already." in told
    held = clinic.scan(Status.PHARMACIST_COMPLETED).id
    hold(clinic, held)
    pharmacist.post(url(held, "recall"))
    # What an administrator asked for stays with the administrator.
    assert pharmacist.post(url(held, "correct"), AMOXICILLIN).status_code == 303
    assert fresh(held).open_hold is not None


@pytest.mark.both_databases
def test_no_administrator_releases_what_a_pharmacist_has_taken_back(
    pharmacist: Visitor, admin: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    assert pharmacist.post(url(scan_id, "recall")).status_code == 303
    page = admin.page(f"/admin/scans/{scan_id}")
    assert page.select_one(f"form[action='/admin/scans/{scan_id}/lift']") is None
    refused = admin.post(f"/admin/scans/{scan_id}/lift")
    assert refused.status_code == 409 and "has taken the prescription back" in words(refused)
    assert fresh(scan_id).open_hold is not None
    colleague = clinic.visitor(clinic.person("pharmacist"))
    assert colleague.post(url(scan_id, "correct"), AMOXICILLIN).status_code == 303
    assert fresh(scan_id).open_hold is None
