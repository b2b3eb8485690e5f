"""What the worklist does for doctors who work beside each other: claims, what comes next, all analyses at once."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select

from csss.clock import now
from csss.database import db, transaction
from csss.scans import claims
from csss.scans.claims import ScanClaim
from csss.scans.models import AnalysisRun
from csss.scans.states import Status
from csss.scans.worklist_queries import next_scan_for
from csss.web.live_region.stream import HUB
from tests.factories import Clinic, reading
from tests.visitor import Visitor, soup, words

LOOKED = {"findings": "Clear lungs.", "diagnosis": "Normal chest", "agreement": "agree"}


def row(visitor: Visitor, scan_id: object) -> str:
    return str(visitor.page("/doctor/").select_one(f"#scan-{scan_id}").get_text(" ", strip=True))


def refresh(visitor: Visitor, version: str = "1", have: str = ""):  # type: ignore[no-untyped-def]
    headers = {"HX-Request": "true", "X-CSSS-Refresh": version, "X-CSSS-Have": have}
    return visitor.get("/doctor/", headers=headers)


# Claims


def test_a_colleague_sees_who_reads_a_scan_and_may_take_it_over(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    other = clinic.visitor(clinic.person("doctor", name="Ada Okafor"))
    address = f"/doctor/scans/{scan_id}/claim"
    assert other.post(address).status_code == 303
    assert "Ada Okafor is reading it" in row(doctor, scan_id)
    assert "is reading it" not in row(other, scan_id), "the own claim is no news"
    assert "Ada Okafor is reading this scan" in words(doctor.fragment(address))

    assert doctor.post(address).status_code == 303, "asking without taking over changes nothing"
    assert "Ada Okafor is reading it" in row(doctor, scan_id)
    doctor.post(address, {"take_over": "1"})
    assert "is reading it" not in row(doctor, scan_id)
    assert "is reading it" in row(other, scan_id)


def test_a_claim_is_advice_and_no_lock(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    other = clinic.visitor(clinic.person("doctor"))
    other.post(f"/doctor/scans/{scan_id}/claim")
    assert doctor.get(f"/doctor/scans/{scan_id}").status_code == 200
    assert doctor.post(f"/doctor/scans/{scan_id}/verify", LOOKED).status_code == 303
    assert other.post(f"/doctor/scans/{scan_id}/verify", LOOKED).status_code == 409
    db.session.remove()
    assert claims.standing(scan_id) is None, "a signed scan is nobody's"
    assert "is reading" not in words(doctor.fragment(f"/doctor/scans/{scan_id}/claim"))


@pytest.mark.both_databases
def test_a_claim_expires_is_renewed_and_given_back(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    other = clinic.visitor(clinic.person("doctor"))
    address = f"/doctor/scans/{scan_id}/claim"
    doctor.post(address)

    def make_it(left: timedelta) -> None:
        with transaction():
            db.session.get_one(ScanClaim, scan_id).expires_at = now() + left

    make_it(timedelta(minutes=1))
    doctor.post(address, headers={"HX-Request": "true", "X-CSSS-Refresh": "1"})
    db.session.remove()
    renewed = claims.standing(scan_id)
    assert renewed is not None and renewed.expires_at > now() + timedelta(minutes=9)
    make_it(timedelta(minutes=-1))
    assert "is reading it" not in row(other, scan_id)
    other.post(address)
    assert "is reading it" in row(doctor, scan_id)
    doctor.post(f"/doctor/scans/{scan_id}/release", {"beacon": "1"})
    assert "is reading it" in row(doctor, scan_id), "nobody gives back what a colleague has"
    assert other.post(f"/doctor/scans/{scan_id}/release", {"beacon": "1"}).status_code == 204
    assert "is reading it" not in row(doctor, scan_id)


def test_looking_at_a_scan_claims_nothing(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    doctor.get(f"/doctor/scans/{scan_id}")
    assert claims.standing(scan_id) is None
    released = clinic.scan(Status.REPORT_READY).id
    doctor.post(f"/doctor/scans/{released}/claim")
    assert claims.standing(released) is None, "there is nothing to read for a doctor"


# What comes next


def test_the_next_scan_is_urgent_first_and_no_colleagues(doctor: Visitor, clinic: Clinic) -> None:
    first, second, third = (clinic.scan(Status.AI_ANALYZED).id for _ in range(3))
    clinic.scan()
    other = clinic.visitor(clinic.person("doctor"))
    assert doctor.get("/doctor/next").headers["Location"] == f"/doctor/scans/{first}"
    doctor.post(f"/doctor/scans/{third}/priority", {"priority": "urgent"})
    other.post(f"/doctor/scans/{first}/claim")
    db.session.remove()
    assert next_scan_for(doctor.user) == third
    assert next_scan_for(doctor.user, but=third) == second
    other.post(f"/doctor/scans/{second}/claim")
    other.post(f"/doctor/scans/{third}/claim")
    assert doctor.get("/doctor/next").headers["Location"] == "/doctor/"
    assert "No scan is ready to be read" in words(doctor.get("/doctor/"))


# All at once


def test_all_waiting_scans_are_analysed_with_one_press_and_each_once(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    for _ in range(28):
        clinic.scan(patient=patient)
    page = doctor.page("/doctor/?sort=newest")
    form = page.select_one("#row-form")
    assert "Analyse all 28 waiting scans" in form.get_text(" ", strip=True)
    sent = {"back": form.select_one("[name=back]")["value"]}
    answer = doctor.post(form["action"], sent)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/doctor/?sort=newest")
    assert "28 analyses have been started" in words(doctor.get("/doctor/"))
    doctor.post(form["action"], sent)
    assert db.session.scalar(select(func.count()).select_from(AnalysisRun)) == 28
    assert doctor.page("/doctor/").select_one("#row-form button.button--plain span") is None


# Order and refreshes


def test_the_least_certain_come_first_when_asked_for(doctor: Visitor, clinic: Clinic) -> None:
    sure = clinic.scan(Status.AI_ANALYZED, result=reading(confidence=0.97)).id
    unread = clinic.scan().id
    unsure = clinic.scan(Status.AI_ANALYZED, result=reading(confidence=0.4)).id
    rows = doctor.page("/doctor/?sort=confidence").select("#worklist tbody tr")
    assert [each["id"] for each in rows] == [f"scan-{each}" for each in (unsure, sure, unread)]


def test_a_refresh_sends_only_the_rows_that_have_changed(doctor: Visitor, clinic: Clinic) -> None:
    kept, changed = clinic.scan().id, clinic.scan().id
    page = doctor.page("/doctor/")
    version = page.select_one("#worklist")["data-version"]
    have = ",".join(each["data-v"] for each in page.select("[data-v]"))
    assert refresh(doctor, version, have).status_code == 204
    doctor.post(f"/doctor/scans/{changed}/priority", {"priority": "urgent"})
    answer = refresh(doctor, version, have)
    first, second = soup(answer).select("tbody tr")
    assert answer.status_code == 200
    assert first["id"] == f"scan-{changed}" and "Urgent" in first.get_text()
    assert [each["id"] for each in page.select("[data-v]")][int(second["data-same"])] == f"scan-{kept}"
    assert not second.contents
    assert answer.headers["X-CSSS-Version"] == soup(answer).select_one("#worklist")["data-version"]
    assert refresh(doctor).get_data(as_text=True).count("data-same") == 0


def test_many_who_ask_because_of_one_change_share_a_look_up_and_a_later_change_is_looked_up_again(
    doctor: Visitor, clinic: Clinic
) -> None:
    hub = SimpleNamespace(version="a1", has_room=True)  # what a process has heard of that serves live changes
    doctor.app.extensions[HUB] = hub
    other = clinic.visitor(clinic.person("doctor"))
    first = clinic.scan().id
    assert f"scan-{first}" in refresh(doctor).get_data(as_text=True)
    second = clinic.scan().id
    assert f"scan-{second}" not in refresh(other).get_data(as_text=True), "nobody has told of it yet"
    assert f"scan-{second}" in other.get("/doctor/").get_data(as_text=True), "whoever opens the page sees it"
    hub.version = "a2"
    assert f"scan-{second}" in refresh(other).get_data(as_text=True)


@pytest.mark.parametrize("settings", [{"uploads_a_day": 100}], indirect=True)
def test_pages_of_an_archive_follow_each_other_without_a_gap(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    made = [clinic.scan(patient=patient).id for _ in range(60)]
    urgent = made[5:35]
    for scan_id in urgent:
        doctor.post(f"/doctor/scans/{scan_id}/priority", {"priority": "urgent"})
    seen = [
        each["id"].removeprefix("scan-")
        for number in (1, 2, 3)
        for each in doctor.page(f"/doctor/?status=PENDING_AI&page={number}").select("#worklist tbody tr")
    ]
    assert seen == [str(each) for each in [*urgent, *made[:5], *made[35:]]]
