"""Load the rows of scan lists: only the columns that a list shows, for a whole page in one query."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.orm import aliased

from csss.clock import now
from csss.database import UTCDateTime, db
from csss.people.models import Patient, Sex, User
from csss.scans import disclosure
from csss.scans.claims import ScanClaim
from csss.scans.models import AnalysisRun, Prediction, Scan, ScanClosure, ScanHold
from csss.scans.states import HoldFor, Priority, RunState, ScanKind, Status
from csss.scans.together_models import ScanAssignment, SecondReading, SecondReadingRequest


class ListedRun(NamedTuple):
    state: RunState
    failure: str


class ListedPrediction(NamedTuple):
    available: bool
    uncertain: bool
    reason: str
    label: str
    top_label: str
    confidence: float | None


class ListedHold(NamedTuple):
    to: HoldFor
    note: str
    answered_at: datetime | None
    taken_back: int | None


class ListedClaim(NamedTuple):
    doctor_id: uuid.UUID
    doctor: str


class ListedAssignment(NamedTuple):
    to_id: uuid.UUID
    to: str
    by: str
    note: str


class ListedSecond(NamedTuple):
    """A second reading that is asked for, or written (`written`) and not yet signed."""

    asked_by_id: uuid.UUID
    asked_by: str
    written: bool


class ListedClosure(NamedTuple):
    closed_at: datetime
    withdrawn: bool


@dataclass(frozen=True)
class ListedScan:
    """One scan of a list. It has the attribute names of Scan, so presenters and policies accept it."""

    id: uuid.UUID
    kind: ScanKind
    indication: str
    status: Status
    status_since: datetime
    priority: Priority
    uploaded_at: datetime
    patient: str
    mrn: str
    date_of_birth: date
    sex: Sex
    allergies: str
    latest_run: ListedRun | None
    prediction: ListedPrediction | None
    open_hold: ListedHold | None
    claim: ListedClaim | None
    assignment: ListedAssignment | None
    second: ListedSecond | None
    closure: ListedClosure | None


def rows_of(ids: Sequence[uuid.UUID]) -> list[ListedScan]:
    """Load the rows of these scans in one query and in this order; scans erased meanwhile are missing."""
    found = {row.id: row for row in db.session.execute(_row_query(), {"ids": ids, "at": now()})}
    return [_row_of(found[id_]) for id_ in ids if id_ in found]


@cache
def _row_query() -> Any:
    """Build the query; `_row_of` reads each column by its name."""
    doctor, assignee, assigner, asker = (aliased(User) for _ in range(4))
    later = aliased(AnalysisRun)
    newest = select(func.max(later.requested_at)).where(later.scan_id == Scan.id).scalar_subquery()
    # The run does not matter once there is a reading.
    run = (
        Scan.status == Status.PENDING_AI,
        AnalysisRun.scan_id == Scan.id,
        AnalysisRun.requested_at == newest,
    )
    alive = ScanClaim.expires_at > bindparam("at", type_=UTCDateTime)
    return (
        select(
            *(Scan.id, Scan.kind, Scan.indication, Scan.status, Scan.status_since, Scan.priority),
            *(Scan.uploaded_at, Patient.name.label("patient"), Patient.mrn, Patient.date_of_birth),
            *(Patient.sex, Patient.allergies),
            *(AnalysisRun.state.label("run_state"), AnalysisRun.failure.label("run_failure")),
            *(Prediction.available, Prediction.silent, Prediction.uncertain, Prediction.reason),
            *(Prediction.label, Prediction.top_label, Prediction.confidence),
            *(ScanHold.to.label("held_for"), ScanHold.note.label("hold_note"), ScanHold.answered_at),
            ScanHold.taken_back,
            *(ScanClaim.doctor_id.label("claimed_by"), doctor.name.label("claimed_by_name")),
            *(ScanAssignment.to_id, assignee.name.label("assignee"), assigner.name.label("assigner")),
            ScanAssignment.note.label("assignment_note"),
            *(SecondReadingRequest.asked_by_id, asker.name.label("asker")),
            SecondReading.written_at.label("second_written_at"),
            *(ScanClosure.closed_at, ScanClosure.withdrawn),
        )
        .join(Patient, Patient.id == Scan.patient_id)
        .outerjoin(AnalysisRun, and_(*run))
        .outerjoin(Prediction, Prediction.scan_id == Scan.id)
        .outerjoin(ScanHold, and_(ScanHold.scan_id == Scan.id, ScanHold.lifted_at.is_(None)))
        .outerjoin(ScanClaim, and_(ScanClaim.scan_id == Scan.id, alive))
        .outerjoin(doctor, doctor.id == ScanClaim.doctor_id)
        .outerjoin(ScanAssignment, and_(ScanAssignment.scan_id == Scan.id, ScanAssignment.ended_at.is_(None)))
        .outerjoin(assignee, assignee.id == ScanAssignment.to_id)
        .outerjoin(assigner, assigner.id == ScanAssignment.by_id)
        .outerjoin(
            SecondReadingRequest,
            and_(SecondReadingRequest.scan_id == Scan.id, SecondReadingRequest.ended_at.is_(None)),
        )
        .outerjoin(asker, asker.id == SecondReadingRequest.asked_by_id)
        .outerjoin(SecondReading, SecondReading.request_id == SecondReadingRequest.id)
        .outerjoin(ScanClosure, ScanClosure.scan_id == Scan.id)
        .where(Scan.id.in_(bindparam("ids", expanding=True)))
    )


def _row_of(row: Any) -> ListedScan:
    """Convert one row. A part that this scan does not have is NULL in its first column."""
    return ListedScan(
        id=row.id,
        kind=row.kind,
        indication=row.indication,
        status=row.status,
        status_since=row.status_since,
        priority=row.priority,
        uploaded_at=row.uploaded_at,
        patient=row.patient,
        mrn=row.mrn,
        date_of_birth=row.date_of_birth,
        sex=row.sex,
        allergies=row.allergies,
        latest_run=ListedRun(row.run_state, row.run_failure) if row.run_state is not None else None,
        prediction=ListedPrediction(
            available=row.available,
            uncertain=row.uncertain,
            reason=row.reason,
            label=row.label,
            top_label=row.top_label,
            confidence=row.confidence,
        )
        if row.available is not None
        and not disclosure.hidden_in_lists(row.status, available=row.available, silent=row.silent)
        else None,
        open_hold=ListedHold(row.held_for, row.hold_note, row.answered_at, row.taken_back)
        if row.held_for is not None
        else None,
        claim=ListedClaim(row.claimed_by, row.claimed_by_name) if row.claimed_by is not None else None,
        assignment=ListedAssignment(row.to_id, row.assignee, row.assigner, row.assignment_note)
        if row.to_id is not None
        else None,
        second=ListedSecond(row.asked_by_id, row.asker, row.second_written_at is not None)
        if row.asked_by_id is not None
        else None,
        closure=ListedClosure(row.closed_at, row.withdrawn) if row.closed_at is not None else None,
    )
