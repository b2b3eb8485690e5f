"""Look up the records that may be meant (`csss.records.matching` decides), and what stands in one."""

import uuid
from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute

from csss.auth import secrets
from csss.database import db
from csss.erasing.models import LegalHold
from csss.people import merged
from csss.people.models import Patient
from csss.people.record_models import PatientNumber
from csss.records import matching
from csss.records.matching import Candidate, Match, NamedPatient, Number, match

_MOST = 200  # people born on one day; more than that are no help to anybody


def find(named: NamedPatient) -> Match:
    """The record that something belongs to, or those that a person has to decide between."""
    return match(named, [candidate(each) for each in _possible(named)])


def _possible(named: NamedPatient) -> Sequence[Patient]:
    """Every record with one of the numbers, and those born on the same day; merged ones by their survivor."""
    numbers = [matching.plain_number(number) for _, number in named.numbers if number.strip()]
    further = select(PatientNumber.patient_id).where(_plain(PatientNumber.number).in_(numbers))
    having = _plain(Patient.mrn).in_(numbers) | Patient.id.in_(further)
    found = list(db.session.scalars(select(Patient).where(having).limit(_MOST)))
    if named.date_of_birth is not None:
        born = select(Patient).where(Patient.date_of_birth == named.date_of_birth)
        found += db.session.scalars(born.order_by(Patient.id).limit(_MOST))
    people = {each.id: each for each in map(merged.survivor, found) if not each.is_erased}
    return list(people.values())


def candidate(patient: Patient) -> Candidate:
    """The record as `matching` compares it, with the numbers of records that have become part of it."""
    return Candidate(
        id=patient.id,
        numbers=frozenset(numbers_of(patient)),
        name=patient.name,
        date_of_birth=patient.date_of_birth,
        sex=patient.sex.value,
    )


def numbers_of(patient: Patient) -> list[Number]:
    """Each number with its issuer: the MRN first, then those of merged records, then further ones."""
    records = [patient, *merged.parts_of(patient)]
    further = db.session.execute(
        select(PatientNumber.issuer, PatientNumber.number)
        .where(PatientNumber.patient_id.in_([each.id for each in records]))
        .order_by(PatientNumber.issuer, PatientNumber.number)
    )
    return [*((each.mrn_issuer, each.mrn) for each in records), *further]


def with_mrn(text: str) -> Patient | None:
    """The record with this MRN or further number, or the one that it has become part of; None when there is none, or
    when several have the number."""
    patient = exactly(text)
    if patient is None:
        number = matching.plain_number(text)
        further = select(PatientNumber.patient_id).where(_plain(PatientNumber.number) == number)
        found = db.session.scalars(select(Patient).where(Patient.id.in_(further))).all()
        patient = found[0] if len(found) == 1 else None
    if patient is None:
        return None
    patient = merged.survivor(patient)
    return None if patient.is_erased else patient


def exactly(mrn: str) -> Patient | None:
    """The record with this very MRN, whatever has become of it."""
    number = matching.plain_number(mrn)
    if not number:
        return None
    query = select(Patient).where(_plain(Patient.mrn) == number)
    return db.session.scalars(query.order_by(Patient.id)).first()


def _plain(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """A stored number as `matching.plain_number` has it; people write hyphens and blanks as they like."""
    return func.lower(func.replace(func.replace(column, "-", ""), " ", ""))


def seen_of(patient: Patient) -> str:
    """What a page has shown of a record, as a short word."""
    shown = (
        patient.name,
        patient.mrn,
        patient.date_of_birth.isoformat(),
        patient.sex.value,
        patient.contact_email,
        str(patient.user_id),
    )
    return secrets.keyed_hash("patient-record", *shown)[:16]


def is_on_hold(patient: Patient) -> bool:
    query = select(LegalHold.id).where(LegalHold.patient_id == patient.id, LegalHold.lifted_at.is_(None))
    return db.session.scalar(query.limit(1)) is not None


def by_id(patient_id: uuid.UUID) -> Patient | None:
    return db.session.get(Patient, patient_id)
