"""Show colleagues who is reading a scan. A claim is advice, never a lock, and it expires by itself."""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import Model, changed_rows, db
from csss.people.models import User
from csss.scans import workflow
from csss.scans.models import Scan
from csss.scans.states import HoldFor, Status

LIFE = timedelta(minutes=10)


class ScanClaim(Model):
    """A doctor has this scan open. There is at most one row per scan; an expired row means nothing."""

    __tablename__ = "scan_claims"

    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), primary_key=True)
    doctor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    claimed_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]

    doctor: Mapped[User] = relationship(lazy="joined", innerjoin=True)


def take(scan_id: uuid.UUID, *, by: User, over: bool = False) -> ScanClaim | None:
    """Claim a scan, or renew the doctor's own claim. Belongs inside transaction().

    Returns the claim that holds afterwards. That is a colleague's claim, unless it has expired or is taken `over`.
    None for a scan that no doctor has to act on. Raises NotFound.
    """
    scan = workflow.lock(scan_id)
    if not needs_a_doctor(scan):
        return None
    claim = db.session.get(ScanClaim, scan_id, populate_existing=True)
    at = now()
    if claim is None:
        claim = ScanClaim(scan_id=scan_id, doctor_id=by.id, claimed_at=at, expires_at=at + LIFE)
        db.session.add(claim)
        db.session.flush()
    elif claim.doctor_id == by.id and claim.expires_at > at:
        # Bypass the session's change tracking, so that no colleague's page is refreshed: nothing changes for them.
        db.session.execute(update(ScanClaim).where(ScanClaim.scan_id == scan_id).values(expires_at=at + LIFE))
    elif over or claim.expires_at <= at:
        claim.doctor_id, claim.claimed_at, claim.expires_at = by.id, at, at + LIFE
        db.session.flush()
        db.session.expire(claim)
    return claim


def renew(scan_id: uuid.UUID, *, by: User) -> bool:
    """Renew the doctor's own claim. False when it no longer exists. Belongs inside transaction()."""
    at = now()
    own = update(ScanClaim).where(
        ScanClaim.scan_id == scan_id, ScanClaim.doctor_id == by.id, ScanClaim.expires_at > at
    )
    return changed_rows(own.values(expires_at=at + LIFE)) > 0


def release(scan_id: uuid.UUID, *, by: User) -> None:
    """Release the doctor's own claim; a colleague's claim stays. Belongs inside transaction()."""
    # Lock the row: a colleague who takes the claim over at this moment must not lose it when we release ours.
    claim = db.session.get(ScanClaim, scan_id, with_for_update={"of": ScanClaim}, populate_existing=True)
    if claim is not None and claim.doctor_id == by.id:
        db.session.delete(claim)


def end(scan_id: uuid.UUID) -> None:
    """Remove any claim once the scan has been dealt with. Belongs inside the transaction() that changes the scan."""
    db.session.execute(delete(ScanClaim).where(ScanClaim.scan_id == scan_id))


def standing(scan_id: uuid.UUID) -> ScanClaim | None:
    """The claim on a scan, unless it has expired."""
    return db.session.scalars(
        select(ScanClaim).where(ScanClaim.scan_id == scan_id, ScanClaim.expires_at > now())
    ).one_or_none()


def is_to_do(scan_id: uuid.UUID) -> bool:
    """Whether a doctor still has to act on the scan. Only then a claim is useful."""
    scan = db.session.get(Scan, scan_id)
    return scan is not None and needs_a_doctor(scan)


def needs_a_doctor(scan: Scan) -> bool:
    """Whether a doctor still has to act on this scan."""
    if scan.closure is not None:
        return False
    if scan.status in {Status.PENDING_AI, Status.AI_ANALYZED}:
        return True
    hold = scan.open_hold
    return hold is not None and hold.to is HoldFor.DOCTOR and hold.answered_at is None
