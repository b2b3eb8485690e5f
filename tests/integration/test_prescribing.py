"""A pharmacist prescribes, and corrects what an administrator asks about."""

import pytest

from csss.database import transaction
from csss.prescriptions import services as prescriptions
from csss.prescriptions.models import Route
from csss.prescriptions.services import MAX_ITEMS
from csss.scans.states import HoldFor, Status
from tests.factories import Clinic, reading
from tests.integration.pages import fresh
from tests.integration.pharmacist import AMOXICILLIN, hold, listed, url, value
from tests.visitor import Visitor, soup, words

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
    assert page.select_one("#prescription [name=add_line]") is None


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
    assert soup(answer).select_one("#prescription [name=add_line]") is None
    assert len(prescriptions.versions(fresh(scan_id))) == 1


@pytest.mark.parametrize("status", [Status.PENDING_AI, Status.AI_ANALYZED, Status.REPORT_READY])
def test_a_step_at_the_wrong_time_answers_409_before_anything_else(
    pharmacist: Visitor, clinic: Clinic, status: Status
) -> None:
    scan_id = clinic.scan(status).id
    assert pharmacist.page(url(scan_id)).select_one("#prescription [name=add_line]") is None
    for step in ("complete", "correct"):
        assert pharmacist.post(url(scan_id, step), {}).status_code == 409
    assert fresh(scan_id).status is status


def test_a_scan_on_hold_for_the_doctor_waits(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    hold(clinic, scan_id, HoldFor.DOCTOR)
    page = pharmacist.page(url(scan_id))
    assert "has asked the doctor for a correction" in page.get_text()
    assert page.select_one("#prescription [name=add_line]") is None
    assert pharmacist.post(url(scan_id, "complete"), AMOXICILLIN).status_code == 409


# Corrections


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
