"""Patient records in an administrator's words."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from csss.dates import day
from csss.i18n import _, _n
from csss.people import merged
from csss.people.models import Patient, User
from csss.people.record_models import RecordInvitation, RecordMerge
from csss.records import invitations, merging
from csss.records.services import Listed, numbers
from csss.reports import queries as report_queries
from csss.scans.list_rows import ListedScan
from csss.scans.presenters import KIND_NAMES, SEX_NAMES, Tag, status_for_staff
from csss.web.filters import address, when


@dataclass(frozen=True)
class PatientRow:
    """One line of the list: templates/admin/_patients.html."""

    id: uuid.UUID
    url: str
    name: str
    mrn: str
    born: str
    sex: str
    scans: int
    tag: Tag


@dataclass(frozen=True)
class RecordScanRow:
    """One scan of the patient, with its newest report where there is one."""

    id: uuid.UUID
    url: str
    kind: str
    at: datetime
    tag: Tag
    report_url: str | None
    from_mrn: str | None  # of the record that it came from by a merge


@dataclass(frozen=True)
class MergeRow:
    """One merge that this record was part of; `undo_url` where it can be undone here."""

    id: uuid.UUID
    words: str
    reason: str
    other_url: str
    at: datetime
    by: str
    undone: str
    undo_url: str | None
    reports: tuple[tuple[str, str], ...]  # made between merging and undoing: words and address


def patient_rows(found: Sequence[Listed]) -> list[PatientRow]:
    return [
        PatientRow(
            id=each.patient.id,
            url=url_for("admin.patient", patient_id=each.patient.id),
            name=each.patient.name,
            mrn=each.patient.mrn,
            born=day(each.patient.date_of_birth),
            sex=SEX_NAMES[each.patient.sex],
            scans=each.scans,
            tag=record_tag(each.patient),
        )
        for each in found
    ]


def record_tag(patient: Patient) -> Tag:
    """Whether the record has an account, is part of another one, or is erased."""
    if patient.is_erased:
        return Tag(_("Erased"), "neutral", "trash")
    if patient.merged_at is not None:
        return Tag(_("Part of another record"), "neutral", "link")
    if patient.user is None:
        return Tag(_("No account"), "wait", "person")
    return Tag(_("Has an account"), "ok", "check")


def record_facts(patient: Patient) -> list[tuple[str, str | None]]:
    """What the desk needs to recognise and reach the patient."""
    issuer = patient.mrn_issuer
    mrn = _("%(mrn)s (given by %(issuer)s)", mrn=patient.mrn, issuer=issuer) if issuer else patient.mrn
    facts: list[tuple[str, str | None]] = [
        (_("MRN"), mrn),
        *((_("Number of %(issuer)s", issuer=each.issuer), each.number) for each in numbers(patient)),
        (_("Date of birth"), day(patient.date_of_birth)),
        (_("Sex"), SEX_NAMES[patient.sex]),
        (_("E-mail address"), address(patient.contact_email) if patient.contact_email else None),
    ]
    if patient.contact_email:
        confirmed = _("Yes") if patient.contact_confirmed else _("Not yet: reports are not mailed")
        facts.append((_("Address confirmed"), confirmed))
    facts += [
        (_("Phone"), patient.phone or None),
        (_("Address"), patient.address or None),
        (_("Allergies"), patient.allergies or None),
    ]
    if patient.created_at is not None:
        facts.append((_("Record made"), when(patient.created_at)))
    return facts


def compared(kept: Patient, other: Patient) -> list[tuple[str, str, str]]:
    """Both records side by side: what it is, of the kept one, of the other one."""

    def account(patient: Patient) -> str:
        return patient.contact_email if patient.user is not None else _("none")

    return [
        (_("Name"), kept.name, other.name),
        (_("MRN"), kept.mrn, other.mrn),
        (_("Date of birth"), day(kept.date_of_birth), day(other.date_of_birth)),
        (_("Sex"), SEX_NAMES[kept.sex], SEX_NAMES[other.sex]),
        (_("Account"), account(kept), account(other)),
        (_("Phone"), kept.phone or "–", other.phone or "–"),
        (_("Address"), kept.address or "–", other.address or "–"),
        (_("Allergies"), kept.allergies or "–", other.allergies or "–"),
    ]


def scan_rows(scans: Sequence[ListedScan]) -> list[RecordScanRow]:
    ids = [each.id for each in scans]
    newest, origins = report_queries.newest_versions(ids), merged.mrns_before(ids)
    return [
        RecordScanRow(
            id=each.id,
            url=url_for("admin.scan", scan_id=each.id),
            kind=KIND_NAMES[each.kind],
            at=each.uploaded_at,
            tag=status_for_staff(each),  # type: ignore[arg-type] # the statuses that presenters need
            report_url=url_for("files.report", report_id=newest[each.id].id) if each.id in newest else None,
            from_mrn=origins.get(each.id),
        )
        for each in scans
    ]


def invitation_words(found: Sequence[RecordInvitation]) -> tuple[str, bool]:
    """What has become of the newest invitation, and whether its code still works."""
    if not found:
        return "", False
    newest = found[0]
    how = _("mailed to %(email)s", email=newest.email) if newest.email else _("printed on a slip")
    made = {"how": how, "moment": when(newest.invited_at), "name": newest.invited_by.name}
    if invitations.is_open(newest):
        return _("A code was %(how)s on %(moment)s by %(name)s. It still works.", **made), True
    if newest.used_at is not None:
        return _("A code was %(how)s on %(moment)s by %(name)s, and used.", **made), False
    return _("A code was %(how)s on %(moment)s by %(name)s. It does not work any more.", **made), False


def merge_rows(patient: Patient) -> list[MergeRow]:
    return [_merge_row(each, patient) for each in merged.merges_of(patient)]


def _merge_row(made: RecordMerge, patient: Patient) -> MergeRow:
    kept_here = made.kept_id == patient.id
    other = made.merged if kept_here else made.kept
    undone = made.separation
    may_undo = kept_here and undone is None and patient.merged_at is None and not patient.is_erased
    words = (
        _(
            "The record with the MRN %(mrn)s (%(name)s) became part of this one.",
            mrn=other.mrn,
            name=other.name,
        )
        if kept_here
        else _(
            "This record became part of the one with the MRN %(mrn)s (%(name)s).",
            mrn=other.mrn,
            name=other.name,
        )
    )
    ended = (
        _(
            "Undone by %(name)s on %(moment)s: %(reason)s",
            name=undone.by.name,
            moment=when(undone.at),
            reason=undone.reason,
        )
        if undone is not None
        else ""
    )
    return MergeRow(
        id=made.id,
        words=words,
        reason=made.reason,
        other_url=url_for("admin.patient", patient_id=other.id),
        at=made.at,
        by=made.by.name,
        undone=ended,
        undo_url=url_for("admin.separate_patients", patient_id=patient.id, merge_id=made.id)
        if may_undo
        else None,
        reports=tuple(
            (
                _("Version %(number)s of %(moment)s", number=each.version, moment=when(each.created_at)),
                url_for("files.report", report_id=each.id),
            )
            for each in merging.reports_made_between(made)
        ),
    )


def account_url(user: User | None) -> str | None:
    return url_for("admin.user", user_id=user.id) if user is not None else None


def merged_words(scans: int) -> str:
    return _n("%(num)s scan came along.", "%(num)s scans came along.", scans)
