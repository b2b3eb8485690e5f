"""What a pharmacist sees and does: the queue, prescribing, and correcting what an administrator asks about."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select
from werkzeug.test import TestResponse

from csss.audit.models import AuditEvent
from csss.clock import now
from csss.database import db, transaction
from csss.prescriptions import line_warnings
from csss.prescriptions import services as prescriptions
from csss.prescriptions.models import Route
from csss.prescriptions.services import MAX_ITEMS
from csss.reports import services as reports
from csss.reports.build import report_context
from csss.reports.document import report_html
from csss.scans import services
from csss.scans.models import Scan
from csss.scans.states import HoldFor, Priority, Status
from tests.factories import Clinic, reading
from tests.visitor import Visitor, soup, words

AMOXICILLIN = {
    "drug": "Amoxicillin",
    "dose": "500 mg",
    "route": "oral",
    "frequency": "three times a day",
    "duration": "5 days",
}


def url(scan: Scan | uuid.UUID, step: str = "") -> str:
    scan_id = scan.id if isinstance(scan, Scan) else scan
    return f"/pharmacist/scans/{scan_id}{'/' + step if step else ''}"


def fresh(scan_id: uuid.UUID) -> Scan:
    db.session.remove()
    return db.session.get_one(Scan, scan_id)


def hold(clinic: Clinic, scan_id: uuid.UUID, to: HoldFor = HoldFor.PHARMACIST, note: str = "Dose?") -> None:
    admin = clinic.person("admin")
    with transaction():
        reports.hold(scan_id, to=to, note=note, by=admin)


def one_root(answer: TestResponse, root: str) -> None:
    page = soup(answer)
    assert page.select_one("html") is None
    tags = [tag for tag in page.find_all(recursive=False) if tag.name != "hx-partial"]
    assert [tag.get("id") for tag in tags] == [root]
    assert "HX-Request" in answer.headers["Vary"]


def listed(page: BeautifulSoup) -> list[str]:
    return [link.get_text() for link in page.select("#queue tbody td.main a")]


def value(page: BeautifulSoup, field: str) -> Any:
    return page.select_one(f"#{field}").get("value", "")


# The queue


def test_the_queue_holds_what_waits_for_a_prescription(pharmacist: Visitor, clinic: Clinic) -> None:
    verified = clinic.person("patient", name="Asha Verified")
    held = clinic.person("patient", name="Bina Held")
    other = clinic.person("patient", name="Chitra Elsewhere")
    clinic.scan(Status.DOCTOR_VERIFIED, patient=verified)
    hold(clinic, clinic.scan(Status.PHARMACIST_COMPLETED, patient=held).id)
    clinic.scan(Status.AI_ANALYZED, patient=other)
    clinic.scan(Status.PHARMACIST_COMPLETED, patient=other)
    closed = clinic.scan(Status.DOCTOR_VERIFIED, patient=other).id
    doctor = clinic.person("doctor")
    with transaction():
        services.close(closed, reason="Wrong patient", by=doctor)

    page = pharmacist.page("/pharmacist/")
    assert sorted(listed(page)) == ["Asha Verified", "Bina Held"]
    text = " ".join(page.select_one("#queue").get_text(" ").split())
    assert "To prescribe" in text and "Correction asked for" in text and "Normal chest" in text


def test_a_row_tells_allergies_age_and_mrn(pharmacist: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    clinic.scan(Status.DOCTOR_VERIFIED, patient=patient)
    with transaction():
        patient.patient.allergies = "Penicillin <b>"
        mrn = patient.patient.mrn
    row = pharmacist.page("/pharmacist/").select_one("#queue tbody tr")
    assert "Penicillin <b>" in row.get_text() and row.select_one("b") is None
    assert mrn in row.get_text()
    assert row.select_one(".tag--bad") is not None


def test_search_sort_and_pages(pharmacist: Visitor, clinic: Clinic) -> None:
    doctor = clinic.person("doctor")
    first = clinic.scan(Status.DOCTOR_VERIFIED, patient=clinic.person("patient", name="Asha"), doctor=doctor)
    last = clinic.scan(Status.DOCTOR_VERIFIED, patient=clinic.person("patient", name="Zoya"), doctor=doctor)
    mrn, last_id = first.patient.mrn, last.id
    with transaction():
        services.set_priority(last_id, Priority.URGENT, by=doctor)
    assert listed(pharmacist.page("/pharmacist/")) == ["Zoya", "Asha"]
    assert listed(pharmacist.page("/pharmacist/?sort=waiting")) == ["Asha", "Zoya"]
    assert listed(pharmacist.page("/pharmacist/?sort=newest")) == ["Zoya", "Asha"]
    assert listed(pharmacist.page("/pharmacist/?q=zoy")) == ["Zoya"]
    assert listed(pharmacist.page(f"/pharmacist/?q={mrn[:6]}")) == ["Asha"]
    assert "No patient was found" in words(pharmacist.get("/pharmacist/?q=nobody%25"))
    # Addresses are built from what a visitor sends; nothing of it may change where a link leads.
    page = pharmacist.page("/pharmacist/?page=99&_external=1&_scheme=javascript&endpoint=admin.queue")
    assert listed(page) == ["Zoya", "Asha"]
    assert not [link for link in page.select("a[href]") if link["href"].startswith("javascript")]


def test_a_row_costs_no_query(
    pharmacist: Visitor, clinic: Clinic, queries_of: Callable[[Callable[[], object]], int]
) -> None:
    def some(number: int) -> None:
        doctor = clinic.person("doctor")
        for _ in range(number):
            clinic.scan(Status.DOCTOR_VERIFIED, patient=clinic.person("patient"), doctor=doctor)

    some(3)
    few = queries_of(lambda: pharmacist.get("/pharmacist/"))
    some(9)
    many = queries_of(lambda: pharmacist.get("/pharmacist/"))
    assert len(listed(pharmacist.page("/pharmacist/"))) == 12
    assert many == few <= 12


# Prescribing


def test_the_page_tells_allergies_and_the_doctors_words_first(pharmacist: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    scan_id = clinic.scan(
        Status.DOCTOR_VERIFIED, patient=patient, result=reading("COVID", 0.93), findings="<script>x</script>"
    ).id
    with transaction():
        patient.patient.allergies = "Penicillin"
    page = pharmacist.page(url(scan_id))
    text = words(pharmacist.get(url(scan_id)))
    assert page.select_one(".alert--bad .alert__title").get_text() == "Allergies"
    assert text.index("Penicillin") < text.index("Normal chest") < text.index("93.0 %")
    assert "<script>x</script>" in text
    assert [option["value"] for option in page.select("#route-0 option")] == [route.value for route in Route]
    assert page.select_one(f"a[href='/scans/{scan_id}/image']") is not None


def test_a_prescription_moves_the_scan_on(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    fields = {
        # Three lines of which the second is blank; the last list is shorter, as browsers may send it.
        "drug": ["Amoxicillin", "", "Salbutamol"],
        "dose": ["500 mg", "", "100 µg"],
        "route": ["oral", "oral", "inhaled"],
        "frequency": ["three times a day", "", "when needed"],
        "duration": ["5 days"],
        "notes": "With food.",
    }
    answer = pharmacist.post(url(scan_id, "complete"), fields)
    assert answer.status_code == 303
    assert answer.headers["Location"] == url(scan_id)
    scan = fresh(scan_id)
    assert scan.status is Status.PHARMACIST_COMPLETED
    (written,) = prescriptions.versions(scan)
    assert written.pharmacist_id == pharmacist.user_id
    assert [(i.drug, i.dose, i.route, i.frequency, i.duration) for i in written.items] == [
        ("Amoxicillin", "500 mg", Route.ORAL, "three times a day", "5 days"),
        ("Salbutamol", "100 µg", Route.INHALED, "when needed", ""),
    ]
    page = pharmacist.page(url(scan_id))
    assert "Salbutamol" in page.get_text() and "The prescription is complete." in page.get_text()
    assert page.select_one("#prescription form") is None


def test_none_needed_is_a_statement_of_its_own(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    assert pharmacist.post(url(scan_id, "complete"), {"none_needed": "y"}).status_code == 303
    (written,) = prescriptions.versions(fresh(scan_id))
    assert written.none_needed and not written.items


def test_nothing_entered_is_refused(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    answer = pharmacist.post(url(scan_id, "complete"), {"drug": "", "route": "oral"})
    assert answer.status_code == 422
    assert "Enter at least one medicine, or tick that none is needed." in words(answer)
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED


def test_errors_stand_beside_the_right_line_and_all_is_kept(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    fields = {
        "drug": ["Amoxicillin", 'Vitamin "C" <b>'],
        "dose": ["500 mg"],
        "route": ["oral", "by magic"],
        "frequency": ["three times a day", "x" * 101],
        "notes": "Do not\ncrush.",
    }
    answer = pharmacist.post(url(scan_id, "complete"), fields)
    assert answer.status_code == 422
    page = soup(answer)
    assert {tag["id"] for tag in page.select(".field__error")} == {
        "dose-1-error",
        "route-1-error",
        "frequency-1-error",
    }
    assert "Enter the dose." in page.select_one("#dose-1-error").get_text()
    assert page.select_one("#dose-1")["aria-describedby"] == "dose-1-error"
    assert (
        "Medicine 2: Enter the dose." in page.select_one("[data-error-summary] a[href='#dose-1']").get_text()
    )
    assert value(page, "drug-0") == "Amoxicillin" and value(page, "drug-1") == 'Vitamin "C" <b>'
    assert value(page, "frequency-1") == "x" * 101
    assert page.select_one("#notes").get_text().strip() == "Do not\ncrush."
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED


def test_medicines_and_none_needed_contradict_each_other(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    answer = pharmacist.post(url(scan_id, "complete"), {**AMOXICILLIN, "none_needed": "y"})
    assert answer.status_code == 422
    page = soup(answer)
    assert "keep one of the two" in page.select_one("#none_needed-error").get_text()
    assert page.select_one("#none_needed").has_attr("checked")


@pytest.mark.parametrize("step", ["complete", "correct"])
def test_without_script_lines_are_added_and_removed_by_the_server(
    pharmacist: Visitor, clinic: Clinic, step: str
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED if step == "complete" else Status.PHARMACIST_COMPLETED).id
    if step == "correct":
        hold(clinic, scan_id)
    fields = {"drug": ["A", "B"], "dose": ["1", "2"], "route": ["oral", "nasal"], "notes": "kept"}
    answer = pharmacist.post(url(scan_id, step), {**fields, "add_line": "1"})
    page = soup(answer)
    assert answer.status_code == 200
    assert len(page.select("[data-repeat-row]")) == 3
    assert [value(page, f"drug-{line}") for line in range(3)] == ["A", "B", ""]
    assert page.select_one("#route-1 option[selected]")["value"] == "nasal"
    assert page.select_one("#notes").get_text().strip() == "kept"

    page = soup(pharmacist.post(url(scan_id, step), {**fields, "remove_line": "0"}))
    assert [value(page, tag["id"]) for tag in page.select("[name=drug]")] == ["B"]
    page = soup(pharmacist.post(url(scan_id, step), {"drug": "A", "remove_line": "0"}))
    assert [value(page, tag["id"]) for tag in page.select("[name=drug]")] == [""]
    assert len(prescriptions.versions(fresh(scan_id))) == (step == "correct")


def test_return_in_a_field_neither_signs_nor_removes(pharmacist: Visitor, clinic: Clinic) -> None:
    """The browser presses the first button of the form."""
    page = pharmacist.page(url(clinic.scan(Status.DOCTOR_VERIFIED)))
    assert page.select("#prescription form [type=submit]")[0]["name"] == "add_line"


def test_more_lines_than_anybody_means_are_refused(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    one = {name: [text] * (MAX_ITEMS + 1) for name, text in AMOXICILLIN.items()}
    answer = pharmacist.post(url(scan_id, "complete"), one)
    assert answer.status_code == 422 and f"At most {MAX_ITEMS} medicines" in words(answer)
    assert pharmacist.post(url(scan_id, "complete"), {"drug": ["x"] * 1000}).status_code == 422
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED


def test_the_second_of_two_pharmacists_is_told_and_loses_no_text(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    clinic.complete(scan_id, clinic.person("pharmacist"))
    answer = pharmacist.post(url(scan_id, "complete"), {**AMOXICILLIN, "drug": "Doxycycline"})
    assert answer.status_code == 409
    text = words(answer)
    assert "The pharmacist has completed the scan already" in text and "Waiting for approval" in text
    assert "Doxycycline" in text
    assert soup(answer).select_one("#prescription form") is None
    assert len(prescriptions.versions(fresh(scan_id))) == 1


@pytest.mark.parametrize("status", [Status.PENDING_AI, Status.AI_ANALYZED, Status.REPORT_READY])
def test_a_step_at_the_wrong_time_answers_409_before_anything_else(
    pharmacist: Visitor, clinic: Clinic, status: Status
) -> None:
    scan_id = clinic.scan(status).id
    assert pharmacist.page(url(scan_id)).select_one("#prescription form") is None
    for step in ("complete", "correct"):
        assert pharmacist.post(url(scan_id, step), {}).status_code == 409
    assert fresh(scan_id).status is status


def test_a_scan_on_hold_for_the_doctor_waits(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    hold(clinic, scan_id, HoldFor.DOCTOR)
    page = pharmacist.page(url(scan_id))
    assert "has asked the doctor for a correction" in page.get_text()
    assert page.select_one("#prescription form") is None
    assert pharmacist.post(url(scan_id, "complete"), AMOXICILLIN).status_code == 409


# Correcting


def test_a_correction_stands_beside_what_it_corrects(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    assert pharmacist.post(url(scan_id, "correct"), AMOXICILLIN).status_code == 409
    hold(clinic, scan_id, note="Please <i>check</i> the dose.")
    page = pharmacist.page(url(scan_id))
    assert "Please <i>check</i> the dose." in page.get_text()
    assert page.select_one("#prescription form")["action"] == url(scan_id, "correct")
    assert value(page, "drug-0") == "Amoxicillin" and value(page, "dose-0") == "500 mg"
    assert page.select_one("#notes").get_text().strip() == "With food."

    answer = pharmacist.post(url(scan_id, "correct"), {**AMOXICILLIN, "dose": "250 mg"})
    assert answer.status_code == 303
    scan = fresh(scan_id)
    assert scan.status is Status.PHARMACIST_COMPLETED
    assert scan.open_hold is not None and scan.open_hold.answered_at is not None
    assert [written.items[0].dose for written in prescriptions.versions(scan)] == ["500 mg", "250 mg"]
    text = words(pharmacist.get(url(scan_id)))
    assert "Version 1 of the prescription" in text and "Prescription corrected (version 2)" in text
    assert listed(pharmacist.page("/pharmacist/")) == []


def test_a_correction_is_checked_like_a_prescription(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    hold(clinic, scan_id)
    answer = pharmacist.post(url(scan_id, "correct"), {**AMOXICILLIN, "dose": ""})
    assert answer.status_code == 422
    assert soup(answer).select_one("#dose-0-error") is not None
    assert len(prescriptions.versions(fresh(scan_id))) == 1


# Everywhere


def test_pages_and_fragments(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    for address, root in (("/pharmacist/", "queue"), (url(scan_id), "prescription")):
        one_root(pharmacist.fragment(address), root)
        whole = pharmacist.get(address)
        assert "HX-Request" in whole.headers["Vary"]
        assert len(soup(whole).select(f"html #{root}")) == 1
    refused = pharmacist.post(url(scan_id, "complete"), {}, htmx=True)
    assert refused.status_code == 422
    one_root(refused, "prescription")
    done = pharmacist.post(url(scan_id, "complete"), AMOXICILLIN, htmx=True)
    assert done.status_code == 204 and done.headers["HX-Redirect"] == url(scan_id)
    late = pharmacist.post(url(scan_id, "complete"), AMOXICILLIN, htmx=True)
    assert late.status_code == 409
    one_root(late, "prescription")


def test_no_id_stands_twice_on_a_page(pharmacist: Visitor, clinic: Clinic) -> None:
    held = clinic.scan(Status.PHARMACIST_COMPLETED).id
    hold(clinic, held)
    for address in ("/pharmacist/", url(clinic.scan(Status.DOCTOR_VERIFIED)), url(held)):
        ids = [tag["id"] for tag in pharmacist.page(address).select("[id]")]
        assert len(ids) == len(set(ids)), address


def test_only_pharmacists_come_here(
    clinic: Clinic, patient: Visitor, doctor: Visitor, admin: Visitor, pharmacist: Visitor
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED, patient=patient.user).id
    for visitor in (patient, doctor, admin):
        assert visitor.get("/pharmacist/").status_code == 403
        assert visitor.get(url(scan_id)).status_code == 403
        assert visitor.post(url(scan_id, "complete"), AMOXICILLIN).status_code == 403
    missing = uuid.uuid4()
    assert pharmacist.get(url(missing)).status_code == 404
    for step in ("complete", "correct"):
        assert pharmacist.post(url(missing, step), AMOXICILLIN).status_code == 404
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED


# Allergies, duplicates, and the reason why a line stands all the same


def allergic(clinic: Clinic, text: str, status: Status = Status.DOCTOR_VERIFIED) -> uuid.UUID:
    """The id of a scan of a patient who has written this about allergies."""
    patient = clinic.person("patient")
    scan_id = clinic.scan(status, patient=patient).id
    with transaction():
        patient.patient.allergies = text
    return scan_id


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
    assert "write why it is right all the same" in page.select_one("#override_reason-1-error").get_text()
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
    assert "Warning set aside: Amoxicillin" in told and reason in told
    (event,) = db.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "prescription.warning_overridden")
    )
    assert event.detail == {"line": 2, "kinds": ["allergy"]} and event.subject_id == str(scan_id)


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
        "Penicillin": "Warnings watch for: penicillins.",
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


# Templates


def template_of(page: BeautifulSoup, name: str) -> str:
    return next(option["value"] for option in page.select("#template option") if name in option.get_text())


def test_a_template_fills_in_lines_and_notes_and_signs_nothing(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = allergic(clinic, "Penicillin")
    chosen = template_of(pharmacist.page(url(scan_id)), "Pneumonia, treated at home")
    answer = pharmacist.post(
        url(scan_id, "complete"),
        {
            "drug": ["Paracetamol", ""],
            "dose": "500 mg",
            "notes": "Rest.",
            "template": chosen,
            "use_template": "1",
        },
    )
    page = soup(answer)
    assert answer.status_code == 200
    assert [value(page, f"drug-{place}") for place in range(2)] == ["Paracetamol", "Amoxicillin"]
    assert value(page, "dose-0") == "500 mg" and value(page, "frequency-1") == "three times a day"
    assert page.select_one("#notes").get_text().strip().startswith("Rest.\nTake the antibiotic")
    assert "one of the penicillins" in page.select_one("#note-1").get_text()
    assert page.select_one("#drug-1").has_attr("autofocus")
    nothing = pharmacist.post(url(scan_id, "complete"), {"template": "", "use_template": "1"})
    gone = pharmacist.post(url(scan_id, "complete"), {"template": str(uuid.uuid4()), "use_template": "1"})
    assert nothing.status_code == gone.status_code == 200
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED


def test_templates_are_ones_own_or_the_hospitals(pharmacist: Visitor, clinic: Clinic) -> None:
    fields = {**AMOXICILLIN, "name": "My cough", "owner": "me", "notes": "Warm tea."}
    assert pharmacist.post("/pharmacist/templates/new", fields).status_code == 303
    mine = next(
        a["href"] for a in pharmacist.page("/pharmacist/templates").select("#templates a") if "My" in a.text
    )
    colleague = clinic.visitor(clinic.person("pharmacist"))
    assert colleague.get(mine).status_code == 404
    assert colleague.post(f"{mine}/remove").status_code == 404
    page = pharmacist.page(mine)
    assert (
        value(page, "drug-0") == "Amoxicillin" and page.select_one("#notes").get_text().strip() == "Warm tea."
    )
    assert pharmacist.post(mine, {**fields, "owner": "hospital", "dose": "1 g"}).status_code == 303
    assert value(colleague.page(mine), "dose-0") == "1 g"
    assert pharmacist.post(f"{mine}/remove").status_code == 303
    assert "My cough" not in words(pharmacist.get("/pharmacist/templates"))
    assert pharmacist.get(mine).status_code == 404


@pytest.mark.both_databases
def test_only_its_maker_changes_a_template_of_the_hospital(
    clinic: Clinic, pharmacist: Visitor, admin: Visitor
) -> None:
    fields = {**AMOXICILLIN, "name": "For all", "owner": "hospital"}
    assert pharmacist.post("/pharmacist/templates/new", fields).status_code == 303
    colleague = clinic.visitor(clinic.person("pharmacist"))

    def address(visitor: Visitor) -> str:
        links = visitor.page("/pharmacist/templates").select("#templates a")
        return str(next(a["href"] for a in links if "For all" in a.text))

    theirs = address(colleague)
    page = colleague.page(theirs)
    assert f"{pharmacist.user.name} has made this template" in page.get_text()
    assert not page.select(f"form[action='{theirs}'], form[action='{theirs}/remove']")
    assert page.select_one("form[action='/pharmacist/templates/new'] [value=me]").has_attr("checked")
    for answer in (
        colleague.post(theirs, {**fields, "dose": "9 g"}),
        colleague.post(theirs, {**fields, "owner": "me"}),
        colleague.post(f"{theirs}/remove"),
    ):
        assert answer.status_code == 409 and "Only the colleague who made" in words(answer)
    assert value(pharmacist.page(theirs), "dose-0") == AMOXICILLIN["dose"]
    assert pharmacist.post(theirs, {**fields, "dose": "1 g"}).status_code == 303
    # Nobody is left who answers for it: then any pharmacist may, and answers for it from then on.
    assert admin.post(f"/admin/users/{pharmacist.user_id}/deactivate").status_code == 303
    assert colleague.post(theirs, {**fields, "dose": "2 g"}).status_code == 303
    third = clinic.visitor(clinic.person("pharmacist"))
    assert value(third.page(theirs), "dose-0") == "2 g"
    assert third.post(f"{theirs}/remove").status_code == 409
    assert colleague.post(f"{theirs}/remove").status_code == 303


def test_a_template_that_came_with_the_system_belongs_to_whoever_changes_it_first(
    clinic: Clinic, pharmacist: Visitor
) -> None:
    links = pharmacist.page("/pharmacist/templates").select("#templates a")
    first = str(links[0]["href"])
    fields = {**AMOXICILLIN, "name": "Ours now", "owner": "hospital"}
    assert pharmacist.post(first, fields).status_code == 303
    colleague = clinic.visitor(clinic.person("pharmacist"))
    assert colleague.post(first, fields).status_code == 409
    assert colleague.post(f"{links[1]['href']}/remove").status_code == 303


def test_a_template_that_lacks_something_says_so_and_loses_nothing(pharmacist: Visitor) -> None:
    refused = pharmacist.post(
        "/pharmacist/templates/new", {"drug": "Paracetamol", "owner": "hospital", "notes": "Tea"}
    )
    assert refused.status_code == 422
    page = soup(refused)
    assert {tag["id"] for tag in page.select(".field__error")} == {
        "name-error",
        "dose-0-error",
        "frequency-0-error",
        "route-0-error",
    }
    assert value(page, "drug-0") == "Paracetamol" and page.select_one("[value=hospital]").has_attr("checked")
    added = soup(
        pharmacist.post("/pharmacist/templates/new", {"name": "X", "drug": "Paracetamol", "add_line": "1"})
    )
    assert len(added.select("[data-repeat-row]")) == 2 and value(added, "name") == "X"


def test_the_medicines_of_the_hospital_complete_what_is_typed(pharmacist: Visitor, clinic: Clinic) -> None:
    page = pharmacist.page(url(clinic.scan(Status.DOCTOR_VERIFIED)))
    assert page.select_one("#drug-0")["list"] == "formulary"
    names = [option["value"] for option in page.select("#formulary option")]
    assert "Amoxicillin" in names and len(names) >= 150
