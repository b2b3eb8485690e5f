"""The demo's data is such that a doctor believes it."""

from collections import Counter
from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from csss.clock import now
from csss.database import db
from csss.demo import stories
from csss.demo.seed import seed
from csss.outbox import DISPATCHER
from csss.people.models import Sex, User
from csss.people.roles import Role
from csss.prescriptions.models import Prescription
from csss.reports.models import Approval
from csss.scans.models import Scan
from csss.scans.states import Agreement, Status


def test_a_doctor_believes_the_demo(app: Flask) -> None:
    """One seed for all three questions: it reads twelve pictures."""
    app.extensions[DISPATCHER] = lambda row_id, queue: None  # the seed does its own jobs
    seed()
    db.session.rollback()
    no_two_things_happened_at_once_and_there_are_days_of_history()
    diagnosis_prescription_and_person_belong_together()
    several_reports_wait_and_the_others_are_released()


def no_two_things_happened_at_once_and_there_are_days_of_history() -> None:
    scans = db.session.scalars(select(Scan).order_by(Scan.uploaded_at)).all()
    moments = [event.at for scan in scans for event in scan.events]
    moments += [user.created_at for user in db.session.scalars(select(User))]
    minutes = Counter(each.replace(second=0, microsecond=0) for each in moments)
    assert {minute: times for minute, times in minutes.items() if times > 1} == {}
    assert max(moments) <= now() and now() - min(scan.uploaded_at for scan in scans) > timedelta(days=25)
    days = {scan.uploaded_at.date() for scan in scans}
    assert len(days) >= 20, "days of history"
    for scan in scans:
        at = [event.at for event in scan.events]
        assert at == sorted(at)
        assert scan.patient.user.created_at < scan.uploaded_at
    assert {scan.status for scan in scans} == set(Status)


def diagnosis_prescription_and_person_belong_together() -> None:
    told = {(story.who, story.indication): story.reading for story in (*stories.RELEASED, *stories.WAITING)}
    written = {each.scan_id: each for each in db.session.scalars(select(Prescription))}
    for scan in db.session.scalars(select(Scan)):
        name = scan.patient.user.name
        reading = told.get((name, scan.indication))
        if reading is None or scan.review is None:
            continue
        prescription = written[scan.id]
        assert scan.review.diagnosis == reading.diagnosis
        assert [item.drug for item in prescription.items] == [line.drug for line in reading.medicines]
        asked = [item.warnings for item in prescription.items if item.warnings]
        assert not asked, f"{name}: a colleague would ask about {asked}"
        if scan.review.agreement is not Agreement.AGREE:
            assert reading.agreement is scan.review.agreement
    people = {each.name: each for each in stories.PEOPLE}
    for user in db.session.scalars(select(User).where(User.role == Role.PATIENT)):
        if user.name in people:
            assert user.patient is not None and user.patient.sex is people[user.name].sex
    assert {each.sex for each in stories.PEOPLE} == {Sex.FEMALE, Sex.MALE}


def several_reports_wait_and_the_others_are_released() -> None:
    waiting = db.session.scalars(select(Scan).where(Scan.status == Status.PHARMACIST_COMPLETED)).all()
    assert len(waiting) == len(stories.WAITING) + 1
    assert len(db.session.scalars(select(Approval)).all()) == len(stories.RELEASED) + 1
