"""Several reports approved with one code: exactly those that were shown, and nothing that has changed since."""

import re
import uuid

import pytest
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.auth.models import OneTimeCode
from csss.database import db, transaction
from csss.people.models import User
from csss.prescriptions import services as prescriptions
from csss.prescriptions.lines import Line
from csss.reports import queries as reports
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import SEEN, Clinic
from tests.visitor import Visitor, soup, words


def waiting(clinic: Clinic, *names: str) -> list[uuid.UUID]:
    return [
        clinic.scan(Status.PHARMACIST_COMPLETED, patient=clinic.person("patient", name=name)).id
        for name in names
    ]


def choose(admin: Visitor, *ids: uuid.UUID) -> str:
    """The address of the page that shows the choice once more."""
    answer = admin.post("/admin/approvals", {"scan": [str(each) for each in ids]})
    assert answer.status_code == 303, words(answer)
    return str(answer.headers["Location"])


def code_for(admin: Visitor, clinic: Clinic, page: str) -> str:
    assert admin.post(f"{page}/code").status_code == 303
    clinic.run_jobs("send_mail")
    return str(re.findall(r"(?<!\d)\d{6}(?!\d)", clinic.mail[-1].get_content())[0])


def status(scan_id: uuid.UUID) -> Status:
    db.session.remove()
    return db.session.get_one(Scan, scan_id).status


@pytest.mark.both_databases
def test_three_reports_are_approved_with_one_code(admin: Visitor, clinic: Clinic) -> None:
    ids = waiting(clinic, "Asha", "Bina", "Chitra")
    boxes = admin.page("/admin/").select("#queue input[name=scan]")
    assert {box["value"] for box in boxes} == {str(each) for each in ids}
    page = choose(admin, *ids)
    text = words(admin.get(page))
    assert "Approve 3 reports together" in text and all(name in text for name in ("Asha", "Bina", "Chitra"))
    assert "Normal chest" in text and "Amoxicillin" in text
    code = code_for(admin, clinic, page)
    assert "to approve 3 reports:" in clinic.mail[-1].get_content()
    assert "for these 3 reports only" in words(admin.get(f"{page}/code-state"))
    answer = admin.post(f"{page}/approve", {"code": code})
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    assert "3 reports are released" in words(admin.get(page))
    for each in ids:
        assert status(each) is Status.REPORT_READY
        assert reports.approval(db.session.get_one(Scan, each)).second_factor == "email_code"
    assert admin.post(f"{page}/approve", {"code": code}).status_code == 409


def test_what_changed_meanwhile_stays_and_is_named(admin: Visitor, clinic: Clinic) -> None:
    kept, held, corrected, gone = waiting(clinic, "Kept", "Held", "Corrected", "Gone")
    page = choose(admin, kept, held, corrected, gone)
    code = code_for(admin, clinic, page)
    admin.post(f"/admin/scans/{held}/hold", {"to": "doctor", "note": "Which side?"})
    admin.post(f"/admin/scans/{corrected}/hold", {"to": "pharmacist", "note": "Which dose?"})
    pharmacist_id, other_id = clinic.person("pharmacist").id, clinic.person("admin").id
    with transaction():
        by = db.session.get_one(User, pharmacist_id)
        prescriptions.correct(corrected, lines=[Line()], none_needed=True, notes="", by=by)
    admin.post(f"/admin/scans/{corrected}/lift")
    clinic.approve(gone, db.session.get_one(User, other_id))

    assert "3 reports cannot be approved now" in words(admin.get(page))
    assert admin.post(f"{page}/approve", {"code": code}).status_code == 303
    assert [status(each) for each in (kept, held, corrected)] == [
        Status.REPORT_READY,
        Status.PHARMACIST_COMPLETED,
        Status.PHARMACIST_COMPLETED,
    ]
    text = words(admin.get(page))
    assert "1 report has been released" in text and "3 reports stay as they were" in text
    assert "The scan is on hold" in text and "corrected the prescription since you chose it" in text
    assert "The report has been approved already." in text
    db.session.remove()
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "approval.batch_approved")).one()
    assert event.detail == {"approved": 1, "left": 3}


def test_a_code_for_one_choice_approves_no_other(admin: Visitor, clinic: Clinic) -> None:
    first, second, third = waiting(clinic, "Asha", "Bina", "Chitra")
    page = choose(admin, first, second)
    code = code_for(admin, clinic, page)
    assert admin.post(f"/admin/scans/{first}/approve", SEEN | {"code": code}).status_code == 422
    other = choose(admin, first, second, third)
    assert admin.post(f"{other}/approve", {"code": code}).status_code == 422
    answer = admin.post(f"{page}/approve", {"code": code})
    assert answer.status_code == 409 and "chosen other reports since" in words(answer)
    assert {status(each) for each in (first, second, third)} == {Status.PHARMACIST_COMPLETED}
    assert all(each.cancelled_at for each in db.session.scalars(select(OneTimeCode)))


def test_leaving_one_out_is_another_choice(admin: Visitor, clinic: Clinic) -> None:
    first, second = waiting(clinic, "Asha", "Bina")
    page = choose(admin, first, second)
    code = code_for(admin, clinic, page)
    answer = admin.post(f"{page}/leave-out", {"scan": str(second)})
    assert answer.status_code == 303
    left = answer.headers["Location"]
    assert left != page and "Bina" not in words(admin.get(left))
    assert admin.post(f"{left}/approve", {"code": code}).status_code == 422
    assert admin.post(f"{left}/leave-out", {"scan": str(first)}).status_code == 409
    assert admin.post(f"{left}/approve", {"code": code_for(admin, clinic, left)}).status_code == 303
    assert (status(first), status(second)) == (Status.REPORT_READY, Status.PHARMACIST_COMPLETED)


def test_nothing_ticked_is_said_beside_the_list(admin: Visitor, clinic: Clinic) -> None:
    waiting(clinic, "Asha")
    answer = admin.post("/admin/approvals", {})
    assert answer.status_code == 422 and "Tick at least one report." in words(answer)
    assert "Asha" in words(answer)
    assert admin.post("/admin/approvals", {"scan": "nonsense"}).status_code == 404
    assert admin.post("/admin/approvals", {"scan": str(uuid.uuid4())}).status_code == 404


def test_a_wrong_code_counts_and_nothing_is_released(admin: Visitor, clinic: Clinic) -> None:
    ids = waiting(clinic, "Asha", "Bina")
    page = choose(admin, *ids)
    code = code_for(admin, clinic, page)
    answer = admin.post(f"{page}/approve", {"code": f"{(int(code) + 1) % 1_000_000:06d}"})
    assert answer.status_code == 422
    assert "4 tries are left" in soup(answer).select_one("#code-error").get_text()
    assert {status(each) for each in ids} == {Status.PHARMACIST_COMPLETED}
    assert admin.post(f"{page}/approve", {"code": code}).status_code == 303


def test_a_choice_belongs_to_who_made_it(admin: Visitor, clinic: Clinic) -> None:
    page = choose(admin, *waiting(clinic, "Asha"))
    other = clinic.visitor(clinic.person("admin"))
    for address in (page, f"{page}/code-state"):
        assert other.get(address).status_code == 404
    for step in ("code", "approve", "leave-out"):
        assert other.post(f"{page}/{step}", {"code": "123456"}).status_code == 404


def test_when_nothing_can_be_approved_no_code_is_used(admin: Visitor, clinic: Clinic) -> None:
    (scan_id,) = waiting(clinic, "Asha")
    page = choose(admin, scan_id)
    code = code_for(admin, clinic, page)
    admin.post(f"/admin/scans/{scan_id}/hold", {"to": "doctor", "note": "Which side?"})
    assert admin.post(f"{page}/approve", {"code": code}).status_code == 409
    assert admin.post(f"{page}/code").status_code == 409
    admin.post(f"/admin/scans/{scan_id}/lift")
    assert admin.post(f"{page}/approve", {"code": code}).status_code == 303


def test_an_approval_that_does_not_say_what_was_seen_releases_nothing_and_uses_no_code(
    admin: Visitor, clinic: Clinic
) -> None:
    (scan_id,) = waiting(clinic, "Asha")
    address = f"/admin/scans/{scan_id}"
    code = code_for(admin, clinic, address)
    for seen in ({}, {"seen": ""}):
        answer = admin.post(f"{address}/approve", {"code": code, **seen})
        assert answer.status_code == 409 and "did not say which reading and prescription you saw" in words(
            answer
        )
        assert status(scan_id) is Status.PHARMACIST_COMPLETED
    shown = soup(answer).select_one("form[action$=approve] input[name=seen]")["value"]
    assert admin.post(f"{address}/approve", {"code": code, "seen": shown}).status_code == 303


def test_a_page_that_showed_an_older_version_approves_nothing(admin: Visitor, clinic: Clinic) -> None:
    (scan_id,) = waiting(clinic, "Asha")
    address = f"/admin/scans/{scan_id}"
    seen = admin.page(address).select_one("input[name=seen]")["value"]
    admin.post(f"{address}/hold", {"to": "pharmacist", "note": "Which dose?"})
    pharmacist_id = clinic.person("pharmacist").id
    with transaction():
        by = db.session.get_one(User, pharmacist_id)
        prescriptions.correct(scan_id, lines=[Line()], none_needed=True, notes="", by=by)
    admin.post(f"{address}/lift")
    answer = admin.post(f"{address}/approve", {"code": "123456", "seen": seen})
    assert answer.status_code == 409 and "corrected since you opened this page" in words(answer)
    text = words(admin.get(address))
    assert "What version 2 changed" in text and "[removed: Amoxicillin" in text and "None needed" in text
