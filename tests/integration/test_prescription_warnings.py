"""Allergies and duplicates: what a pharmacist is warned of, and the reason why a line stands all the same."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.clock import now
from csss.database import db
from csss.prescriptions import line_warnings
from csss.prescriptions import services as prescriptions
from csss.reports.build import report_context
from csss.reports.document import report_html
from csss.scans.states import Status
from tests.factories import Clinic
from tests.integration.pages import fresh, one_root
from tests.integration.pharmacist import AMOXICILLIN, allergic, url, value
from tests.visitor import Visitor, soup, words


def test_an_allergy_blocks_beside_the_line_until_a_reason_is_written(
    pharmacist: Visitor, admin: Visitor, clinic: Clinic
) -> None:
    scan_id = allergic(clinic, "Pencillin: rash")
    lines = {name: [text, text] for name, text in AMOXICILLIN.items()} | {
        "drug": ["Paracetamol", "Amoxicillin"],
        "override_reason": ["", ""],
    }
    refused = pharmacist.post(url(scan_id, "complete"), lines)
    assert refused.status_code == 422
    page = soup(refused)
    note = page.select_one("#note-1")
    assert "is one of the penicillins" in note.get_text() and "Pencillin" in page.get_text()
    assert "write why it is right anyway" in page.select_one("#override_reason-1-error").get_text()
    assert page.select_one("#note-0 [hidden] #override_reason-0") is not None
    assert value(page, "drug-1") == "Amoxicillin" and value(page, "dose-1") == "500 mg"
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED

    reason = "Rash was measles; tolerated amoxicillin in 2024 <i>"
    assert (
        pharmacist.post(url(scan_id, "complete"), {**lines, "override_reason": ["", reason]}).status_code
        == 303
    )
    (written,) = prescriptions.versions(fresh(scan_id))
    assert [item.override_reason for item in written.items] == ["", reason]
    assert "penicillins" in written.items[1].warnings and not written.items[0].warnings
    told = words(admin.get(f"/admin/scans/{scan_id}"))
    assert f"Given all the same: {reason}" in told
    (event,) = db.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "prescription.warning_overridden")
    )
    assert event.detail == {"line": 2, "kinds": ["allergy_class"]} and event.subject_id == str(scan_id)


@pytest.mark.parametrize("reason", ["   ", "\u200b", ".", "–"])
def test_a_reason_without_a_word_is_none(pharmacist: Visitor, clinic: Clinic, reason: str) -> None:
    scan_id = allergic(clinic, "penicillin")
    answer = pharmacist.post(url(scan_id, "complete"), {**AMOXICILLIN, "override_reason": reason})
    assert answer.status_code == 422
    assert "write why it is right anyway" in words(soup(answer).select_one("#override_reason-0-error"))


def test_the_reason_is_for_colleagues_and_stands_on_no_report(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = allergic(clinic, "Penicillin")
    pharmacist.post(
        url(scan_id, "complete"), {**AMOXICILLIN, "override_reason": "Tested negative by skin prick"}
    )
    context = report_context(fresh(scan_id), report_id="1", version=1, draft=True)
    html = report_html(context, pharmacist.app.jinja_env)
    assert "Amoxicillin" in html and "skin prick" not in html and "penicillins" not in html


def test_fewer_reasons_than_lines_belong_to_the_lines_that_were_warned_of(
    pharmacist: Visitor, clinic: Clinic
) -> None:
    scan_id = allergic(clinic, "Penicillin")
    lines = {name: [text, text] for name, text in AMOXICILLIN.items()} | {
        "drug": ["Paracetamol", "Amoxicillin"]
    }
    answer = pharmacist.post(url(scan_id, "complete"), {**lines, "override_reason": "Desensitised"})
    assert answer.status_code == 303
    (written,) = prescriptions.versions(fresh(scan_id))
    assert [item.override_reason for item in written.items] == ["", "Desensitised"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("amoxicilin 250 mg", "The same medicine is on another line"),
        ("Co-amoxiclav", "The same medicine is on another line"),
        ("Ampicillin", "A medicine of the same class is on another line"),
    ],
)
def test_the_same_medicine_or_class_twice_blocks(
    pharmacist: Visitor, clinic: Clinic, other: str, said: str
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    lines = {name: [text, text] for name, text in AMOXICILLIN.items()} | {"drug": ["Amoxicillin", other]}
    refused = pharmacist.post(url(scan_id, "complete"), lines)
    assert refused.status_code == 422
    assert said in soup(refused).select_one("#note-1").get_text()


def test_what_an_earlier_prescription_still_gives_is_a_duplicate(pharmacist: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient)  # amoxicillin for 5 days
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED, patient=patient).id
    refused = pharmacist.post(url(scan_id, "complete"), AMOXICILLIN)
    assert refused.status_code == 422 and "may still be taking this: Amoxicillin" in words(refused)
    with pytest.MonkeyPatch.context() as time:
        time.setattr("csss.prescriptions.line_warnings.clock.now", lambda: now() + timedelta(days=6))
        assert line_warnings.still_taken(fresh(scan_id)) == []


def test_none_known_not_asked_and_listed_are_told_apart(pharmacist: Visitor, clinic: Clinic) -> None:
    said = {
        "": "Allergies not asked",
        "none": "No known allergies: the patient has written “none”.",
        "Penicillin": "Warnings check for: penicillins.",
        "Shellfish": "No medicine was recognised in these words",
    }
    for text, sentence in said.items():
        assert sentence in words(pharmacist.get(url(allergic(clinic, text))))
    queue = words(pharmacist.fragment("/pharmacist/"))
    assert "Not asked" in queue and "None known" in queue and "Shellfish" in queue


def test_while_typing_htmx_asks_what_is_known_of_a_line(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = allergic(clinic, "Penicillin")
    fields = {**AMOXICILLIN, "drug": ["Paracetamol", "Amoxycillin"], "place": "line-1"}
    answer = pharmacist.post(url(scan_id, "line"), fields, htmx=True)
    one_root(answer, "note-1")
    assert "capsule 250 mg, 500 mg" in words(answer) and "one of the penicillins" in words(answer)
    assert pharmacist.post(url(scan_id, "line"), {**fields, "place": "x"}, htmx=True).status_code == 200
    assert not prescriptions.versions(fresh(scan_id))
