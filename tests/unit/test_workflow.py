"""The one function that writes a status keeps the order by itself, whatever its caller has checked."""

import uuid

import pytest

from csss.database import db, transaction
from csss.errors import NotFound, StateConflict
from csss.people.models import User
from csss.scans import services, workflow
from csss.scans.models import Scan
from csss.scans.states import NEXT, Status
from tests.factories import Clinic


def try_to_move(scan: Scan, to: Status, by: User) -> None:
    with transaction():
        workflow.move(workflow.lock(scan.id), to, by=by)


@pytest.mark.parametrize("was", list(Status))
def test_only_the_following_status_is_taken(clinic: Clinic, was: Status) -> None:
    doctor = clinic.person("doctor")
    scan = clinic.scan(was)
    for to in Status:
        if to is not NEXT[was]:
            with pytest.raises(StateConflict):
                try_to_move(scan, to, doctor)
    assert scan.status is was
    if following := NEXT[was]:
        try_to_move(scan, following, doctor)
        assert scan.status is following
        assert (scan.events[-1].became, scan.events[-1].actor_id) == (following, doctor.id)


def test_a_closed_scan_does_not_move(clinic: Clinic) -> None:
    doctor = clinic.person("doctor")
    scan = clinic.scan(Status.AI_ANALYZED)
    with transaction():
        services.close(scan.id, reason="Blurred", by=doctor)
    with pytest.raises(StateConflict, match="has been closed"):
        try_to_move(scan, Status.DOCTOR_VERIFIED, doctor)


def test_a_step_that_somebody_else_has_taken_is_not_taken_again(clinic: Clinic) -> None:
    """The compare-and-set itself, without the lock that usually comes before it."""
    doctor = clinic.person("doctor")
    scan = clinic.scan(Status.AI_ANALYZED)
    with pytest.raises(StateConflict, match="A doctor has verified the scan already"), transaction():
        assert scan.status is Status.AI_ANALYZED and scan.closure is None
        db.session.connection().exec_driver_sql("UPDATE scans SET status = 'DOCTOR_VERIFIED'")
        workflow.move(scan, Status.DOCTOR_VERIFIED, by=doctor)


def test_what_is_not_there_cannot_be_locked(clinic: Clinic) -> None:
    with pytest.raises(NotFound), transaction():
        workflow.lock(uuid.uuid4())
