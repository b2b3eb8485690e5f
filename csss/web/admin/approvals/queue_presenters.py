"""The rows of the list of waiting reports, and of the list of released ones."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from flask import url_for
from flask_babel.speaklater import LazyString

from csss.i18n import _, _l
from csss.reports import approvals
from csss.reports.approvals import Release, Signers
from csss.scans import critical_results, policies
from csss.scans.list_rows import ListedScan
from csss.scans.models import Scan
from csss.scans.presenters import KIND_NAMES, Tag, critical_tag, status_for_staff
from csss.scans.states import HoldFor, Priority
from csss.web.admin.approvals.batch_presenters import conclusion, disagreement
from csss.web.admin.logs.mail_presenters import mail_tag
from csss.web.filters import ago


@dataclass(frozen=True)
class WaitingRow:
    """One line of the list of waiting reports: templates/admin/_waiting_row.html."""

    id: str
    url: str
    name: str
    mrn: str
    kind: str
    doctor: str | None
    pharmacist: str | None
    conclusion: str
    warnings: tuple[str, ...]
    since: str
    waiting: str
    urgent: bool
    critical: Tag | None
    tag: Tag
    may_approve: bool
    ticked: bool


def waiting_rows(scans: Sequence[ListedScan], ticked: Collection[str] = ()) -> list[WaitingRow]:
    ids = [scan.id for scan in scans]
    base, signed, critical = url_for("admin.queue"), approvals.signers(ids), critical_results.among(ids)
    return [
        _waiting_row(scan, signed[scan.id], base, str(scan.id) in ticked, critical.get(scan.id))
        for scan in scans
    ]


def _waiting_row(
    scan: ListedScan, signed: Signers, base: str, ticked: bool, critical: bool | None
) -> WaitingRow:
    as_scan = cast("Scan", scan)  # the statuses that presenters and policies need
    review = signed.review
    return WaitingRow(
        id=str(scan.id),
        url=f"{base}scans/{scan.id}",
        name=scan.patient,
        mrn=scan.mrn,
        kind=KIND_NAMES[scan.kind],
        doctor=review.doctor if review else None,
        pharmacist=signed.pharmacist,
        conclusion=conclusion(review) if review else "",
        warnings=tuple(disagreement(review, as_scan)),
        since=scan.status_since.isoformat(),
        waiting=ago(scan.status_since),
        urgent=scan.priority is Priority.URGENT,
        critical=critical_tag(critical),
        tag=tag(as_scan),
        may_approve=policies.may(policies.check_can_approve, as_scan),
        ticked=ticked,
    )


def tag(scan: Scan) -> Tag:
    """The status in an administrator's words."""
    hold = scan.open_hold
    if hold is not None and hold.answered_at is not None:
        return Tag(str(_CORRECTED[hold.to]), "warn", "edit")
    return status_for_staff(scan)


_CORRECTED: dict[HoldFor, LazyString] = {
    HoldFor.DOCTOR: _l("Corrected by the doctor, look again"),
    HoldFor.PHARMACIST: _l("Corrected by the pharmacist, look again"),
}


def delivery_tag(release: Release) -> Tag:
    """The state of the mail of a released report."""
    if release.version is None:
        return Tag(_("The report is being made"), "wait", "hourglass")
    if release.message is None and release.scan.patient.user is None:
        return Tag(_("To be handed over"), "neutral", "printer")
    return mail_tag(release.message)
