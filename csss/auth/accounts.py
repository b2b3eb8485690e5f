"""Register, approve and change accounts, and check their passwords."""

import hmac
import secrets as random
import uuid
from dataclasses import dataclass
from datetime import date, timedelta

from email_validator import EmailNotValidError, validate_email
from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from csss.audit.record import About, record
from csss.auth import passphrases, passwords, secrets, sessions
from csss.auth.models import PasswordReset, StaffInvitation
from csss.clock import now
from csss.database import db
from csss.errors import Invalid, NotFound, StateConflict, TooMany
from csss.hospital.current import hospital
from csss.i18n import _l, gettext
from csss.notices.models import MailKind, MailMessage
from csss.notices.services import owe, release_waiting
from csss.people import patients
from csss.people.models import AccountState, Patient, Sex, User
from csss.people.roles import Role

CONFIRMATION_LIFE = timedelta(days=3)
CONFIRMATIONS_WINDOW, CONFIRMATIONS_PER_WINDOW = timedelta(hours=1), 3
NAME_MAX = 120
TAKEN = _l("There is an account with this address already. Sign in instead.")


class AddressTaken(Invalid):
    """There is an account with this address. Strangers must not learn that (`csss.auth.registration`)."""


@dataclass(frozen=True)
class PatientDetails:
    date_of_birth: date
    sex: Sex
    phone: str


def normal_email(text: str) -> str:
    """The normalised address that we store and look up. Raises Invalid for the field `email`."""
    try:
        return validate_email(
            text.strip(), check_deliverability=False, test_environment=True
        ).normalized.lower()
    except EmailNotValidError:
        raise Invalid(
            email=gettext("This is not an e-mail address. It looks like name@example.org.")
        ) from None


def register(
    *,
    email: str,
    name: str,
    password: str,
    role: Role,
    patient: PatientDetails | None,
    password_hash: str | None = None,
) -> User:
    """Create an account: a patient's works at once; staff wait for an administrator.

    `password_hash` is the hash of this password, made before the transaction, so that registrations cannot hold the
    write lock while hashing. Raises Invalid, and AddressTaken only when everything else is valid. Belongs inside
    transaction().
    """
    if role is Role.PATIENT and patient is None:
        raise Invalid(date_of_birth=gettext("Enter the date of birth."))
    if (
        patient is not None
        and patient.date_of_birth > now().astimezone(current_app.config["CSSS"].zone).date()
    ):
        raise Invalid(date_of_birth=gettext("The date of birth is in the future."))
    user = _new_user(email=email, name=name, password=password, role=role, password_hash=password_hash)
    if role is Role.PATIENT and patient is not None:
        user.state = AccountState.ACTIVE
        db.session.add(
            Patient(
                id=uuid.uuid4(),
                user=user,
                name=user.name,
                mrn=new_mrn(),
                date_of_birth=patient.date_of_birth,
                sex=patient.sex,
                phone=patient.phone,
            )
        )
    record("account.registered", user, by=user, role=role.value)
    owe(MailKind.CONFIRM_ADDRESS, user, user.id)
    return user


def create_admin(*, email: str, name: str, password: str) -> User:
    """Create the first administrator from the command line. The address counts as confirmed."""
    user = _new_user(email=email, name=name, password=password, role=Role.ADMIN)
    user.state, user.email_confirmed_at = AccountState.ACTIVE, now()
    record("account.created", user, role=Role.ADMIN.value)
    return user


def _new_user(*, email: str, name: str, password: str, role: Role, password_hash: str | None = None) -> User:
    email = normal_email(email)
    if problem := password_problem(password, email=email, name=name):
        raise Invalid(password=problem)
    if not name.strip():
        raise Invalid(name=gettext("Enter the name."))
    if len(name.strip()) > NAME_MAX:
        raise Invalid(name=gettext("The name can have at most %(most)s characters.", most=NAME_MAX))
    if by_email(email) is not None:
        raise AddressTaken(email=TAKEN)
    user = User(
        id=uuid.uuid4(),
        email=email,
        name=name.strip(),
        password_hash=password_hash or secrets.hash_password(password),
        role=role,
        state=AccountState.WAITING,
    )
    try:
        with db.session.begin_nested():
            db.session.add(user)
    except (
        IntegrityError
    ):  # race: somebody registered the address between our query and our insert (PostgreSQL)
        raise AddressTaken(email=TAKEN) from None
    return user


def password_problem(password: str, *, email: str, name: str) -> str | None:
    """The message when this person cannot use this password, or None."""
    return passwords.password_problem(password, about=(email, name, hospital().name))


def by_email(email: str) -> User | None:
    return db.session.scalars(select(User).where(User.email == email.strip().lower())).one_or_none()


def check_digit(digits: str) -> str:
    """The Luhn check digit (ISO/IEC 7812-1, annex B), which detects every single-digit error."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def new_mrn() -> str:
    """A medical record number: eight random digits, so that it reveals nothing, and a check digit."""
    for _ in range(20):
        digits = f"{random.randbelow(90_000_000) + 10_000_000}"
        mrn = digits + check_digit(digits)
        if db.session.scalar(select(func.count()).where(Patient.mrn == mrn)) == 0:
            return mrn
    raise RuntimeError("no free medical record number was found in twenty draws")


def authenticate(email: str, password: str) -> tuple[User, str] | None:
    """The person with this address and password, whatever the state of the account, and the compared hash;
    otherwise None.

    Only reads: hashing takes a quarter of a second, and no lock may be held that long. Much can change meanwhile,
    so the caller then asks `may_still_sign_in`.
    """
    user = by_email(email)
    password_hash = user.password_hash if user else None
    db.session.commit()
    right = secrets.password_matches(password, password_hash)
    return (user, password_hash) if right and user is not None and password_hash is not None else None


def may_still_sign_in(user: User, password_hash: str) -> bool:
    """Whether the account is active and its password is still the one that was compared.

    Locks the user row, to avoid a race with a password change or with ending all sessions: either that change is
    committed and seen here, or it waits and then ends the session that begins now. Belongs inside transaction().
    """
    db.session.refresh(user, with_for_update=True)
    return user.is_active and hmac.compare_digest(user.password_hash, password_hash)


# Confirm the e-mail address.


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="confirm-address")


def confirmation_token(user: User) -> str:
    """A signed token, bound to the address, valid for three days."""
    return str(_serializer().dumps([str(user.id), user.email]))


def user_of_confirmation(token: str) -> User | None:
    """The person whose address this link confirms, or None when it is not ours or too old."""
    try:
        user_id, email = _serializer().loads(token, max_age=int(CONFIRMATION_LIFE.total_seconds()))
    except (BadSignature, ValueError, TypeError):
        return None
    user = db.session.get(User, uuid.UUID(user_id))
    return user if user and user.email == email else None


def confirm_address(user: User) -> None:
    """Record that the address is this person's, and release the reports that waited for it."""
    if user.email_confirmed_at is None:
        user.email_confirmed_at = now()
        record("account.address_confirmed", user, by=user)
        release_waiting(user)


def send_confirmation_again(user: User) -> None:
    """Queue another confirmation link for this person. Belongs inside transaction().

    Raises StateConflict when the address is confirmed, TooMany (`confirmation`) after too many requests.
    """
    # Lock the row: of two concurrent requests, the later one sees what the earlier one sent.
    db.session.refresh(user, with_for_update=True)
    if user.email_confirmed_at is not None:
        raise StateConflict(gettext("Your e-mail address is confirmed already."))
    recent = db.session.scalar(
        select(func.count()).where(
            MailMessage.user_id == user.id,
            MailMessage.kind == MailKind.CONFIRM_ADDRESS,
            MailMessage.created_at > now() - CONFIRMATIONS_WINDOW,
        )
    )
    if (recent or 0) >= CONFIRMATIONS_PER_WINDOW:
        raise TooMany(
            CONFIRMATIONS_WINDOW,
            confirmation=gettext(
                "%(count)s links have been sent within an hour. "
                "Check your spam folder, or wait a while and ask again.",
                count=CONFIRMATIONS_PER_WINDOW,
            ),
        )
    # A new subject each time, because the outbox keeps only one message per subject.
    owe(MailKind.CONFIRM_ADDRESS, user, uuid.uuid4())
    record("account.confirmation_requested", user, by=user)


# What an administrator does.


def approve(user_id: uuid.UUID, *, by: User) -> User:
    user = _locked(user_id)
    if user.state not in {AccountState.WAITING, AccountState.REFUSED}:
        raise StateConflict(gettext("The account of %(name)s is not waiting for approval.", name=user.name))
    user.state = AccountState.ACTIVE
    record("account.approved", user, by=by)
    owe(MailKind.ACCOUNT_APPROVED, user, user.id)
    return user


def refuse(user_id: uuid.UUID, *, by: User) -> User:
    user = _locked(user_id)
    if user.state is not AccountState.WAITING:
        raise StateConflict(gettext("The account of %(name)s is not waiting for approval.", name=user.name))
    user.state = AccountState.REFUSED
    record("account.refused", user, by=by)
    return user


def deactivate(user_id: uuid.UUID, *, by: User) -> User:
    """Deactivate an account, end its sessions and withdraw its invitations. Refuses the last working
    administrator, and one's own account."""
    # Lock all administrators in the same order: two who deactivate each other at once must not leave the clinic
    # without one.
    db.session.scalars(select(User).where(User.role == Role.ADMIN).order_by(User.id).with_for_update()).all()
    user = _locked(user_id)
    db.session.refresh(by)
    if by.state is not AccountState.ACTIVE:
        raise StateConflict(gettext("Your own account has just been deactivated."))
    if user.id == by.id:
        raise StateConflict(gettext("You cannot deactivate your own account."))
    if user.state is not AccountState.ACTIVE:
        raise StateConflict(gettext("The account of %(name)s is not active.", name=user.name))
    user.state = AccountState.DEACTIVATED
    sessions.end_all(user)
    record("account.deactivated", user, by=by)
    _withdraw_invitations(user, by)
    return user


def _withdraw_invitations(inviter: User, by: User) -> None:
    """Links that this person has sent make accounts: nobody comes in by them any more."""
    left = select(StaffInvitation).where(
        StaffInvitation.invited_by_id == inviter.id,
        StaffInvitation.used_at.is_(None),
        StaffInvitation.withdrawn_at.is_(None),
    )
    for each in db.session.scalars(left.with_for_update(of=StaffInvitation)):
        each.withdrawn_at = now()
        record("account.invitation_withdrawn", About("invitation", each.id), by=by, role=each.role.value)


def reactivate(user_id: uuid.UUID, *, by: User) -> User:
    user = _locked(user_id)
    if user.erased_at is not None:
        raise StateConflict(gettext("This patient has been erased already."))
    if user.patient is not None and user.patient.merged_at is not None:
        raise StateConflict(
            gettext("The record of this account has become part of another one: it is not opened again.")
        )
    if user.state is not AccountState.DEACTIVATED:
        raise StateConflict(gettext("The account of %(name)s is not deactivated.", name=user.name))
    user.state = AccountState.ACTIVE
    record("account.reactivated", user, by=by)
    return user


def _locked(user_id: uuid.UUID) -> User:
    user = db.session.scalars(select(User).where(User.id == user_id).with_for_update()).one_or_none()
    if user is None:
        raise NotFound(gettext("There is no such account."))
    return user


# What people change themselves.


def _check_still_there(user: User) -> None:
    """A patient may be erased while the form is in transit. Raises NotFound."""
    if user.patient is not None:
        patients.held(user)


def new_password_hash(user: User, new: str) -> str:
    """Hash a new password for somebody who has proven to know the current one. Raises Invalid (`new_password`).

    Only reads, and belongs outside transaction(): it takes a quarter of a second, and no lock may be held that
    long.
    """
    if problem := password_problem(new, email=user.email, name=user.name):
        raise Invalid(new_password=problem)
    return secrets.hash_password(new)


def change_password(user: User, password_hash: str, *, keep_session: uuid.UUID | None) -> None:
    """Set the hash from `new_password_hash` and end all other sessions. Belongs inside transaction(). Raises
    NotFound."""
    _check_still_there(user)
    set_password_hash(user, password_hash, keep_session=keep_session)
    record("account.password_changed", user, by=user)


def set_password_hash(user: User, password_hash: str, *, keep_session: uuid.UUID | None) -> None:
    """Set the hash, end all other sessions, invalidate earlier reset links, and notify the owner by mail."""
    user.password_hash = password_hash
    sessions.end_all(user, but=keep_session)
    db.session.execute(
        update(PasswordReset)
        .where(
            PasswordReset.user_id == user.id,
            PasswordReset.used_at.is_(None),
            PasswordReset.cancelled_at.is_(None),
        )
        .values(cancelled_at=now())
    )
    owe(MailKind.PASSWORD_CHANGED, user, uuid.uuid4())


def change_report_passphrase(user: User, passphrase: str) -> None:
    """Set the patient's pass phrase and notify them by mail. Belongs inside transaction(). Raises NotFound,
    Invalid."""
    _check_still_there(user)
    passphrases.set_report_passphrase(user, passphrase)
    owe(MailKind.PASSPHRASE_SET, user, uuid.uuid4())


OF_THE_ACCOUNT = ("name", "registration_number", "specialty")  # the other details are the patient record's


def update_profile(user: User, values: dict[str, str]) -> None:
    """Change the fields that people may change themselves; the audit log records which fields, not their content.

    Belongs inside transaction(). Raises NotFound.
    """
    _check_still_there(user)
    changed = []
    for name, value in values.items():
        holder = user if name in OF_THE_ACCOUNT else user.patient
        if holder is not None and getattr(holder, name) != value.strip():
            setattr(holder, name, value.strip())
            changed.append(name)
    if "name" in changed and user.patient is not None:
        user.patient.name = user.name
    if changed:
        record("account.profile_changed", user, by=user, fields=changed)
