"""Several reports that are to be approved together, in an administrator's words."""

import uuid
from dataclasses import dataclass

from flask_babel.speaklater import LazyString

from csss.i18n import _, _l
from csss.reports.approvals import SignedReading
from csss.reports.batches import Choice
from csss.scans import disclosure
from csss.scans.models import Review, Scan
from csss.scans.own_reading import Why, why
from csss.scans.presenters import KIND_NAMES, human_name
from csss.scans.states import Agreement, Priority
from csss.web.filters import shorten


@dataclass(frozen=True)
class ChosenReport:
    """One of the chosen reports. `approved` is None before the code was accepted; `problem` then says why the report
    could not be released.
    """

    scan_id: uuid.UUID
    name: str
    mrn: str
    kind: str
    urgent: bool
    doctor: str
    conclusion: str
    pharmacist: str
    medicines: str
    warnings: tuple[str, ...]
    approved: bool | None
    problem: str | None


def chosen_report(choice: Choice) -> ChosenReport:
    scan, item, prescription = disclosure.known(choice.scan), choice.item, choice.prescription
    review = scan.review
    return ChosenReport(
        scan_id=scan.id,
        name=scan.patient.name,
        mrn=scan.patient.mrn,
        kind=KIND_NAMES[scan.kind],
        urgent=scan.priority is Priority.URGENT,
        doctor=review.doctor.name if review else "–",
        conclusion=conclusion(review) if review else "–",
        pharmacist=prescription.pharmacist.name if prescription else "–",
        medicines=", ".join(each.drug for each in prescription.items) if prescription else "",
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
    found = disagreement(review, scan)
    if review is not None and review.version > 1:
        found.append(_("The reading is a corrected version."))
    if prescription is not None:
        if prescription.version > 1:
            found.append(_("The prescription is a corrected version."))
        found += [
            _("%(drug)s was kept despite a warning: %(reason)s", drug=each.drug, reason=each.override_reason)
            for each in prescription.items
            if each.override_reason
        ]
    if scan.patient.user is None and not scan.patient.contact_confirmed:
        found.append(_("The patient has no account: the report has to be printed and handed over."))
    elif not scan.patient.contact_confirmed:
        found.append(_("The patient’s e-mail address is not confirmed: the report is mailed once it is."))
    return found


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
