"""Look back at merges of records: what became part of a record, and where a scan came from."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from csss.database import db
from csss.people.models import Patient
from csss.people.record_models import MergedScan, RecordMerge, RecordSeparation


def lock_records(ids: Collection[uuid.UUID]) -> None:
    """Lock these records in one order, whatever is done with them."""
    query = select(Patient.id).where(Patient.id.in_(ids)).order_by(Patient.id)
    db.session.execute(query.with_for_update(of=Patient)).all()


@dataclass(frozen=True)
class Origin:
    """Where a scan of this patient came from by a merge."""

    mrn: str
    name: str
    at: datetime
    by: str


def parts_of(patient: Patient) -> list[Patient]:
    """The records that have become part of this one, those of theirs included."""
    return list(_parts(patient.id, set()))


def _parts(kept_id: uuid.UUID, known: set[uuid.UUID]) -> Iterator[Patient]:
    for each in merges_into(kept_id):
        if each.merged_id not in known:
            known.add(each.merged_id)
            yield each.merged
            yield from _parts(each.merged_id, known)


def merges_into(kept_id: uuid.UUID) -> Sequence[RecordMerge]:
    """The merges into this record that were not undone, the newest first."""
    query = select(RecordMerge).where(
        RecordMerge.kept_id == kept_id,
        RecordMerge.id.not_in(select(RecordSeparation.merge_id)),
    )
    return db.session.scalars(query.order_by(RecordMerge.at.desc(), RecordMerge.id)).all()


def merges_of(patient: Patient) -> Sequence[RecordMerge]:
    """Every merge that this record was part of, undone ones too, the newest first."""
    either = (RecordMerge.kept_id == patient.id) | (RecordMerge.merged_id == patient.id)
    return db.session.scalars(
        select(RecordMerge).where(either).order_by(RecordMerge.at.desc(), RecordMerge.id)
    ).all()


def merge_away(patient: Patient) -> RecordMerge | None:
    """The merge by which this record has become part of another one."""
    query = select(RecordMerge).where(
        RecordMerge.merged_id == patient.id,
        RecordMerge.id.not_in(select(RecordSeparation.merge_id)),
    )
    return db.session.scalars(query).first()


def survivor(patient: Patient) -> Patient:
    """The record itself, or the one that it has become part of, however often."""
    while patient.merged_at is not None and (made := merge_away(patient)) is not None:
        patient = made.kept
    return patient


def origin_of(scan_id: uuid.UUID) -> Origin | None:
    """The record under which a scan stood first, when a merge has brought it to its patient."""
    query = (
        select(RecordMerge)
        .join(MergedScan, MergedScan.merge_id == RecordMerge.id)
        .where(MergedScan.scan_id == scan_id, RecordMerge.id.not_in(select(RecordSeparation.merge_id)))
        .order_by(RecordMerge.at)
    )
    made = db.session.scalars(query).first()
    if made is None:
        return None
    return Origin(made.merged.mrn, made.merged.name, made.at, made.by.name)


def mrns_before(scans: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """For each of these scans that a merge has brought to its patient: the MRN of its first record."""
    query = (
        select(MergedScan.scan_id, Patient.mrn)
        .join(RecordMerge, RecordMerge.id == MergedScan.merge_id)
        .join(Patient, Patient.id == RecordMerge.merged_id)
        .where(MergedScan.scan_id.in_(scans), RecordMerge.id.not_in(select(RecordSeparation.merge_id)))
        .order_by(RecordMerge.at.desc())  # the first merge overwrites the later ones
    )
    return dict(db.session.execute(query).all())
