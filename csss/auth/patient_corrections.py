"""Correct a patient's name, e-mail address, birth date and sex, as an administrator, with a reason.

The old and the new values are kept in `PatientCorrection`, which goes when the patient is erased. The audit log gets the
names of the fields and the number of the correction. Stored reports never change.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from flask import current_app
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from csss.audit.record import record
from csss.auth import accounts, secrets, sessions
from csss.auth.models import PasswordReset
from csss.clock import now
from csss.database import db
from csss.errors import Invalid, NotFound, StateConflict
from csss.i18n import _, _l
from csss.lengths import at_most
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people import patients
from csss.people.models import Patient, PatientCorrection, Sex, User

MAX_REASON = 500
OLDEST_YEAR = 1900
FIELD_NAMES = {
    "name": _l("Name"),
    "email": _l("E-mail address"),
    "date_of_birth": _l("Date of birth"),
    "sex": _l("Sex"),
}


@dataclass(frozen=True)
class Details:
    """What is corrected: `date_of_birth` in ISO form, `sex` by its stored word."""

    name: str
    email: str
    date_of_birth: str
    sex: str


def patient_of(user_id: uuid.UUID) -> Patient:
    """The record of a patient who has not been erased. Raises NotFound."""
    user = db.session.get(User, user_id)
    if user is None or user.patient is None or user.erased_at is not None:
        raise NotFound(_("There is no such patient."))
    return user.patient


def details_of(patient: Patient) -> Details:
    """The details as they are now."""
    return Details(patient.name, patient.contact_email, patient.date_of_birth.isoformat(), patient.sex.value)


def seen_of(patient: Patient) -> str:
    """What a page has shown, as a short hash for each field: the form sends it back."""
    shown = asdict(details_of(patient))
    return ",".join(secrets.keyed_hash("patient-details", name, shown[name])[:12] for name in FIELD_NAMES)


def corrections_of(patient: Patient) -> Sequence[PatientCorrection]:
    """All corrections of a patient, newest first."""
    query = select(PatientCorrection).where(PatientCorrection.patient_id == patient.id)
    return db.session.scalars(
        query.order_by(PatientCorrection.corrected_at.desc(), PatientCorrection.id)
    ).all()


def count(patient: Patient) -> int:
    """How often the details have been corrected."""
    query = select(func.count()).select_from(PatientCorrection)
    return db.session.scalars(query.where(PatientCorrection.patient_id == patient.id)).one()


def corrected_since(moment: datetime, patient_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these patients whose details have been corrected after `moment`."""
    query = select(PatientCorrection.patient_id).where(PatientCorrection.patient_id.in_(patient_ids))
    return set(db.session.scalars(query.where(PatientCorrection.corrected_at > moment)))


def correct(user_id: uuid.UUID, typed: Details, *, reason: str, seen: str, by: User) -> PatientCorrection:
    """Store the details as typed, tell the patient, and confirm a new address by a link. Belongs inside transaction().

    Raises NotFound; StateConflict when the details have changed since the page with `seen` was shown; Invalid (by field;
    `nothing` when nothing has changed).
    """
    user = patient_of(user_id).user
    if user is None:
        raise NotFound(_("There is no such patient."))
    patient = patients.held(user)
    db.session.refresh(user, with_for_update={"of": User})
    correction = _correct(patient, typed, reason, seen, by)
    if "email" in correction.new:
        _move_mail(user, correction)
    owe(MailKind.DETAILS_CORRECTED, user, correction.id)
    return correction


def correct_record(
    patient_id: uuid.UUID, typed: Details, *, reason: str, seen: str, by: User
) -> PatientCorrection:
    """The same for a record without an account: nobody is told, and the address may be left out. The caller has the new
    address confirmed. Raises what `correct` raises, and StateConflict when there is an account by now."""
    patient = patients.held_record(patient_id)
    if patient.user is not None:
        raise StateConflict(
            _("%(name)s has an account by now: correct the details there.", name=patient.name)
        )
    return _correct(patient, typed, reason, seen, by)


def _correct(patient: Patient, typed: Details, reason: str, seen: str, by: User) -> PatientCorrection:
    _check_seen(patient, seen)
    wanted = _checked(typed, reason, may_lack_email=patient.user is None)
    before, after = asdict(details_of(patient)), asdict(wanted)
    changed = [name for name in FIELD_NAMES if before[name] != after[name]]
    if not changed:
        raise Invalid(nothing=_("You have changed nothing. Change what is wrong, then save."))
    if patient.user is not None:
        _check_free(wanted.email, patient.user)
    correction = PatientCorrection(
        id=uuid.uuid4(),
        patient_id=patient.id,
        old={name: before[name] for name in changed},
        new={name: after[name] for name in changed},
        reason=reason.strip(),
        corrected_by_id=by.id,
        corrected_at=now(),
    )
    db.session.add(correction)
    _store(patient, wanted)
    record("patient.corrected", patient.holder, by=by, correction=str(correction.id), fields=changed)
    return correction


def _check_seen(patient: Patient, seen: str) -> None:
    there = seen_of(patient).split(",")
    shown = seen.split(",")
    if there == shown:
        return
    changed = [
        str(words)
        for place, words in enumerate(FIELD_NAMES.values())
        if shown[place : place + 1] != there[place : place + 1]
    ]
    raise StateConflict(_happened(changed, corrections_of(patient)[:1]))


def _happened(changed: list[str], newest: Sequence[PatientCorrection]) -> str:
    fields = ", ".join(changed)
    for each in newest:
        if each.corrected_by is not None and any(str(FIELD_NAMES[name]) in changed for name in each.new):
            return _(
                "%(name)s has corrected these details while your form was open (%(fields)s; the reason: “%(reason)s”). "
                "Nothing of yours was saved. The form now shows the details as they are.",
                name=each.corrected_by.name,
                fields=fields,
                reason=each.reason,
            )
    return _(
        "These details have changed while your form was open: %(fields)s. Nothing of yours was saved. The form now shows "
        "them as they are.",
        fields=fields,
    )


def _checked(typed: Details, reason: str, *, may_lack_email: bool) -> Details:
    """The details in the form in which they are stored. Raises Invalid with a sentence for each wrong field."""
    errors: dict[str, str] = {}
    name, email, born = typed.name.strip(), typed.email, typed.date_of_birth
    if not name:
        errors["name"] = _("Enter the name.")
    elif len(name) > accounts.NAME_MAX:
        errors["name"] = at_most(accounts.NAME_MAX)
    try:
        if email or not may_lack_email:
            email = accounts.normal_email(email)
    except Invalid as refused:
        errors |= refused.errors
    if problem := birth_date_problem(born):
        errors["date_of_birth"] = problem
    if typed.sex not in set(Sex):
        errors["sex"] = _("Choose one; “Not stated” is an answer too.")
    if not reason.strip():
        errors["reason"] = _("Give the reason; it is kept.")
    elif len(reason.strip()) > MAX_REASON:
        errors["reason"] = at_most(MAX_REASON)
    if errors:
        raise Invalid(**errors)
    return Details(name, email, date.fromisoformat(born).isoformat(), typed.sex)


def birth_date_problem(text: str) -> str | None:
    """The sentence for a birth date that cannot be; None when it can."""
    try:
        born = date.fromisoformat(text)
    except ValueError:
        return _("Enter a date as year-month-day, for example 1980-02-29.")
    if born > now().astimezone(current_app.config["CSSS"].zone).date():
        return _("The date of birth is in the future.")
    return _("Check the year of birth.") if born.year < OLDEST_YEAR else None


def _check_free(email: str, user: User) -> None:
    other = accounts.by_email(email)
    if other is not None and other.id != user.id:
        raise Invalid(email=_("Another account has this address: %(name)s.", name=other.name))


def _store(patient: Patient, wanted: Details) -> None:
    holder = patient.holder
    try:
        with db.session.begin_nested():
            holder.name, holder.email = wanted.name, wanted.email
            patient.name = wanted.name
            patient.date_of_birth = date.fromisoformat(wanted.date_of_birth)
            patient.sex = Sex(wanted.sex)
    except IntegrityError:  # race: somebody has registered with the address meanwhile (PostgreSQL)
        raise Invalid(email=_("Another account has this address.")) from None


def _move_mail(user: User, correction: PatientCorrection) -> None:
    """The new address is confirmed by a link like any other; the old one is told, and its links and sessions end: a
    stranger may have had it."""
    user.email_confirmed_at = None
    sessions.end_all(user)
    db.session.execute(
        update(PasswordReset)
        .where(
            PasswordReset.user_id == user.id,
            PasswordReset.used_at.is_(None),
            PasswordReset.cancelled_at.is_(None),
        )
        .values(cancelled_at=now())
    )
    owe(MailKind.ADDRESS_MOVED, user, correction.id)
    owe(MailKind.CONFIRM_ADDRESS, user, correction.id)


def field_words(names: "Sequence[str] | Mapping[str, str]") -> str:
    """The names of the fields in one line, in their order."""
    return ", ".join(str(words) for name, words in FIELD_NAMES.items() if name in names)
