"""What can be no dose is refused beside the field; more than the maximum daily dose needs a reason that colleagues read."""

import uuid

import pytest
from bs4 import Tag
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.database import db
from csss.prescriptions import services as prescriptions
from csss.reports.build import report_context
from csss.reports.document import report_html
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import Clinic
from tests.visitor import Visitor, soup, words

CETIRIZINE = {
    "drug": "Cetirizine",
    "dose": "10 mg",
    "route": "oral",
    "frequency": "once a day",
    "duration": "5 days",
}
REASON = "Chronic urticaria, agreed with the dermatologist <i>"


@pytest.fixture
def scan_id(clinic: Clinic) -> uuid.UUID:
    return clinic.scan(Status.DOCTOR_VERIFIED).id


def url(scan_id: uuid.UUID, step: str = "") -> str:
    return f"/pharmacist/scans/{scan_id}" + (f"/{step}" if step else "")


def text(tag: Tag | None) -> str:
    """In one line."""
    assert tag is not None
    return " ".join(tag.get_text(" ").split())


def status_of(scan_id: uuid.UUID) -> Status:
    db.session.remove()
    return db.session.get_one(Scan, scan_id).status


@pytest.mark.parametrize(
    ("dose", "sentence"),
    [
        ("-500 mg", "A dose must be more than zero."),
        ("0 mg", "A dose must be more than zero."),
        ("some", "a number and a unit"),
        ("500", "Write a unit after the number"),
        ("2 puffs", "does not fit the route “Oral”"),
        ("10 IU", "Cetirizine is measured in mg, not in IU."),
    ],
)
def test_what_is_no_dose_is_refused_beside_the_field_and_nothing_is_lost(
    pharmacist: Visitor, scan_id: uuid.UUID, dose: str, sentence: str
) -> None:
    answer = pharmacist.post(url(scan_id, "complete"), {**CETIRIZINE, "dose": dose})
    assert answer.status_code == 422
    page = soup(answer)
    assert sentence in page.select_one("#dose-0-error").get_text()
    assert sentence in page.select_one("[data-error-summary] a[href='#dose-0']").get_text()
    assert page.select_one("#dose-0")["value"] == dose and page.select_one("#duration-0")["value"] == "5 days"
    # A reason makes no dose of it.
    answer = pharmacist.post(url(scan_id, "complete"), {**CETIRIZINE, "dose": dose, "override_reason": "So."})
    assert answer.status_code == 422 and status_of(scan_id) is Status.DOCTOR_VERIFIED


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("drug", "dose", "frequency", "told"),
    [
        (
            "Cetirizine",
            "500 g",
            "once a day",
            "comes to 500 g a day. The maximum daily dose of Cetirizine is 10 mg.",
        ),
        (
            "Warfarin",
            "5000 mg",
            "ten times a day",
            "comes to 50 g a day. The maximum daily dose of Warfarin is 15 mg.",
        ),
    ],
)
def test_above_the_greatest_dose_a_day_a_reason_is_asked_for_and_kept(
    pharmacist: Visitor, admin: Visitor, scan_id: uuid.UUID, drug: str, dose: str, frequency: str, told: str
) -> None:
    line = {**CETIRIZINE, "drug": drug, "dose": dose, "frequency": frequency}
    refused = pharmacist.post(url(scan_id, "complete"), line)
    assert refused.status_code == 422
    page = soup(refused)
    assert told in text(page.select_one("#note-0"))
    assert page.select_one("#note-0 [hidden]") is None
    assert "write why it is right anyway" in page.select_one("#override_reason-0-error").get_text()
    assert page.select_one("#dose-0")["value"] == dose

    taken = pharmacist.post(url(scan_id, "complete"), {**line, "override_reason": REASON})
    assert taken.status_code == 303 and status_of(scan_id) is Status.PHARMACIST_COMPLETED
    (written,) = prescriptions.versions(db.session.get_one(Scan, scan_id))
    assert told in " ".join(written.items[0].warnings.split()) and written.items[0].override_reason == REASON
    for visitor, address, before in (
        (admin, f"/admin/scans/{scan_id}", "Given all the same:"),
        (pharmacist, url(scan_id), f"Warning set aside: {drug}"),
    ):
        seen = words(visitor.get(address))
        assert before in seen and told in seen and REASON in seen
    (event,) = db.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "prescription.warning_overridden")
    )
    assert event.detail == {"line": 1, "kinds": ["day_high"]}
    context = report_context(db.session.get_one(Scan, scan_id), report_id="1", version=1, draft=True)
    html = report_html(context, pharmacist.app.jinja_env)
    assert dose in html and "urticaria" not in html and "daily dose" not in html


def test_the_note_under_a_line_is_asked_for_when_dose_route_or_frequency_change(
    pharmacist: Visitor, scan_id: uuid.UUID
) -> None:
    note = soup(pharmacist.get(url(scan_id))).select_one("#note-0")
    for name in ("drug", "dose", "route", "frequency"):
        assert f"change from:'previous .line-{name}'" in note["hx-trigger"]
        assert soup(pharmacist.get(url(scan_id))).select_one(f"#{name}-0.line-{name}") is not None
    sent = {**CETIRIZINE, "dose": "500 g", "place": "line-0"}
    told = words(pharmacist.post(url(scan_id, "line"), sent, htmx=True))
    assert "Cetirizine: tablet 10 mg. Maximum daily dose: 10 mg." in told
    assert "This comes to 500 g a day." in told
    unknown = words(pharmacist.post(url(scan_id, "line"), {**sent, "drug": "Wondermycin"}, htmx=True))
    assert "This medicine is not in the formulary: how much is too much" in unknown
    assert "This comes to" not in unknown


def test_a_medicine_that_the_formulary_lacks_needs_a_number_and_a_unit(
    pharmacist: Visitor, scan_id: uuid.UUID
) -> None:
    line = {**CETIRIZINE, "drug": "Wondermycin", "dose": "500"}
    assert pharmacist.post(url(scan_id, "complete"), line).status_code == 422
    assert pharmacist.post(url(scan_id, "complete"), {**line, "dose": "500 mg"}).status_code == 303


def test_a_template_takes_only_what_can_be_a_dose_and_says_when_a_reason_will_be_asked_for(
    pharmacist: Visitor, scan_id: uuid.UUID
) -> None:
    template = {**CETIRIZINE, "name": "Hay fever", "owner": "me", "dose": "-500 mg"}
    answer = pharmacist.post("/pharmacist/templates/new", template)
    assert answer.status_code == 422
    assert "A dose must be more than zero." in soup(answer).select_one("#dose-0-error").get_text()
    assert pharmacist.post("/pharmacist/templates/new", {**template, "dose": "10 mg"}).status_code == 303
    assert "Each time it is prescribed a reason is asked for." not in words(
        pharmacist.get("/pharmacist/templates")
    )
    much = {**template, "dose": "500 g", "name": "Too much"}
    assert pharmacist.post("/pharmacist/templates/new", much).status_code == 303
    page = pharmacist.page("/pharmacist/templates")
    assert "comes to 500 g a day" in text(
        page
    ) and "Each time it is prescribed a reason is asked for." in text(page)
    chosen = next(
        each["value"]
        for each in pharmacist.page(url(scan_id)).select("#template option")
        if "Too" in each.text
    )
    filled = pharmacist.post(url(scan_id, "complete"), {"template": str(chosen), "use_template": "1"})
    assert "This comes to 500 g a day." in text(soup(filled).select_one("#note-0"))


def test_every_template_that_comes_with_csss_can_be_prescribed_as_it_is(
    pharmacist: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    options = [
        each["value"] for each in pharmacist.page(url(scan_id)).select("#template option") if each["value"]
    ]
    assert options
    for option in options:
        filled = soup(pharmacist.post(url(scan_id, "complete"), {"template": option, "use_template": "1"}))
        fields = ("drug", "dose", "frequency", "duration")
        lines = {name: [each["value"] for each in filled.select(f"[name={name}]")] for name in fields}
        lines["route"] = [each["value"] for each in filled.select("[name=route] option[selected]")]
        scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
        answer = pharmacist.post(url(scan_id, "complete"), lines)
        assert answer.status_code == 303, (lines, words(answer))
        scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
