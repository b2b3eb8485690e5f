"""Assign a scan to a colleague, take one on, and give it back.

An assignment says who is to read a scan. It is no lock: a colleague may still look and sign. But a scan that a third
doctor is reading now is not assigned over their head, and only the two doctors of an assignment pass it on. All
functions that change something belong inside transaction().
"""

import uuid
from collections.abc import Sequence

from sqlalchemy import select

from csss.audit.record import record
from csss.clock import now
from csss.database import db
from csss.errors import Invalid, StateConflict
from csss.i18n import _
from csss.lengths import at_most
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import AccountState, User
from csss.people.roles import Role
from csss.scans import claims, workflow
from csss.scans.models import Scan
from csss.scans.together_models import AssignmentEnd, ScanAssignment

MAX_NOTE = 200
FEW = 10  # shown on top of the own worklist


def check_can_assign(scan: Scan, by: User) -> None:
    """Raises StateConflict when no doctor has to act, or when others have the scan."""
    if scan.closure is not None:
        raise StateConflict(_("The scan has been closed."))
    if not claims.needs_a_doctor(scan):
        raise StateConflict(str(workflow.STATE_SENTENCE[scan.status]))
    if scan.open_hold is not None and scan.open_hold.taken_back is not None:
        raise StateConflict(
            _(
                "The scan is held for %(doctor)s, who has taken the signature back.",
                doctor=scan.open_hold.placed_by.name,
            )
        )
    _check_own(standing(scan), by)


def _check_own(old: ScanAssignment | None, by: User) -> None:
    if old is not None and by.id not in {old.to_id, old.by_id} and old.to.state is AccountState.ACTIVE:
        raise StateConflict(
            _(
                "%(by)s has assigned the scan to %(to)s: only these two pass it on. You can still read and sign it.",
                by=old.by.name,
                to=old.to.name,
            )
        )


def assign(scan_id: uuid.UUID, *, to: uuid.UUID | None, note: str = "", by: User) -> ScanAssignment:
    """Assign the scan to a doctor, who may be `by`. Assigned to the same doctor again, nothing changes.

    Raises NotFound; StateConflict; Invalid (`to`, `note`).
    """
    scan = workflow.lock(scan_id)
    check_can_assign(scan, by)
    colleague = db.session.get(User, to) if to is not None else None
    errors = {}
    if colleague is None or colleague.role is not Role.DOCTOR or colleague.state is not AccountState.ACTIVE:
        errors["to"] = _("Choose a doctor.")
    if len(note) > MAX_NOTE:
        errors["note"] = at_most(MAX_NOTE)
    if errors or colleague is None:
        raise Invalid(**errors)
    claim = claims.standing(scan.id)
    if claim is not None and claim.doctor_id not in {by.id, colleague.id}:
        raise StateConflict(_("%(doctor)s is reading this scan now.", doctor=claim.doctor.name))
    old = standing(scan)
    if old is not None and old.to_id == colleague.id:
        return old
    if old is not None:
        _end(old, AssignmentEnd.PASSED_ON, by)
    if claim is not None and claim.doctor_id != colleague.id:
        claims.end(scan.id)
    made = ScanAssignment(
        id=uuid.uuid4(), scan_id=scan.id, to_id=colleague.id, by_id=by.id, note=" ".join(note.split())
    )
    db.session.add(made)
    db.session.flush()
    record("scan.assigned", scan, by=by, to=str(colleague.id))
    if colleague.id != by.id:
        owe(MailKind.SCAN_ASSIGNED, colleague, made.id)
    return made


def check_can_give_back(scan: Scan, by: User) -> None:
    """Raises StateConflict when it is not assigned, or is others' to give back."""
    old = standing(scan)
    if old is None:
        raise StateConflict(_("The scan is not assigned to anybody any more."))
    _check_own(old, by)


def give_back(scan_id: uuid.UUID, *, by: User) -> None:
    """Let any doctor read it again. Raises NotFound, StateConflict."""
    scan = workflow.lock(scan_id)
    check_can_give_back(scan, by)
    end(scan, AssignmentEnd.GIVEN_BACK, by=by)
    record("scan.given_back", scan, by=by)


def end(scan: Scan, why: AssignmentEnd, *, by: User) -> None:
    """End what is left when the scan has been signed or closed. The caller has locked the scan."""
    old = standing(scan)
    if old is not None:
        _end(old, why, by)


def _end(old: ScanAssignment, why: AssignmentEnd, by: User) -> None:
    old.ended_at, old.ended_why, old.ended_by_id = now(), why, by.id
    db.session.flush()


def standing(scan: Scan) -> ScanAssignment | None:
    """To whom the scan is assigned now."""
    return next((each for each in scan.assignments if each.ended_at is None), None)


def ids_for(doctor: User) -> Sequence[uuid.UUID]:
    """The scans that are assigned to this doctor, the longest first."""
    query = select(ScanAssignment.scan_id).where(
        ScanAssignment.to_id == doctor.id, ScanAssignment.ended_at.is_(None)
    )
    return db.session.scalars(query.order_by(ScanAssignment.assigned_at).limit(FEW)).all()


def last_chosen(by: User) -> uuid.UUID | None:
    """The doctor to whom `by` has last assigned a scan."""
    query = select(ScanAssignment.to_id).where(ScanAssignment.by_id == by.id)
    return db.session.scalar(query.order_by(ScanAssignment.assigned_at.desc()).limit(1))


def is_pointless(assignment_id: uuid.UUID) -> bool:
    """Whether nobody needs to be told of it any more."""
    found = db.session.get(ScanAssignment, assignment_id)
    return found is None or found.ended_at is not None
