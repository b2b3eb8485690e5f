"""Find scans that were sent before: the same form twice, and the same picture on another day."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from csss.clock import now
from csss.database import db
from csss.people import patients
from csss.people.models import Patient, User
from csss.scans.intake import Intake
from csss.scans.models import Scan, ScanClosure

# A form that repeats within this time is a double submission; later, a patient may send the same picture again on
# purpose.
SAME_FORM = timedelta(minutes=2)


def just_submitted(intake: Intake, *, by: User) -> Sequence[Scan]:
    """The scans that this patient made of the same picture a moment ago, newest first, without closed ones.

    Locks the patient, so that of two concurrent forms the second sees the first one's scan. Raises NotFound.
    """
    patient = patients.held(by)
    return db.session.scalars(
        select(Scan)
        .where(
            Scan.patient_id == patient.id,
            Scan.sha256 == intake.sha256,
            Scan.uploaded_at > now() - SAME_FORM,
            Scan.id.not_in(select(ScanClosure.scan_id)),
        )
        .order_by(Scan.uploaded_at.desc(), Scan.id)
    ).all()


def sent_before(intake: Intake, *, by: User) -> Scan | None:
    """The newest scan that this patient made of the same picture, without closed ones, and without those of a moment
    ago (`just_submitted`)."""
    query = (
        select(Scan)
        .join(Patient, Patient.id == Scan.patient_id)
        .where(
            Patient.user_id == by.id,
            Scan.sha256 == intake.sha256,
            Scan.uploaded_at <= now() - SAME_FORM,
            Scan.id.not_in(select(ScanClosure.scan_id)),
        )
    )
    return db.session.scalars(query.order_by(Scan.uploaded_at.desc(), Scan.id).limit(1)).first()


def says_the_same(scan: Scan, *, kind: str, indication: str) -> bool:
    """Whether a second form with this scan's picture adds nothing: it is a double submission of the same form.

    A form without an indication adds nothing either. A form with a different indication must not be taken for the
    first one, because its text would be lost.
    """
    words = indication.split()
    return scan.kind == kind and words in ([], scan.indication.split())
