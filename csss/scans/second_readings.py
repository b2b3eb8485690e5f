"""Ask another doctor for a second reading, written without knowing the first one's conclusion.

The asking doctor writes a conclusion first: it is kept with the request, and the second reader sees it only once their own
is kept. Then both see both, and the asking doctor signs. The status of the scan does not move meanwhile. Functions that
change something belong inside transaction().
"""

import uuid

from csss.audit.record import record
from csss.clock import now
from csss.database import db
from csss.errors import Invalid, StateConflict
from csss.i18n import _
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import AccountState, User
from csss.scans import assignments, claims, disclosure, first_impressions, policies, review_drafts, workflow
from csss.scans.models import Scan
from csss.scans.review_text import ReviewText, text_problems
from csss.scans.together_models import AssignmentEnd, SecondReading, SecondReadingRequest


def standing(scan: Scan) -> SecondReadingRequest | None:
    """The request that is not ended."""
    return next((each for each in scan.second_requests if each.ended_at is None), None)


def shown_to(scan: Scan, person: User) -> SecondReadingRequest | None:
    """The newest request with a second reading, if this person may know both conclusions: the two doctors, and every doctor
    once the scan is signed."""
    found = next((each for each in reversed(scan.second_requests) if each.second is not None), None)
    if found is None or found.second is None:
        return None
    knows = person.id in {found.asked_by_id, found.second.doctor_id} or bool(scan.reviews)
    return found if knows else None


def check_can_ask(scan: Scan, by: User) -> None:
    """Allow it before the signature: afterwards everybody knows the first conclusion. Raises StateConflict."""
    policies.check_can_verify(scan)
    if disclosure.must_reveal(scan, by):
        raise StateConflict(_("Write your first impression before you ask for a second reading."))
    if standing(scan) is not None:
        raise StateConflict(_("A second reading has been asked for already."))


def check_can_write(scan: Scan, by: User) -> None:
    """Allow another doctor to write the second reading. Raises StateConflict."""
    policies.check_can_verify(scan)
    asked = standing(scan)
    if asked is None:
        raise StateConflict(_("No second reading is asked for any more."))
    if asked.asked_by_id == by.id:
        raise StateConflict(_("Another doctor writes the second reading: you have asked for it."))
    if asked.second is not None:
        raise StateConflict(
            _("%(doctor)s has written the second reading already.", doctor=asked.second.doctor.name)
        )


def check_may_sign(scan: Scan, by: User) -> None:
    """The doctor who asks for a second reading signs, as long as the request stands and the account is active."""
    asked = standing(scan)
    if asked is None or asked.asked_by_id == by.id or asked.asked_by.state is not AccountState.ACTIVE:
        return
    raise StateConflict(
        _(
            "%(doctor)s has asked for a second reading of this scan and signs it. To sign it yourself, end the request.",
            doctor=asked.asked_by.name,
        )
    )


def ask(scan_id: uuid.UUID, reading: ReviewText, *, by: User) -> SecondReadingRequest:
    """Keep the conclusion and ask for a second reading by any other doctor. The draft stays.

    Raises StateConflict, Invalid (by field).
    """
    scan = workflow.lock(scan_id)
    check_can_ask(scan, by)
    review_drafts.save(scan_id, reading, by=by)
    _check_texts(reading)
    asked = SecondReadingRequest(
        id=uuid.uuid4(),
        scan_id=scan.id,
        asked_by_id=by.id,
        findings=reading.findings.strip(),
        impression=reading.impression.strip(),
        diagnosis=reading.diagnosis.strip(),
    )
    db.session.add(asked)
    db.session.flush()
    record("scan.second_reading_asked", scan, by=by)
    claims.end(scan.id)
    return asked


def write(scan_id: uuid.UUID, reading: ReviewText, *, by: User) -> SecondReading:
    """Keep the second reading, which shows both conclusions to both doctors. It cannot be changed.

    Raises StateConflict, Invalid (by field).
    """
    scan = workflow.lock(scan_id)
    check_can_write(scan, by)
    _check_texts(reading)
    asked = standing(scan)
    if asked is None:
        raise StateConflict(_("No second reading is asked for any more."))
    second = SecondReading(
        request_id=asked.id,
        scan_id=scan.id,
        doctor_id=by.id,
        findings=reading.findings.strip(),
        impression=reading.impression.strip(),
        diagnosis=reading.diagnosis.strip(),
        same=first_impressions.same_conclusion(asked, reading),
    )
    db.session.add(second)
    review_drafts.discard(scan.id, by=by)
    assignments.end(scan, AssignmentEnd.SIGNED, by=by)
    claims.end(scan.id)
    record("scan.second_reading_written", scan, by=by)
    owe(MailKind.SECOND_READING, asked.asked_by, asked.id)
    return second


def _check_texts(reading: ReviewText) -> None:
    errors = text_problems(reading)
    if not reading.findings.strip():
        errors["findings"] = _("Write what you see in the scan.")
    if not reading.diagnosis.strip() and not reading.impression.strip():
        errors["diagnosis"] = _("Write your conclusion before the two are compared.")
    if errors:
        raise Invalid(**errors)


def withdraw(scan_id: uuid.UUID, *, by: User) -> None:
    """End the request. Any doctor may, by name: the scan must not wait for somebody who has gone home."""
    scan = workflow.lock(scan_id)
    asked = standing(scan)
    if asked is None:
        raise StateConflict(_("No second reading is asked for any more."))
    asked.ended_at, asked.withdrawn_by_id = now(), by.id
    record("scan.second_reading_ended", scan, by=by)


def end(scan: Scan) -> None:
    """End the request of a scan that has been signed or closed. The caller has locked the scan."""
    asked = standing(scan)
    if asked is not None:
        asked.ended_at = now()
        db.session.flush()


def is_pointless(request_id: uuid.UUID) -> bool:
    """Whether the asking doctor need not be told of the second reading any more."""
    asked = db.session.get(SecondReadingRequest, request_id)
    return asked is None or asked.ended_at is not None
