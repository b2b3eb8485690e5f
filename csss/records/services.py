"""Make patient records at the desk, and find them. Functions that change something belong inside transaction()."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError

from csss.audit.record import record
from csss.auth import accounts
from csss.auth.patient_corrections import birth_date_problem
from csss.clock import now
from csss.database import db
from csss.errors import Invalid, NotFound
from csss.i18n import _
from csss.lengths import at_most
from csss.paging import ListPage, page_of
from csss.people import patients, search
from csss.people.models import Patient, Sex, User
from csss.people.record_models import PatientNumber
from csss.records import addresses, identity, matching
from csss.scans.models import Scan

PAGE_SIZE = 25
MRN_MAX, NUMBER_MAX, ISSUER_MAX, PHONE_MAX, TEXT_MAX = 20, 64, 64, 40, 500
MOST_NUMBERS = 10


@dataclass(frozen=True)
class Typed:
    """A new record as it was typed: `date_of_birth` in ISO form, `sex` by its stored word."""

    name: str
    date_of_birth: str
    sex: str
    mrn: str = ""  # empty: CSSS gives one
    mrn_issuer: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""
    allergies: str = ""


@dataclass(frozen=True)
class Listed:
    """One line of the list of patients."""

    patient: Patient
    scans: int


def found(text: str = "", page: int = 1) -> ListPage[Listed]:
    """Patients by words of the name, the start of an MRN or a whole further number; all of them, the newest first,
    without text. A merged record is listed for its number, so that whoever has it is led on."""
    query = select(Patient).where(Patient.erased_at.is_(None))
    values = search.values(text)
    if values:
        further = select(PatientNumber.patient_id).where(PatientNumber.number == text.strip())
        query = query.where(or_(search.name_or_mrn(), Patient.id.in_(further)))
    else:
        query = query.where(Patient.merged_at.is_(None))
    ordered = query.order_by(Patient.created_at.desc(), Patient.id)
    rows = page_of(ordered, page, PAGE_SIZE, values)
    ids = [each.id for each in rows.rows]
    counted = select(Scan.patient_id, func.count()).where(Scan.patient_id.in_(ids)).group_by(Scan.patient_id)
    scans = dict(db.session.execute(counted).all())
    return rows.with_rows([Listed(each, scans.get(each.id, 0)) for each in rows.rows])


def one(patient_id: uuid.UUID) -> Patient:
    """A patient record, also a merged or an erased one. Raises NotFound."""
    patient = identity.by_id(patient_id)
    if patient is None:
        raise NotFound(_("There is no such patient."))
    return patient


def make(typed: Typed, *, another: bool, by: User) -> Patient:
    """Make a record without an account. `another` says that an administrator has seen the similar records, and that
    this is somebody else.

    Raises Invalid by field; `another` when there are similar records (`similar`) and nobody has looked at them.
    """
    errors = _problems(typed)
    email = typed.email.strip()
    if email:
        try:
            email = accounts.normal_email(email)
        except Invalid as refused:
            errors |= refused.errors
    if errors:
        raise Invalid(**errors)
    if not another and similar(typed):
        raise Invalid(another=_("Look at the records below first: one of them may be this patient."))
    patient = Patient(
        id=uuid.uuid4(),
        user_id=None,
        name=typed.name.strip(),
        mrn=typed.mrn.strip() or accounts.new_mrn(),
        mrn_issuer=typed.mrn_issuer.strip() if typed.mrn.strip() else "",
        date_of_birth=date.fromisoformat(typed.date_of_birth),
        sex=Sex(typed.sex),
        email=email,
        phone=typed.phone.strip(),
        address=typed.address.strip(),
        allergies=typed.allergies.strip(),
        created_at=now(),
    )
    try:
        with db.session.begin_nested():
            db.session.add(patient)
    except IntegrityError:  # race: the same number at the same moment
        raise Invalid(mrn=_("Another record has this MRN.")) from None
    record("patient.made", patient, by=by, given_mrn=bool(typed.mrn.strip()))
    if email:
        addresses.ask(patient, by=by)
    return patient


def similar(typed: Typed) -> list[Patient]:
    """The records of people with the same birth date and a name that fits."""
    try:
        born = date.fromisoformat(typed.date_of_birth)
    except ValueError:
        return []
    query = select(Patient).where(
        Patient.date_of_birth == born, Patient.erased_at.is_(None), Patient.merged_at.is_(None)
    )
    return [
        each
        for each in db.session.scalars(query.order_by(Patient.id).limit(200))
        if matching.names_fit(each.name, typed.name)
    ]


def _problems(typed: Typed) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not typed.name.strip():
        errors["name"] = _("Enter the name.")
    if problem := birth_date_problem(typed.date_of_birth):
        errors["date_of_birth"] = problem
    if typed.sex not in set(Sex):
        errors["sex"] = _("Choose one; “Not stated” is an answer too.")
    for field, text, most in (
        ("name", typed.name, accounts.NAME_MAX),
        ("mrn", typed.mrn, MRN_MAX),
        ("mrn_issuer", typed.mrn_issuer, ISSUER_MAX),
        ("phone", typed.phone, PHONE_MAX),
        ("address", typed.address, TEXT_MAX),
        ("allergies", typed.allergies, TEXT_MAX),
    ):
        if len(text.strip()) > most:
            errors[field] = at_most(most)
    if typed.mrn_issuer.strip() and not typed.mrn.strip():
        errors["mrn"] = _("Enter the number that this issuer has given, or leave both out.")
    if "mrn" not in errors and typed.mrn.strip():
        if typed.mrn.strip().lower().startswith("erased") or not matching.plain_number(typed.mrn):
            errors["mrn"] = _("This is no number of a patient.")
        elif taken := identity.with_mrn(typed.mrn):
            errors["mrn"] = _("The record of %(name)s has this MRN.", name=taken.name)
    return errors


@dataclass(frozen=True)
class Contact:
    """How to reach the patient, and allergies: changed without a reason, as patients do themselves."""

    phone: str
    address: str
    allergies: str


def change_contact(patient_id: uuid.UUID, typed: Contact, *, by: User) -> list[str]:
    """Store what has changed; the audit log gets the names of the fields. Raises NotFound, Invalid."""
    patient = patients.held_record(patient_id)
    errors: dict[str, str] = {}
    changed = []
    for field, most in (("phone", PHONE_MAX), ("address", TEXT_MAX), ("allergies", TEXT_MAX)):
        text = getattr(typed, field).strip()
        if len(text) > most:
            errors[field] = at_most(most)
        elif text != getattr(patient, field):
            setattr(patient, field, text)
            changed.append(field)
    if errors:
        raise Invalid(**errors)
    if changed:
        record("patient.contact_changed", patient.holder, by=by, fields=changed)
    return changed


def numbers(patient: Patient) -> Sequence[PatientNumber]:
    """The further numbers of a patient."""
    query = select(PatientNumber).where(PatientNumber.patient_id == patient.id)
    return db.session.scalars(query.order_by(PatientNumber.issuer, PatientNumber.number)).all()


def add_number(patient_id: uuid.UUID, *, number: str, issuer: str, by: User) -> PatientNumber:
    """Keep a number that another hospital or system has given. Raises NotFound, Invalid (`number`, `issuer`)."""
    patient = patients.held_record(patient_id)
    number, issuer = number.strip(), issuer.strip()
    errors: dict[str, str] = {}
    if not number:
        errors["number"] = _("Enter the number.")
    elif len(number) > NUMBER_MAX:
        errors["number"] = at_most(NUMBER_MAX)
    if not issuer:
        errors["issuer"] = _("Enter who has given the number.")
    elif len(issuer) > ISSUER_MAX:
        errors["issuer"] = at_most(ISSUER_MAX)
    if not errors and len(numbers(patient)) >= MOST_NUMBERS:
        errors["number"] = _("A patient can have at most %(most)s further numbers.", most=MOST_NUMBERS)
    if errors:
        raise Invalid(**errors)
    row = PatientNumber(id=uuid.uuid4(), patient_id=patient.id, number=number, issuer=issuer)
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError:
        raise Invalid(number=_("A patient has this number of this issuer already.")) from None
    record("patient.number_added", patient.holder, by=by, number_id=str(row.id))
    return row
