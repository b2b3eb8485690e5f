"""The worklist of a doctor: what it holds, in which order, and what is done from a row."""

from collections.abc import Callable

import pytest

from csss.scans.states import Status
from tests.factories import Clinic, reading
from tests.integration.doctor import LOOKED, hold, listed, url
from tests.visitor import Visitor, words


@pytest.mark.both_databases
def test_the_worklist_holds_what_a_doctor_has_to_act_on(doctor: Visitor, clinic: Clinic) -> None:
    waiting = clinic.scan().id
    analysed = clinic.scan(Status.AI_ANALYZED).id
    held = clinic.scan(Status.DOCTOR_VERIFIED).id
    answered = clinic.scan(Status.PHARMACIST_COMPLETED).id
    for scan_id in (held, answered):
        hold(clinic, scan_id)
    assert doctor.post(url(answered, "correct"), LOOKED).status_code == 303
    verified = clinic.scan(Status.DOCTOR_VERIFIED).id
    assert set(listed(doctor)) == {str(waiting), str(analysed), str(held)}
    counts = {
        link.contents[0].strip(): link.select_one(".count").get_text()
        for link in doctor.page("/doctor/").select(".tabs a")
    }
    assert counts["To do"] == "3" and counts["Verified by doctor"] == "2" and counts["All"] == "5"
    assert str(verified) in listed(doctor, "?status=DOCTOR_VERIFIED")
    assert listed(doctor, "?status=PENDING_AI") == [str(waiting)]
    assert len(listed(doctor, "?status=all")) == 5
    assert len(listed(doctor, "?status=nonsense&page=minus")) == 3


@pytest.mark.both_databases
def test_search_by_name_and_mrn(doctor: Visitor, clinic: Clinic) -> None:
    anna = clinic.person("patient", name="Anna <b>Berg</b>")
    scan = clinic.scan(patient=anna)
    found, mrn = [str(scan.id)], scan.patient.mrn
    clinic.scan()
    assert listed(doctor, "?q=berg") == found
    assert listed(doctor, f"?q={mrn}") == found
    assert listed(doctor, "?q=%25") == []
    assert doctor.get("/doctor/?q=%00").status_code == 400  # the guard: no person types that
    assert "Anna &lt;b&gt;Berg" in doctor.get("/doctor/?q=berg").get_data(as_text=True)
    assert "No scan matches “nobody”" in words(doctor.get("/doctor/?q=nobody"))


@pytest.mark.both_databases
def test_urgent_scans_come_first_and_say_so(doctor: Visitor, clinic: Clinic) -> None:
    old, new = clinic.scan().id, clinic.scan().id
    assert listed(doctor) == [str(old), str(new)]
    assert doctor.post(url(new, "priority"), {"priority": "urgent"}).status_code == 303
    assert listed(doctor) == [str(new), str(old)]
    assert "Urgent" in doctor.page("/doctor/").select_one(f"#scan-{new}").get_text()
    assert listed(doctor, "?sort=waiting") == [str(old), str(new)]
    assert listed(doctor, "?sort=newest") == [str(new), str(old)]


def test_an_uncertain_scan_says_why_in_the_list(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.5))
    row = doctor.page("/doctor/").select_one(f"#scan-{scan.id}").get_text(" ")
    assert "uncertain" in row and "The highest probability is below the threshold." in row


def test_analyse_from_the_row_comes_back_to_the_same_list(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    page = doctor.page("/doctor/?status=PENDING_AI&sort=newest")
    button = page.select_one(f"#scan-{scan_id} button[formaction]")
    form = page.select_one(f"form#{button['form']}")
    fields = {
        field["name"]: field["value"] for field in form.select("input") if field["name"] != "csrf_token"
    }
    answer = doctor.post(button["formaction"], fields)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/doctor/?status=PENDING_AI&sort=newest"
    assert (
        doctor.post(url(clinic.scan(), "analyze"), {"back": "//evil.example"}).headers["Location"]
        == "/doctor/"
    )
    page = doctor.page(answer.headers["Location"])
    assert page.select_one(f"#scan-{scan_id} button[formaction$=analyze]") is None
    assert page.select_one("#worklist")["data-live"] == "queue"


def test_a_row_costs_no_query(
    doctor: Visitor, clinic: Clinic, queries_of: Callable[[Callable[[], object]], int]
) -> None:
    def some(number: int) -> None:
        for place in range(number):
            patient = clinic.person("patient")
            clinic.scan(Status.AI_ANALYZED if place % 2 else Status.PENDING_AI, patient=patient)

    some(2)
    few = queries_of(lambda: doctor.get("/doctor/"))
    some(4)
    many = queries_of(lambda: doctor.get("/doctor/"))
    assert len(listed(doctor)) == 6
    assert many <= few <= 15


def test_pages_of_the_list(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    for _ in range(27):
        clinic.scan(patient=patient)
    assert len(listed(doctor, "?page=2")) == 2
    assert len(listed(doctor, "?page=99")) == 2
    page = doctor.page("/doctor/")
    assert "1–25 of 27 scans" in page.select_one(".pagination").get_text()
