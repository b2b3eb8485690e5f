"""Merge two records of one person, and undo it. Functions belong inside transaction().

The scans of the merged record come to the kept one; each is listed, so that it can be told apart for ever and go back
when the merge was a mistake. The database moves no scan that is not listed (migration 0036), and no status changes. What
differs between the two records is confirmed field by field. Stored reports stay as they are.
"""

import uuid
from collections.abc import Collection, Sequence

from flask import current_app
from sqlalchemy import exists, select, update

from csss.audit.record import record
from csss.auth import sessions
from csss.clock import now
from csss.database import after_commit, db
from csss.errors import Invalid, NotFound, StateConflict
from csss.i18n import _
from csss.lengths import check_length
from csss.live.names import QUEUE, Change
from csss.live.publish import PUBLISHER
from csss.people.merged import lock_records
from csss.people.models import AccountState, Patient, User
from csss.people.record_models import (
    MergedScan,
    PatientNumber,
    RecordInvitation,
    RecordMerge,
    RecordSeparation,
)
from csss.people.roles import STAFF
from csss.prescriptions.allergies import AllergiesAsked, state
from csss.records import identity, matching
from csss.reports.models import ReportVersion
from csss.scans.models import Addendum, Scan
from csss.scans.states import Status
from csss.scans.uploads.models import Upload

MAX_REASON = 500
ACCOUNTS = "accounts"  # both records have one: the merged one is closed


def to_confirm(kept: Patient, merged: Patient) -> tuple[str, ...]:
    """What has to be confirmed before these two become one: the fields that differ, and that an account is closed."""
    fields = matching.differences(identity.candidate(kept), identity.candidate(merged))
    both = (ACCOUNTS,) if kept.user_id is not None and merged.user_id is not None else ()
    return (*(each.value for each in fields), *both)


def merge(
    kept_id: uuid.UUID,
    merged_id: uuid.UUID,
    *,
    reason: str,
    confirmed: Collection[str],
    seen: str,
    by: User,
) -> RecordMerge:
    """Make one record of two; `kept_id` names the one that goes on. `seen` is what the page has shown (`seen_of`).

    Raises NotFound; StateConflict when one of them cannot be merged now; Invalid (`other`, `reason`, and each difference
    that was not confirmed).
    """
    if kept_id == merged_id:
        raise Invalid(other=_("This is the same record. Choose the other one."))
    kept, merged = _both(kept_id, merged_id)
    check_can_merge(kept, merged)
    if seen != seen_of(kept, merged):
        raise StateConflict(
            _("One of the two records has changed while your form was open. Look at both again, then merge.")
        )
    _check_words(reason)
    wanted = to_confirm(kept, merged)
    if missing := [each for each in wanted if each not in confirmed]:
        raise Invalid(**{each: _("Confirm this, or do not merge.") for each in missing})
    made = RecordMerge(
        id=uuid.uuid4(),
        kept_id=kept.id,
        merged_id=merged.id,
        reason=reason.strip(),
        differences=list(wanted),
        by_id=by.id,
        at=now(),
    )
    account = merged.user
    if account is not None and kept.user is None:
        made.account_id = account.id
    db.session.add(made)
    db.session.flush()
    scans = _move_scans(made, merged.id, kept.id)
    _move_numbers(merged.id, kept.id)
    _withdraw_invitations(merged.id)
    merged.merged_at = now()
    kept.allergies = _both_allergies(kept.allergies, merged.allergies)
    if account is not None:
        _settle_account(account, kept, merged, by)
    record(
        "patient.merged",
        kept.holder,
        by=by,
        merge=str(made.id),
        merged=str(merged.id),
        scans=len(scans),
        differences=list(wanted),
    )
    _tell(scans)
    return made


def seen_of(kept: Patient, merged: Patient) -> str:
    """What a page has shown of both, as a word that the form sends back."""
    return f"{identity.seen_of(kept)}.{identity.seen_of(merged)}"


def _both(kept_id: uuid.UUID, merged_id: uuid.UUID) -> tuple[Patient, Patient]:
    """Both records as they are now, locked; their scans first, as everywhere."""
    ids = [kept_id, merged_id]
    scans = select(Scan.id).where(Scan.patient_id.in_(ids)).order_by(Scan.id).with_for_update(of=Scan)
    db.session.execute(scans).all()
    lock_records(ids)
    db.session.execute(scans).all()  # a scan that came while we waited
    found = [db.session.get(Patient, each, populate_existing=True) for each in ids]
    people = [each.user_id for each in found if each is not None and each.user_id is not None]
    db.session.execute(select(User.id).where(User.id.in_(people)).order_by(User.id).with_for_update()).all()
    for each in found:
        if each is not None and each.user is not None:
            db.session.refresh(each.user)
    kept, merged = found
    if kept is None or merged is None:
        raise NotFound(_("There is no such patient."))
    return kept, merged


def check_can_merge(kept: Patient, merged: Patient) -> None:
    """Raise StateConflict when one of the two cannot be merged now."""
    for each in (kept, merged):
        if each.is_erased:
            raise StateConflict(_("One of the two patients has been erased."))
        if each.merged_at is not None:
            raise StateConflict(
                _("The record with the MRN %(mrn)s has become part of another one already.", mrn=each.mrn)
            )
    if identity.is_on_hold(merged):
        raise StateConflict(
            _(
                "A legal hold is on the record with the MRN %(mrn)s. Merge the other way round, or place the hold on "
                "the record that you keep and lift it here.",
                mrn=merged.mrn,
            )
        )
    _check_no_report_is_made(kept, merged)


def _check_no_report_is_made(*records: Patient) -> None:
    """A report that was approved and is not stored yet must say what the administrator saw."""
    stored = select(ReportVersion.id).where(ReportVersion.scan_id == Scan.id)
    late = select(Addendum.id).where(
        Addendum.scan_id == Scan.id,
        ~exists().where(ReportVersion.scan_id == Scan.id, ReportVersion.version == Addendum.number + 1),
    )
    query = select(Scan.id).where(
        Scan.patient_id.in_([each.id for each in records]),
        Scan.status == Status.REPORT_READY,
        ~stored.exists() | late.exists(),
    )
    if db.session.scalar(query.limit(1)) is not None:
        raise StateConflict(
            _("A report of one of the two is being made at this moment. Try again when it is stored.")
        )


def _check_words(reason: str) -> None:
    if not reason.strip():
        raise Invalid(reason=_("Give the reason; it is kept."))
    check_length(MAX_REASON, reason=reason)


def _move_scans(made: RecordMerge, was: uuid.UUID, becomes: uuid.UUID) -> Sequence[uuid.UUID]:
    scans = _scans(was)
    db.session.add_all(MergedScan(scan_id=each, merge_id=made.id) for each in scans)
    db.session.flush()  # first: the database moves only scans that are listed
    _set_patient(scans, becomes)
    db.session.execute(update(Upload).where(Upload.patient_id == was).values(patient_id=becomes))
    return scans


def _scans(patient_id: uuid.UUID) -> Sequence[uuid.UUID]:
    return db.session.scalars(select(Scan.id).where(Scan.patient_id == patient_id).order_by(Scan.id)).all()


def scans_of(patient: Patient) -> Sequence[uuid.UUID]:
    """The ids of the scans that a merge would move."""
    return _scans(patient.id)


def _set_patient(scans: Sequence[uuid.UUID], patient_id: uuid.UUID) -> None:
    db.session.execute(update(Scan).where(Scan.id.in_(scans)).values(patient_id=patient_id))
    db.session.expire_all()


def _move_numbers(was: uuid.UUID, becomes: uuid.UUID) -> None:
    """Whoever comes with a number of the merged record is found under the kept one."""
    db.session.execute(
        update(PatientNumber).where(PatientNumber.patient_id == was).values(patient_id=becomes)
    )


def _withdraw_invitations(patient_id: uuid.UUID) -> None:
    theirs = (RecordInvitation.patient_id == patient_id, RecordInvitation.used_at.is_(None))
    db.session.execute(update(RecordInvitation).where(*theirs).values(withdrawn_at=now()))


def _both_allergies(kept: str, merged: str) -> str:
    """No allergy is lost: what only the merged record lists is added."""
    if state(merged) is not AllergiesAsked.LISTED or merged.strip() in kept:
        return kept or merged
    return f"{kept.strip()}\n{merged.strip()}" if state(kept) is AllergiesAsked.LISTED else merged


def _settle_account(account: User, kept: Patient, merged: Patient, by: User) -> None:
    """The account goes with the scans; where the kept record has one, this one is closed."""
    if kept.user is not None:
        account.state = AccountState.DEACTIVATED
        sessions.end_all(account)
        record("account.deactivated", account, by=by, merged=True)
        return
    passphrase = merged.report_passphrase
    merged.user = None
    db.session.flush()  # an account belongs to one record at a time
    kept.user = account
    account.name, kept.email, kept.email_confirmed_at = kept.name, "", None
    kept.report_passphrase = passphrase
    _withdraw_invitations(kept.id)


def separate(merge_id: uuid.UUID, *, reason: str, by: User) -> RecordSeparation:
    """Undo a merge: the listed scans go back to their record, and so does an account that came with it.

    What came to the kept record since stays there. Raises NotFound; StateConflict; Invalid (`reason`).
    """
    made = db.session.get(RecordMerge, merge_id)
    if made is None:
        raise NotFound(_("There is no such merge."))
    kept, merged = _both(made.kept_id, made.merged_id)
    db.session.refresh(made)
    if made.separation is not None:
        raise StateConflict(_("This merge has been undone already."))
    if kept.is_erased or merged.is_erased:
        raise StateConflict(_("One of the two patients has been erased."))
    if kept.merged_at is not None:
        raise StateConflict(_("The kept record has become part of another one. Undo that merge first."))
    _check_no_report_is_made(kept)
    _check_words(reason)
    undone = RecordSeparation(merge_id=made.id, reason=reason.strip(), by_id=by.id, at=now())
    db.session.add(undone)
    db.session.flush()
    listed = select(MergedScan.scan_id).where(MergedScan.merge_id == made.id)
    scans = db.session.scalars(
        select(Scan.id).where(Scan.id.in_(listed), Scan.patient_id == kept.id).order_by(Scan.id)
    ).all()
    _set_patient(scans, merged.id)
    merged.merged_at = None
    if made.account_id is not None and kept.user_id == made.account_id:
        account, kept.user = kept.user, None
        db.session.flush()
        merged.user = account
        merged.report_passphrase, kept.report_passphrase = kept.report_passphrase, None
        if account is not None:
            account.name = merged.name
    record(
        "patient.separated",
        kept.holder,
        by=by,
        merge=str(made.id),
        merged=str(merged.id),
        scans=len(scans),
    )
    _tell(scans)
    return undone


def _tell(scans: Sequence[uuid.UUID]) -> None:
    """Make lists and open pages show the scans under their patient: bulk changes are not announced by themselves."""
    change = Change((QUEUE, *map(str, scans)), STAFF)
    publisher = current_app.extensions[PUBLISHER]
    after_commit(lambda: publisher.tell([change]))


def reports_made_between(made: RecordMerge) -> Sequence[ReportVersion]:
    """Reports of the moved scans that were stored while the two records were one: they name the kept one."""
    until = made.separation.at if made.separation is not None else now()
    listed = select(MergedScan.scan_id).where(MergedScan.merge_id == made.id)
    query = select(ReportVersion).where(
        ReportVersion.scan_id.in_(listed),
        ReportVersion.created_at > made.at,
        ReportVersion.created_at < until,
    )
    return db.session.scalars(query.order_by(ReportVersion.created_at)).all()
