"""Invite the patient of a record without an account to claim it: MRN, birth date, and a code that works once.

The code is printed on a slip that the desk hands over, or mailed. It has 50 random bits and is stored as a keyed hash, so
nobody guesses one. Whoever has somebody else's slip would have to guess the birth date, and has five tries.
"""

import hmac
import secrets as random
import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from csss.audit.record import record
from csss.auth import accounts, secrets
from csss.clock import now
from csss.database import changed_rows, db
from csss.errors import Counted, StateConflict, TooMany
from csss.i18n import _
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people import patients
from csss.people.models import AccountState, Patient, User
from csss.people.record_models import RecordInvitation
from csss.people.roles import Role
from csss.records import identity

LIFE = timedelta(days=30)
TRIES = 5
WINDOW, MOST_IN_WINDOW = timedelta(hours=1), 5
# Crockford's letters: none is mistaken for another on paper.
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKS_LIKE = str.maketrans("OILU", "011V")
_LENGTH = 10


class WrongClaim(Counted):
    """MRN, birth date and code do not belong together. It does not say which is wrong."""


def new_code() -> str:
    """A fresh code as it is printed: two groups of five."""
    letters = "".join(random.choice(_LETTERS) for _ in range(_LENGTH))
    return f"{letters[:5]}-{letters[5:]}"


def _hash(code: str) -> str:
    plain = "".join(each for each in code.upper() if each.isalnum()).translate(_LOOKS_LIKE)
    return secrets.keyed_hash("record-invitation", plain)


def print_one(patient_id: uuid.UUID, *, by: User) -> tuple[RecordInvitation, str]:
    """A new code for a slip, shown this once; earlier codes stop working. Raises NotFound, StateConflict, TooMany."""
    made = _new(patient_id, "", by)
    code = draw(made)
    return made, code


def mail_one(patient_id: uuid.UUID, *, email: str, by: User) -> RecordInvitation:
    """Mail a new code to this address; earlier codes stop working. Raises NotFound, StateConflict, TooMany, Invalid
    (`email`)."""
    made = _new(patient_id, accounts.normal_email(email), by)
    owe(MailKind.RECORD_INVITATION, by, made.id)
    return made


def _new(patient_id: uuid.UUID, email: str, by: User) -> RecordInvitation:
    patient = patients.held_record(patient_id)
    if patient.user_id is not None:
        raise StateConflict(_("%(name)s has an account already.", name=patient.name))
    made = select(func.count()).where(
        RecordInvitation.patient_id == patient.id, RecordInvitation.invited_at > now() - WINDOW
    )
    if (db.session.scalar(made) or 0) >= MOST_IN_WINDOW:
        raise TooMany(
            WINDOW,
            email=_(
                "%(count)s codes have been made for this patient within an hour. Wait before you make another.",
                count=MOST_IN_WINDOW,
            ),
        )
    _withdraw(patient)
    invitation = RecordInvitation(
        id=uuid.uuid4(), patient_id=patient.id, email=email, invited_by_id=by.id, invited_at=now()
    )
    db.session.add(invitation)
    db.session.flush()
    record("patient.invited", patient, by=by, how="mail" if email else "slip", invitation=str(invitation.id))
    return invitation


def draw(invitation: RecordInvitation) -> str:
    """Generate the code, store only its keyed hash, and start its lifetime."""
    code = new_code()
    invitation.code_hash, invitation.expires_at = _hash(code), now() + LIFE
    return code


def withdraw(patient_id: uuid.UUID, *, by: User) -> None:
    """Make every open code of this patient useless. Raises NotFound, StateConflict when there is none."""
    patient = patients.held_record(patient_id)
    if _withdraw(patient) == 0:
        raise StateConflict(_("There is no code that could still be used."))
    record("patient.invitation_withdrawn", patient.holder, by=by)


def _withdraw(patient: Patient) -> int:
    return changed_rows(
        update(RecordInvitation)
        .where(
            RecordInvitation.patient_id == patient.id,
            RecordInvitation.used_at.is_(None),
            RecordInvitation.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now())
        .execution_options(synchronize_session=False)
    )


def is_open(invitation: RecordInvitation) -> bool:
    """Whether the code can still be used, or is about to be mailed."""
    ends = invitation.expires_at or invitation.invited_at + LIFE
    unused = invitation.used_at is None and invitation.withdrawn_at is None
    return unused and ends > now() and invitation.tries < TRIES


def of(patient: Patient) -> Sequence[RecordInvitation]:
    """The invitations of a patient, the newest first."""
    query = select(RecordInvitation).where(RecordInvitation.patient_id == patient.id)
    return db.session.scalars(query.order_by(RecordInvitation.invited_at.desc(), RecordInvitation.id)).all()


def by_id(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, RecordInvitation]:
    """The invitations with these ids; without a query when there are none."""
    if not ids:
        return {}
    found = db.session.scalars(select(RecordInvitation).where(RecordInvitation.id.in_(ids)))
    return {each.id: each for each in found}


# The patient's side.


def is_right(mrn: str, date_of_birth: date | None, code: str) -> bool:
    """Whether these three would open a record now. Changes nothing."""
    invitation = _living(code, now())
    return invitation is not None and _belongs(invitation, mrn, date_of_birth)


def claim(*, mrn: str, date_of_birth: date | None, code: str, email: str, password_hash: str) -> User:
    """Use up the code and make the account of this record. Belongs inside transaction().

    `password_hash` was made before, because it takes a quarter of a second. Raises WrongClaim, which does not say what is
    wrong; Invalid (`email`) for an address that cannot be used; both count a try when the code is right.
    """
    wrong = WrongClaim(
        claim=_(
            "These three do not belong together, or the code has been used or is too old. Check them on your slip. If it "
            "still does not work, ask the hospital for a new code."
        )
    )
    known = _living(code, now())
    if known is None:
        raise wrong
    patient = patients.held_record(known.patient_id)  # of two claims at once, the second sees the first
    invitation = db.session.get(
        RecordInvitation, known.id, with_for_update={"of": RecordInvitation}, populate_existing=True
    )
    if invitation is None or not is_open(invitation) or patient.user_id is not None:
        raise wrong
    if not _belongs(invitation, mrn, date_of_birth):
        invitation.tries += 1
        record("patient.claim_refused", patient, tries=invitation.tries)
        raise wrong
    email = accounts.normal_email(email)
    user = User(
        id=uuid.uuid4(),
        email=email,
        name=patient.name,
        password_hash=password_hash,
        role=Role.PATIENT,
        state=AccountState.ACTIVE,
        email_confirmed_at=now() if email in _confirmed(invitation, patient) else None,
    )
    try:
        with db.session.begin_nested():
            db.session.add(user)
    except IntegrityError:
        # Only whoever holds a working code learns it, and for five addresses at most.
        invitation.tries += 1
        raise WrongClaim(
            email=_(
                "There is an account with this address. If it is yours, ask the hospital to join it with this record; "
                "otherwise use another address."
            )
        ) from None
    invitation.used_at = now()
    patient.user, patient.email, patient.email_confirmed_at = user, "", None
    db.session.flush()
    record("patient.claimed", user, by=user, invitation=str(invitation.id), patient=str(patient.id))
    if user.email_confirmed_at is None:
        owe(MailKind.CONFIRM_ADDRESS, user, user.id)
    return user


def _living(code: str, at: datetime) -> RecordInvitation | None:
    query = select(RecordInvitation).where(
        RecordInvitation.code_hash == _hash(code),
        RecordInvitation.expires_at > at,
        RecordInvitation.used_at.is_(None),
        RecordInvitation.withdrawn_at.is_(None),
        RecordInvitation.tries < TRIES,
    )
    return db.session.scalars(query).one_or_none()


def _belongs(invitation: RecordInvitation, mrn: str, date_of_birth: date | None) -> bool:
    named = identity.with_mrn(mrn) if mrn.strip() else None
    same = hmac.compare_digest(str(named.id if named else ""), str(invitation.patient_id))
    return same and date_of_birth == invitation.patient.date_of_birth


def _confirmed(invitation: RecordInvitation, patient: Patient) -> set[str]:
    """Addresses that this person has shown to read: where the code was mailed to, and a confirmed one of the record."""
    return {invitation.email, patient.email if patient.email_confirmed_at else ""} - {""}
