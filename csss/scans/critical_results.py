"""Mark critical results, record who has taken note, and tell more people while nobody has.

A result begins with a signature: of a reading, or of an addendum. A later version with the same sentence carries it on;
with another sentence it takes its place, and somebody must take note anew; without one it is withdrawn. Neither closing
the scan nor taking the signature back ends it. Functions that change something belong inside transaction(), except
`escalate_overdue`, which opens its own.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from csss.audit.record import origin, record
from csss.clock import now
from csss.database import db, transaction
from csss.errors import NotFound, StateConflict
from csss.i18n import _
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people import staff
from csss.people.models import AccountState, User
from csss.people.roles import Role
from csss.scans import workflow
from csss.scans.critical_models import CriticalEvent, CriticalResult, CriticalStep
from csss.scans.models import Addendum, Review, Scan, ScanClosure
from csss.scans.states import Status

MOST_ESCALATIONS = 3
SHOWN = 20
_AT_ONCE = 20  # results that one sweep looks at


def limit() -> timedelta:
    """How long a critical result may wait until more people are told (`CSSS_CRITICAL_MINUTES`)."""
    return timedelta(minutes=current_app.config["CSSS"].critical_minutes)


def carry_on(scan: Scan, signed: Review | Addendum, *, by: User) -> CriticalResult | None:
    """Do what a newly signed text means for the scan's critical result. The caller has locked the scan.

    An addendum can mark a result and cannot withdraw one. Returns the result that counts now.
    """
    db.session.flush()
    old = standing(scan.id)
    if old is not None and signed.critical_action in {
        old.action,
        "" if isinstance(signed, Addendum) else None,
    }:
        return old
    if old is not None:
        _withdraw(old, scan, by=by, replaced=bool(signed.critical_action))
    if not signed.critical_action:
        return None
    made = CriticalResult(
        id=uuid.uuid4(),
        scan_id=scan.id,
        number=(db.session.scalar(_numbers(scan.id)) or 0) + 1,
        action=signed.critical_action,
        review_version=signed.version if isinstance(signed, Review) else None,
        addendum_number=signed.number if isinstance(signed, Addendum) else None,
        marked_by_id=by.id,
        marked_at=now(),
    )
    db.session.add(made)
    db.session.flush()
    record("scan.marked_critical", scan, by=by, number=made.number)
    for person in staff.active(Role.PHARMACIST, Role.ADMIN):
        owe(MailKind.CRITICAL_RESULT, person, made.id)
    return made


def _numbers(scan_id: uuid.UUID) -> Select[Any]:
    return select(func.max(CriticalResult.number)).where(CriticalResult.scan_id == scan_id)


def _withdraw(result: CriticalResult, scan: Scan, *, by: User, replaced: bool) -> None:
    """End it. Who had taken note of it is told, unless another result takes its place: everybody is told of that."""
    at = now()
    _keep(result, CriticalStep.WITHDRAWN, by=by, at=at)
    result.withdrawn_at = at
    result.settled_at = result.settled_at or at
    record("scan.critical_withdrawn", scan, by=by, number=result.number, replaced=replaced)
    told = result.acknowledgement
    if told is not None and told.person is not None and not replaced:
        owe(MailKind.CRITICAL_WITHDRAWN, told.person, result.id)


def acknowledge(scan_id: uuid.UUID, result_id: uuid.UUID, *, by: User) -> CriticalEvent:
    """Record that `by` has taken note of the result that the page showed. The first person counts, and stays.

    Returns the event that counts. Raises NotFound; StateConflict when the result was changed or withdrawn meanwhile,
    and for the doctor who marked it.
    """
    scan = workflow.lock(scan_id)
    result = db.session.get(CriticalResult, result_id, populate_existing=True)
    if result is None or result.scan_id != scan.id:
        raise NotFound(_("There is no such critical result."))
    if result.withdrawn_at is not None:
        raise StateConflict(
            _(
                "The doctor has changed or withdrawn this critical result in the meantime. Look at the scan again."
            )
        )
    if result.acknowledgement is not None:
        return result.acknowledgement
    if result.marked_by_id == by.id:
        raise StateConflict(_("Somebody else than the doctor who marked it has to take note."))
    at = now()
    kept = _keep(result, CriticalStep.ACKNOWLEDGED, by=by, at=at)
    result.settled_at = at
    record("scan.critical_acknowledged", scan, by=by, number=result.number)
    return kept


def _keep(
    result: CriticalResult, what: CriticalStep, *, at: datetime, by: User | None = None, step: int = 0
) -> CriticalEvent:
    event = CriticalEvent(
        id=uuid.uuid4(),
        result_id=result.id,
        scan_id=result.scan_id,
        what=what,
        step=step,
        person_id=by.id if by else None,
        person_role=by.role if by else None,
        at=at,
        origin=origin(),
    )
    db.session.add(event)
    db.session.flush()
    return event


# What becomes of a result that nobody takes note of


def escalate_overdue() -> int:
    """Tell the administrators and the doctor of each result that nobody has taken note of for too long. Returns how many.

    Workers ask every few seconds. Safe in several processes at once: the scan is locked, and the database takes each
    step once. Each is a transaction of its own, so a killed process has told everybody or nobody of a step. After
    `MOST_ESCALATIONS` the pages alone show it.
    """
    steps = (CriticalEvent.result_id == CriticalResult.id, CriticalEvent.what == CriticalStep.ESCALATED)
    told = select(func.count()).where(*steps).scalar_subquery()
    last = select(func.max(CriticalEvent.at)).where(*steps).scalar_subquery()
    late = now() - limit()
    due = select(CriticalResult.id, CriticalResult.scan_id).where(
        CriticalResult.settled_at.is_(None),
        CriticalResult.marked_at <= late,
        or_(told == 0, and_(told < MOST_ESCALATIONS, last <= late)),
    )
    found = db.session.execute(due.order_by(CriticalResult.marked_at).limit(_AT_ONCE)).all()
    db.session.commit()
    return sum(_escalate(scan_id, result_id) for result_id, scan_id in found)


def _escalate(scan_id: uuid.UUID, result_id: uuid.UUID) -> bool:
    with transaction():
        try:
            scan = workflow.lock(scan_id)
        except NotFound:
            return False  # erased in the meantime
        result = db.session.get(CriticalResult, result_id, populate_existing=True)
        if result is None or not _is_due(result):
            return False  # somebody has taken note, or another worker was first
        step = len(result.escalations) + 1
        event = _keep(result, CriticalStep.ESCALATED, at=now(), step=step)
        record("scan.critical_escalated", scan, number=result.number, step=step)
        people = list(staff.active(Role.ADMIN))
        if result.marked_by.state is AccountState.ACTIVE and result.marked_by not in people:
            people.append(result.marked_by)
        for person in sorted(people, key=lambda each: each.id):
            owe(MailKind.CRITICAL_OVERDUE, person, event.id)
        return True


def _is_due(result: CriticalResult) -> bool:
    last = result.escalations[-1].at if result.escalations else result.marked_at
    return (
        result.settled_at is None and len(result.escalations) < MOST_ESCALATIONS and last <= now() - limit()
    )


# Look-ups


def of(scan_id: uuid.UUID) -> Sequence[CriticalResult]:
    """All results of a scan, the oldest first, also those that were withdrawn."""
    query = select(CriticalResult).where(CriticalResult.scan_id == scan_id)
    return db.session.scalars(query.order_by(CriticalResult.number)).all()


def standing(scan_id: uuid.UUID) -> CriticalResult | None:
    """The result of a scan that counts, whether or not somebody has taken note of it."""
    query = select(CriticalResult).where(
        CriticalResult.scan_id == scan_id, CriticalResult.withdrawn_at.is_(None)
    )
    return db.session.scalars(query.order_by(CriticalResult.number.desc()).limit(1)).one_or_none()


def is_pointless(result_id: uuid.UUID) -> bool:
    """Whether nobody needs to be told of it any more."""
    result = db.session.get(CriticalResult, result_id)
    return result is None or result.settled_at is not None


def escalated(event_id: uuid.UUID) -> CriticalResult | None:
    """The result of an escalation that still has a point."""
    event = db.session.get(CriticalEvent, event_id)
    if event is None or is_pointless(event.result_id):
        return None
    return db.session.get(CriticalResult, event.result_id)


def unacknowledged(
    *, marked_by: User | None = None, since: datetime | None = None
) -> Sequence[CriticalResult]:
    """The results that nobody has taken note of, the oldest first; those of one doctor, or from before `since`."""
    query = select(CriticalResult).where(CriticalResult.settled_at.is_(None))
    query = query.options(joinedload(CriticalResult.scan), selectinload(CriticalResult.events))
    if marked_by is not None:
        query = query.where(CriticalResult.marked_by_id == marked_by.id)
    if since is not None:
        query = query.where(CriticalResult.marked_at <= since)
    return db.session.scalars(query.order_by(CriticalResult.marked_at, CriticalResult.id).limit(SHOWN)).all()


def count_open() -> tuple[int, datetime | None]:
    """How many results nobody has taken note of, and since when the oldest waits."""
    row = db.session.execute(
        select(func.count(), func.min(CriticalResult.marked_at)).where(CriticalResult.settled_at.is_(None))
    ).one()
    return row[0], row[1]


def on_top() -> tuple[list[uuid.UUID], list[uuid.UUID]]:
    """The scans on their way to a report that have a critical result: of which nobody has taken note, and the others."""
    query = (
        select(CriticalResult.scan_id, CriticalResult.settled_at)
        .join(Scan, Scan.id == CriticalResult.scan_id)
        .where(
            CriticalResult.withdrawn_at.is_(None),
            Scan.status.in_((Status.DOCTOR_VERIFIED, Status.PHARMACIST_COMPLETED)),
            Scan.id.not_in(select(ScanClosure.scan_id)),
        )
        .order_by(CriticalResult.marked_at)
    )
    waiting: list[uuid.UUID] = []
    settled: list[uuid.UUID] = []
    for scan_id, settled_at in db.session.execute(query):
        (waiting if settled_at is None else settled).append(scan_id)
    return waiting, settled


def among(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, bool]:
    """Those of these scans that have a critical result, and whether somebody has taken note of it."""
    query = select(CriticalResult.scan_id, CriticalResult.settled_at).where(
        CriticalResult.scan_id.in_(list(ids)), CriticalResult.withdrawn_at.is_(None)
    )
    return {scan_id: settled_at is not None for scan_id, settled_at in db.session.execute(query)}
