"""An administrator asks for a correction: a hold, its answer and its end."""

from csss.database import db, transaction
from csss.people.models import User
from csss.prescriptions import services as prescriptions
from csss.prescriptions.lines import Line
from csss.scans.states import HoldFor, Status
from tests.factories import Clinic
from tests.integration.administrator import url
from tests.integration.pages import fresh
from tests.visitor import Visitor, soup, words


def test_a_hold_is_asked_answered_looked_at_and_lifted(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    answer = admin.post(url(scan_id, "hold"), {"to": "pharmacist", "note": "Check <the> dose."})
    assert answer.status_code == 303
    held = fresh(scan_id).open_hold
    assert held is not None and (held.to, held.note) == (HoldFor.PHARMACIST, "Check <the> dose.")
    page = admin.page(url(scan_id))
    assert "Check <the> dose." in page.get_text() and "Not answered yet." in page.get_text()
    assert page.select_one("form[action$=approve]") is None

    pharmacist_id = clinic.person("pharmacist").id
    with transaction():
        by = db.session.get_one(User, pharmacist_id)
        lines = [Line("Amoxicillin", "250 mg", "oral", "twice a day")]
        prescriptions.correct(scan_id, lines=lines, none_needed=False, notes="", by=by)
    text = words(admin.get(url(scan_id)))
    assert "Look at the new version before you lift the hold." in text
    assert "250 mg" in text and "Version 1 of the prescription" in text
    assert admin.post(url(scan_id, "lift")).status_code == 303
    page = admin.page(url(scan_id))
    assert page.select_one("form[action$=approve]") is not None
    assert "Lifted on" in page.get_text()


def test_a_hold_needs_somebody_and_a_note(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    answer = admin.post(url(scan_id, "hold"), {"note": "What I typed"})
    assert answer.status_code == 422
    page = soup(answer)
    assert page.select_one("#to-error") is not None and page.select_one("#note").get_text().strip() == (
        "What I typed"
    )
    assert page.select_one("details:has(#note)").has_attr("open")
    answer = admin.post(url(scan_id, "hold"), {"to": "doctor", "note": " "})
    assert answer.status_code == 422 and soup(answer).select_one("#note-error") is not None
    assert soup(answer).select_one("input[name=to][value=doctor]").has_attr("checked")
    assert fresh(scan_id).open_hold is None


def test_before_the_prescription_only_the_doctor_can_be_asked(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    page = admin.page(url(scan_id))
    assert [tag["value"] for tag in page.select("input[name=to]")] == ["doctor"]
    assert admin.post(url(scan_id, "hold"), {"to": "pharmacist", "note": "x"}).status_code == 409
    assert admin.post(url(scan_id, "hold"), {"to": "doctor", "note": "x"}).status_code == 303
