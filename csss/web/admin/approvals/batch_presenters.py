"""Several reports that are to be approved together, in an administrator's words."""

import uuid
from dataclasses import dataclass

from flask import url_for
from flask_babel.speaklater import LazyString

from csss.i18n import _, _l
from csss.reports.approvals import SignedReading
from csss.reports.batches import Choice
from csss.scans import critical_results, disclosure
from csss.scans.models import Review, Scan
from csss.scans.own_reading import Why, why
from csss.scans.presenters import human_name
from csss.scans.states import Agreement, Priority
from csss.web.admin.approvals.evidence import Evidence, evidence
from csss.web.filters import shorten


@dataclass(frozen=True)
class ChosenReport:
    """One of the chosen reports. `approved` is None before the code was accepted; `problem` then says why the report
    could not be released.
    """

    scan_id: uuid.UUID
    url: str
    name: str
    urgent: bool
    short: Evidence
    warnings: tuple[str, ...]
    approved: bool | None
    problem: str | None


def chosen_report(choice: Choice) -> ChosenReport:
    scan, item, prescription = disclosure.known(choice.scan), choice.item, choice.prescription
    return ChosenReport(
        scan_id=scan.id,
        url=url_for(".scan", scan_id=scan.id, batch=item.batch_id),
        name=scan.patient.name,
        urgent=scan.priority is Priority.URGENT,
        short=evidence(scan, prescription),
        warnings=tuple(_warnings(scan, choice)),
        approved=item.approved,
        problem=item.left_because or choice.problem if item.approved is not True else None,
    )


def conclusion(review: Review | SignedReading) -> str:
    """The doctor's conclusion in one line: the diagnosis, otherwise the impression, otherwise the findings."""
    return shorten(review.diagnosis or review.impression or review.findings, 140)


def _warnings(scan: Scan, choice: Choice) -> list[str]:
    """Warnings to look at before the release."""
    review, prescription = scan.review, choice.prescription
    found = critical_warnings(scan) + disagreement(review, scan)
    if review is not None and review.version > 1:
        found.append(_("The reading is a corrected version."))
    if prescription is not None and prescription.version > 1:
        found.append(_("The prescription is a corrected version."))
    if scan.patient.user is None and not scan.patient.contact_confirmed:
        found.append(_("The patient has no account: the report has to be printed and handed over."))
    elif not scan.patient.contact_confirmed:
        found.append(_("The patient’s e-mail address is not confirmed: the report is mailed once it is."))
    return found


def critical_warnings(scan: Scan) -> list[str]:
    """That nobody has taken note of a critical result."""
    result = critical_results.standing(scan.id)
    if result is None or result.settled_at is not None:
        return []
    return [_("Critical result, and nobody has taken note of it: %(action)s", action=result.action)]


_NOTHING_TO_AGREE_WITH: dict[Why | None, LazyString] = {
    Why.NOT_READ: _l("Read without the classifier."),
    Why.UNCERTAIN: _l("The classifier was uncertain; the diagnosis is the doctor’s own."),
    Why.OTHER_KIND: _l(
        "The classifier’s answer belongs to another kind of scan; the diagnosis is the doctor’s own."
    ),
}


def disagreement(review: Review | SignedReading | None, scan: Scan) -> list[str]:
    """A sentence when doctor and classifier disagree; otherwise None."""
    prediction, reason = scan.prediction, why(scan)
    if prediction is None:
        return []  # or it is silent
    if reason in _NOTHING_TO_AGREE_WITH:
        return [str(_NOTHING_TO_AGREE_WITH[reason])]
    label = human_name(prediction.label)
    if review is not None and review.agreement is Agreement.DISAGREE:
        return [_("The doctor disagrees with the classifier, which read “%(label)s”.", label=label)]
    if review is not None and review.agreement is Agreement.PARTLY:
        return [_("The doctor agrees only in part with the classifier, which read “%(label)s”.", label=label)]
    return []
