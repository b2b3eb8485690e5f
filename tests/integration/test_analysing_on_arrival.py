"""Who starts an analysis (CSSS_ANALYSE), and that no urgent scan is passed over because nobody pressed a button."""

import uuid

import pytest
from sqlalchemy import select

from csss.database import db, transaction
from csss.outbox import OutboxJob
from csss.scans import analysis, services
from csss.scans.states import Priority, RunState, Status
from tests.factories import Clinic, reading
from tests.integration.doctor import LOOKED, fail, url
from tests.integration.pages import fresh
from tests.visitor import Visitor, words

ON_ARRIVAL = pytest.mark.parametrize("settings", [{"analyse": "on_arrival"}], indirect=True)


def urgent(clinic: Clinic) -> uuid.UUID:
    scan_id, doctor = clinic.scan().id, clinic.person("doctor")
    with transaction():
        services.set_priority(scan_id, Priority.URGENT, by=doctor)
    return scan_id


def next_of(doctor: Visitor, query: str = "") -> str:
    return str(doctor.get(f"/doctor/next{query}").headers["Location"])


@ON_ARRIVAL
def test_a_scan_is_analysed_as_it_arrives(clinic: Clinic, doctor: Visitor) -> None:
    scan = fresh(clinic.scan().id)
    run = scan.latest_run
    assert run is not None and run.state is RunState.QUEUED
    owed = db.session.scalars(select(OutboxJob).where(OutboxJob.job == "analyse_scan")).all()
    assert [job.args for job in owed] == [[str(run.id)]]
    assert doctor.post(url(scan, "analyze")).status_code == 409
    clinic.run_jobs("analyse_scan")
    assert fresh(scan.id).status is Status.AI_ANALYZED
    # The patient has sent the scan, and has not analysed it.
    events = doctor.page(url(scan)).select(".timeline li")
    done = next(each.get_text() for each in events if "Analysed" in each.get_text())
    assert scan.patient.user.name not in done


@ON_ARRIVAL
def test_an_analysis_that_failed_is_the_doctors_to_try_again(clinic: Clinic, doctor: Visitor) -> None:
    scan = fresh(clinic.scan().id)
    assert scan.latest_run is not None
    with transaction():
        analysis.keep_failure(scan.latest_run.id, "The picture cannot be decoded.")
    assert "Try again" in words(doctor.get(url(scan)))
    assert doctor.post(url(scan, "analyze")).status_code == 303


def test_nothing_is_analysed_before_a_doctor_asks(clinic: Clinic) -> None:
    assert fresh(clinic.scan().id).latest_run is None


def test_the_next_scan_is_the_urgent_one_that_nobody_has_analysed(doctor: Visitor, clinic: Clinic) -> None:
    routine = clinic.scan(Status.AI_ANALYZED).id
    waiting = urgent(clinic)
    assert next_of(doctor).endswith(f"/scans/{waiting}")
    assert next_of(doctor, f"?before={routine}").endswith(f"/scans/{waiting}")
    page = words(doctor.get(url(waiting)))
    assert "The classifier has not looked at this scan yet." in page and "Analyse" in page


def test_an_urgent_scan_whose_analysis_failed_is_not_passed_over(doctor: Visitor, clinic: Clinic) -> None:
    clinic.scan(Status.AI_ANALYZED)
    waiting = urgent(clinic)
    fail(clinic, waiting)
    assert next_of(doctor).endswith(f"/scans/{waiting}")


def test_an_urgent_scan_that_is_being_analysed_is_left_alone(doctor: Visitor, clinic: Clinic) -> None:
    routine = clinic.scan(Status.AI_ANALYZED).id
    assert doctor.post(url(urgent(clinic), "analyze")).status_code == 303
    assert next_of(doctor).endswith(f"/scans/{routine}")


def test_routine_scans_that_nobody_has_analysed_wait(doctor: Visitor, clinic: Clinic) -> None:
    clinic.scan()
    assert next_of(doctor).endswith("/doctor/")


def test_signing_goes_on_to_the_urgent_scan(doctor: Visitor, clinic: Clinic) -> None:
    scan_id, waiting = clinic.scan(Status.AI_ANALYZED).id, urgent(clinic)
    answer = doctor.post(url(scan_id, "verify"), {**LOOKED, "then": "next"})
    assert answer.headers["Location"].endswith(f"/scans/{waiting}")


def test_all_that_wait_are_analysed_the_urgent_ones_first(doctor: Visitor, clinic: Clinic) -> None:
    routine, waiting = clinic.scan().id, urgent(clinic)
    assert doctor.post("/doctor/analyze-all").status_code == 303
    jobs = db.session.scalars(select(OutboxJob).order_by(OutboxJob.created_at)).all()
    runs = [fresh(scan_id).latest_run for scan_id in (waiting, routine)]
    assert [job.args[0] for job in jobs if job.job == "analyse_scan"] == [str(run.id) for run in runs if run]


def test_classes_of_another_kind_of_scan_are_folded_and_the_rest_sorted(
    doctor: Visitor, clinic: Clinic
) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=reading("Viral_Pneumonia", 0.9))
    card = doctor.page(url(scan)).select_one("#classifier")
    folded = [each.get_text(strip=True) for each in card.select(".classifier__others th[scope=row]")]
    assert len(folded) == 1 and "heart" in folded[0].lower()
    shown = [
        row.select_one("td:last-child").get_text()
        for row in card.select("tbody tr")
        if row.find_parent(class_="classifier__others") is None
    ]
    values = [float(each.rstrip(" %")) for each in shown]
    assert len(values) == 5 and values == sorted(values, reverse=True)
    kept = fresh(scan.id).prediction
    assert kept is not None and len(kept.probabilities) == 6
