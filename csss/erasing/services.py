"""Erase a patient, and manage legal holds. Functions belong inside transaction().

`person_id` names a patient by the account or by the record, which may have no account. Records that have become part of
the erased one are erased with it.

The database allows deleting only the rows of exactly this patient, and only until the transaction ends (migration
0013); this code could not delete anybody else's. `erasing.tables` lists what is deleted and what stays.
"""

import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from flask import current_app
from sqlalchemy import ColumnElement, Table, delete, false, or_, select, update

from csss.audit.record import origin, record
from csss.auth.models import CodePurpose, StaffInvitation
from csss.auth.second_factor import Proof
from csss.auth.secrets import hash_password
from csss.clock import now
from csss.database import Base, after_commit, changed_rows, db, transaction
from csss.erasing import leftovers
from csss.erasing.models import ErasedFile, Erasure, LegalHold
from csss.erasing.tables import GOES
from csss.errors import Invalid, NotFound, StateConflict
from csss.i18n import _
from csss.lengths import check_length
from csss.live.names import ACCOUNTS, CRITICAL, MAIL, QUEUE, Change
from csss.live.publish import PUBLISHER
from csss.notices.models import TO_NO_ACCOUNT, MailMessage, MailState
from csss.outbox import OutboxJob
from csss.people import merged
from csss.people.models import AccountState, Patient, PatientCorrection, Sex, User
from csss.people.record_models import RecordInvitation
from csss.people.roles import STAFF, Role
from csss.prescriptions.models import Prescription
from csss.reports import named_files
from csss.reports.models import ReportVersion
from csss.scans.models import AnalysisRun, Scan
from csss.scans.uploads.models import Upload
from csss.study.erased import take_out_of_all

MAX_REASON = 1_000
NOBODY = "Erased patient"  # replaces the name on every page
_NO_DAY = date(1900, 1, 1)
_NOT_SENT = frozenset({MailState.WAITING, MailState.QUEUED, MailState.SENDING})


def patient_of(person_id: uuid.UUID) -> Patient:
    """The patient record of this account, or with this id. Raises NotFound, for staff accounts, too."""
    patient = db.session.scalars(
        select(Patient).where(or_(Patient.user_id == person_id, Patient.id == person_id))
    ).one_or_none()
    if patient is None:
        raise NotFound(_("There is no such patient."))
    return patient


def open_hold(patient: Patient) -> LegalHold | None:
    """The legal hold that prevents erasing this patient."""
    query = select(LegalHold).where(LegalHold.patient_id == patient.id, LegalHold.lifted_at.is_(None))
    return db.session.scalars(query).first()


def place_hold(person_id: uuid.UUID, *, reason: str, by: User) -> LegalHold:
    """Keep this patient's data until the hold is lifted. Raises NotFound, StateConflict, Invalid (`reason`)."""
    patient = _locked(person_id)
    _check_not_erased(patient)
    if open_hold(patient) is not None:
        raise StateConflict(_("There is a legal hold on this patient already."))
    hold = LegalHold(
        id=uuid.uuid4(), patient_id=patient.id, reason=_checked(reason), placed_by_id=by.id, lifted_at=None
    )
    db.session.add(hold)
    record("patient.hold_placed", patient.holder, by=by, hold=str(hold.id))
    return hold


def lift_hold(person_id: uuid.UUID, *, reason: str, by: User) -> LegalHold:
    """End the obligation to keep the data. Raises NotFound, StateConflict, Invalid (`reason`)."""
    patient = _locked(person_id)
    _check_not_erased(patient)
    hold = open_hold(patient)
    if hold is None:
        raise StateConflict(_("There is no legal hold on this patient."))
    hold.lifted_because, hold.lifted_by_id, hold.lifted_at = _checked(reason), by.id, now()
    record("patient.hold_lifted", patient.holder, by=by, hold=str(hold.id))
    return hold


def check_can_erase(patient: Patient) -> None:
    """Raise StateConflict for somebody who has been erased, and during a legal hold."""
    _check_not_erased(patient)
    _check_not_merged(patient)
    if open_hold(patient) is not None:
        raise StateConflict(_("A legal hold keeps this patient’s data. Lift it first, if you may."))


def check_request(patient: Patient, *, reason: str, mrn: str) -> None:
    """Check that the form is complete and names this patient. Raises Invalid (`reason`, `mrn`)."""
    errors: dict[str, str] = {}
    try:
        _checked(reason)
    except Invalid as refused:
        errors |= refused.errors
    if mrn.strip() != patient.mrn:
        errors["mrn"] = _("This is not the MRN of this patient. Type it exactly as shown above.")
    if errors:
        raise Invalid(**errors)


def lock(person_id: uuid.UUID) -> Patient:
    """Lock the patient until the transaction ends, and check that they can be erased. Raises NotFound,
    StateConflict."""
    patient = _locked(person_id)
    check_can_erase(patient)
    return patient


def erase_confirmed(
    person_id: uuid.UUID, *, reason: str, mrn: str, second_factor: Callable[[Patient], Proof], by: User
) -> Erasure:
    """Erase the patient whose MRN was typed.

    The state and the input are checked before `second_factor` uses up a code or a passkey's answer. Opens its own
    transaction. Raises what `erase` and `second_factor` raise.
    """
    # Before the transaction, because hashing is slow: nobody will ever know this password.
    password_hash = hash_password(secrets.token_urlsafe(32))
    with transaction():
        patient = lock(person_id)
        check_request(patient, reason=reason, mrn=mrn)
        proof = second_factor(patient)
        return erase(person_id, reason=reason, mrn=mrn, proof=proof, password_hash=password_hash, by=by)


def erase(
    person_id: uuid.UUID, *, reason: str, mrn: str, proof: Proof, password_hash: str, by: User
) -> Erasure:
    """Erase a patient. It needs an administrator who has just shown a second factor for exactly this.

    Raises NotFound, StateConflict, Invalid; PermissionError when the proof is for something else.
    """
    patient = lock(person_id)
    if (proof.user_id, proof.purpose, proof.subject_id) != (by.id, CodePurpose.APPROVAL, patient.id):
        raise PermissionError("the second factor was shown for something else")
    check_request(patient, reason=reason, mrn=mrn)
    return _erase(patient, reason=reason, password_hash=password_hash, by=by)


def erase_as_deployer(mrn: str, *, reason: str, password_hash: str) -> Erasure:
    """The same for the command line, where access to the server is the proof of identity."""
    person_id = db.session.scalar(select(Patient.id).where(Patient.mrn == mrn.strip()))
    if person_id is None:
        raise NotFound(_("There is no patient with this MRN."))
    return _erase(lock(person_id), reason=reason, password_hash=password_hash, by=None)


# How it is done.


@dataclass(frozen=True)
class _Theirs:
    """The ids of everything that belongs to one patient."""

    patient_id: uuid.UUID
    user_id: uuid.UUID | None
    scans: Sequence[uuid.UUID]
    messages: Sequence[uuid.UUID]
    uploads: Sequence[uuid.UUID]
    jobs_about: Sequence[uuid.UUID]  # ids that a job's arguments may contain

    def where(self, table: Table, column: str) -> ColumnElement[bool]:
        """This patient's rows in a table of `GOES`."""
        found = table.c[column]
        if column == "patient_id":
            return found == self.patient_id
        if column == "user_id":
            return found == self.user_id if self.user_id is not None else false()
        if column == "prescription_id":
            return found.in_(select(Prescription.id).where(Prescription.scan_id.in_(self.scans)))
        return found.in_(self.scans)


def _erase(patient: Patient, *, reason: str, password_hash: str, by: User | None) -> Erasure:
    for part in merged.parts_of(patient):  # its scans are with this record
        if not part.is_erased:
            # Of two accounts one was closed.
            unusable = hash_password(secrets.token_urlsafe(32)) if part.user is not None else ""
            _erase_record(part, reason=reason, password_hash=unusable, by=by)
    if leftovers.in_one_file():
        db.session.add(ErasedFile(id=uuid.uuid4(), key=leftovers.DATABASE, due_at=now(), removed_at=None))
    erasure, theirs = _erase_record(patient, reason=reason, password_hash=password_hash, by=by)
    after_commit(leftovers.remove_now)
    after_commit(take_out_of_all)
    _tell_open_pages(theirs.scans)
    return erasure


def _erase_record(
    patient: Patient, *, reason: str, password_hash: str, by: User | None
) -> tuple[Erasure, _Theirs]:
    user, at = patient.user, now()
    theirs = _all_of(patient)
    files = _files_of(theirs)
    erasure = _begin(patient, reason=reason, by=by)
    _delete_invitations(patient)
    counts = _delete_rows(theirs) | {"files": sum(not _is_small(key) for key in files)}
    _drop_work(theirs)
    if user is not None:
        _blank_account(user, password_hash)
    _blank_record(patient)
    db.session.add_all(ErasedFile(id=uuid.uuid4(), key=key, due_at=at, removed_at=None) for key in files)
    record("patient.erased", patient.holder, by=by, erasure=str(erasure.id), **counts)
    db.session.flush()
    erasure.opened, erasure.counts = None, counts
    db.session.flush()  # from here on it refuses again
    return erasure, theirs


def _begin(patient: Patient, *, reason: str, by: User | None) -> Erasure:
    erasure = Erasure(
        id=uuid.uuid4(),
        patient_id=patient.id,
        by_id=by.id if by else None,
        at=now(),
        reason=_checked(reason),
        origin=origin(),
        opened=1,
    )
    db.session.add(erasure)
    db.session.flush()  # from here on the database allows deleting this patient's rows
    return erasure


def _blank_account(user: User, password_hash: str) -> None:
    user.email, user.name, user.password_hash = f"{user.id.hex}@erased.invalid", NOBODY, password_hash
    user.state, user.erased_at, user.email_confirmed_at = AccountState.DEACTIVATED, now(), None
    user.totp_secret = user.totp_confirmed_at = user.totp_last_step = None


def _blank_record(patient: Patient) -> None:
    patient.name, patient.erased_at = NOBODY, now()
    patient.mrn, patient.date_of_birth, patient.sex = f"erased-{patient.id.hex[:13]}", _NO_DAY, Sex.UNKNOWN
    patient.phone = patient.address = patient.blood_group = patient.allergies = patient.mrn_issuer = ""
    patient.emergency_contact_name = patient.emergency_contact_phone = patient.email = ""
    patient.report_passphrase = patient.email_confirmed_at = None


def _locked(person_id: uuid.UUID) -> Patient:
    """Lock the patient and everything that others lock while they work on it.

    Lock scans before people, in the same order as everywhere: code that works on a scan locks it, and then queues a
    mail.
    """
    patient = patient_of(person_id)
    scans = select(Scan.id).where(Scan.patient_id == patient.id).order_by(Scan.id)
    db.session.execute(scans.with_for_update()).all()
    merged.lock_records([patient.id, *(each.id for each in merged.parts_of(patient))])
    db.session.refresh(patient)
    if patient.user is not None:
        db.session.refresh(patient.user, with_for_update={"of": User})
    db.session.execute(scans.with_for_update()).all()  # a scan that was uploaded while we waited
    return patient


def _all_of(patient: Patient) -> _Theirs:
    scans = db.session.scalars(select(Scan.id).where(Scan.patient_id == patient.id)).all()
    runs = db.session.scalars(select(AnalysisRun.id).where(AnalysisRun.scan_id.in_(scans))).all()
    versions = db.session.scalars(select(ReportVersion.id).where(ReportVersion.scan_id.in_(scans))).all()
    invited = db.session.scalars(
        select(RecordInvitation.id).where(RecordInvitation.patient_id == patient.id)
    ).all()
    mailed = MailMessage.kind.in_(TO_NO_ACCOUNT) & MailMessage.subject_id.in_(
        (*versions, *invited, patient.id)
    )
    if patient.user_id is not None:
        mailed |= MailMessage.user_id == patient.user_id
    messages = db.session.scalars(select(MailMessage.id).where(mailed)).all()
    uploads = db.session.scalars(select(Upload.id).where(Upload.patient_id == patient.id)).all()
    about = (*scans, *runs, *versions, *messages)
    return _Theirs(patient.id, patient.user_id, scans, messages, uploads, about)


def _files_of(theirs: _Theirs) -> list[str]:
    """Stored files, unfinished uploads, and mails that were written to a folder instead of sent."""
    stored = [
        key for kept in named_files.named(theirs.scans) for key in named_files.with_small_ones(kept.key)
    ]
    uploads = [leftovers.upload_key(each) for each in theirs.uploads]
    mailed = current_app.config["CSSS"].mail_folder
    return stored + uploads + [leftovers.mail_key(each) for each in theirs.messages if mailed]


def _is_small(key: str) -> bool:
    return key.startswith(("previews/", "thumbnails/", "mail/"))


def _delete_rows(theirs: _Theirs) -> dict[str, int]:
    """Delete the rows; returns their number by table."""
    gone: dict[str, int] = {}
    for table in reversed(Base.metadata.sorted_tables):
        if column := GOES.get(table.name):
            number = changed_rows(delete(table).where(theirs.where(table, column)))
            gone |= {table.name: number} if number else {}
    return gone


def _delete_invitations(patient: Patient) -> None:
    """Somebody invited as staff may have registered as a patient instead: name and address stand in the invitation."""
    earlier = db.session.scalars(
        select(PatientCorrection.old).where(PatientCorrection.patient_id == patient.id)
    )
    addresses = {patient.contact_email, *(each["email"] for each in earlier if "email" in each)}
    db.session.execute(
        delete(StaffInvitation).where(StaffInvitation.email.in_(addresses), StaffInvitation.used_at.is_(None))
    )


def _drop_work(theirs: _Theirs) -> None:
    """Delete queued work about this patient; a job that is running finds nothing to store."""
    db.session.execute(
        update(MailMessage)
        .where(MailMessage.id.in_(theirs.messages), MailMessage.state.in_(_NOT_SENT))
        .values(state=MailState.DROPPED)
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(MailMessage)
        .where(MailMessage.id.in_(theirs.messages))
        .values(last_error="")
        .execution_options(synchronize_session=False)
    )
    about = {str(each) for each in theirs.jobs_about}
    left = select(OutboxJob.id, OutboxJob.args).where(
        or_(OutboxJob.done_at.is_(None), OutboxJob.failed_at.is_not(None))
    )
    gone = [row_id for row_id, args in db.session.execute(left) if about.intersection(args)]
    db.session.execute(
        delete(OutboxJob).where(OutboxJob.id.in_(gone)).execution_options(synchronize_session=False)
    )


def _tell_open_pages(scans: Sequence[uuid.UUID]) -> None:
    """Make lists and pages that show this patient refresh; bulk deletes are not announced automatically."""
    publisher = current_app.extensions[PUBLISHER]
    changes = [
        Change((QUEUE, CRITICAL, *map(str, scans)), STAFF),
        Change((ACCOUNTS, MAIL), frozenset({Role.ADMIN})),
    ]
    after_commit(lambda: publisher.tell(changes))
    after_commit(leftovers.tell_processes)


def _check_not_erased(patient: Patient) -> None:
    if patient.is_erased:
        raise StateConflict(_("This patient has been erased already."))


def _check_not_merged(patient: Patient) -> None:
    if patient.merged_at is not None:
        raise StateConflict(
            _("This record has become part of another one, and is erased together with that one.")
        )


def _checked(reason: str) -> str:
    if not reason.strip():
        raise Invalid(reason=_("Give the reason; it is kept."))
    check_length(MAX_REASON, reason=reason)
    return reason.strip()
