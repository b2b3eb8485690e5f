"""Collect the plain values that a report shows from the records."""

from flask import current_app

from csss.ages import age_on
from csss.clock import now
from csss.hospital.current import hospital
from csss.i18n import gettext as _
from csss.i18n import in_english
from csss.i18n import ngettext as _n
from csss.people import merged
from csss.prescriptions import allergies
from csss.prescriptions import services as prescriptions
from csss.prescriptions.models import Prescription
from csss.reports import context, lettering, queries
from csss.reports.services import report_number
from csss.scans import critical_results, disclosure
from csss.scans.findings import NamedFinding, findings_of
from csss.scans.models import Review, Scan
from csss.scans.own_reading import Why, counts_as_uncertain, why
from csss.scans.presenters import (
    KIND_NAMES,
    SEX_NAMES,
    explanation,
    finding_name,
    human_name,
    kind_words,
    sent_as,
)
from csss.scans.queries import earlier_of_kind
from csss.scans.states import ScanKind
from csss.storage.files import storage


@in_english()
def report_context(scan: Scan, *, report_id: str, version: int, draft: bool = False) -> context.ReportContext:
    """The current content of version `version` of a scan's report, in English whatever the reader's language.

    A draft (the administrator's preview) has no approval yet. Raises ValueError before the pharmacist is done.
    """
    settings, shown = current_app.config["CSSS"], hospital()
    scan = disclosure.known(scan)
    reviews = [_review(review) for review in scan.reviews]
    prescribed = prescriptions.versions(scan)
    if not reviews or not prescribed:
        raise ValueError("a report needs a review and a prescription")
    written = [_prescription(each) for each in prescribed]
    image = storage().read(scan.file_key)
    record = scan.patient
    made = context.ReportContext(
        report_id=report_id,
        version=version,
        number=report_number(scan.id),
        created_at=now(),
        timezone=settings.time_zone,
        draft=draft,
        hospital=context.Hospital(
            name=shown.name,
            address=shown.address,
            phone=shown.telephone or None,
            letterhead=shown.letterhead or None,
            logo=shown.logo,
        ),
        patient=context.PrintedPatient(
            name=record.name,
            mrn=_mrn(scan),
            date_of_birth=record.date_of_birth,
            age=age_on(record.date_of_birth, scan.uploaded_at.astimezone(settings.zone).date()),
            sex=SEX_NAMES[record.sex],
            phone=record.phone or None,
            email=record.contact_email or None,
            address=record.address or None,
            allergies=_allergies(record.allergies),
        ),
        scan=context.ScanImage(
            kind=KIND_NAMES[scan.kind],
            indication=scan.indication,
            uploaded_at=scan.uploaded_at,
            image=image,
            width=scan.width,
            height=scan.height,
            sent_as=sent_as(scan),
            technique=_technique(scan),
            comparison=_comparison(scan),
        ),
        prediction=_prediction(scan),
        review=reviews[-1],
        earlier_reviews=tuple(reviews[:-1]),
        prescription=written[-1],
        earlier_prescriptions=tuple(written[:-1]),
        addenda=tuple(
            context.PrintedAddendum(
                note=each.note,
                author=each.author.name,
                role=each.author.role.human,
                written_at=each.created_at,
            )
            for each in scan.addenda[
                : version - 1
            ]  # version 1 must not show a later addendum, even if it is made late
        ),
        critical=_critical(scan, version),
        signatures=_signatures(scan, scan.reviews[-1], prescribed[-1]),
    )
    return lettering.settled(made)


def _allergies(text: str) -> str:
    """As the patient wrote them; “None known” however that was written."""
    known = allergies.state(text)
    return _("None known") if known is allergies.AllergiesAsked.NONE_KNOWN else text.strip()


def _technique(scan: Scan) -> str:
    """Only what is known: a JPEG or PNG says neither projection nor exposure nor scale."""
    size = {"width": scan.width, "height": scan.height}
    if scan.kind is ScanKind.CARDIAC_MRI:
        return _(
            "One image, sent as a picture of %(width)s × %(height)s pixels; sequence, plane and scale are not recorded.",
            **size,
        )
    return _(
        "Sent as a picture of %(width)s × %(height)s pixels; projection, exposure and scale are not recorded.",
        **size,
    )


_MOST_COMPARED = 3


def _comparison(scan: Scan) -> str:
    """Earlier scans of the same kind that the doctor could open beside this one; it does not claim that they were."""
    days = [context.day(at.astimezone(current_app.config["CSSS"].zone)) for at in earlier_of_kind(scan)]
    if not days:
        return _("No earlier scan of this kind in this system.")
    shown = days[:_MOST_COMPARED]
    if more := len(days) - len(shown):
        shown.append(_n("%(num)s earlier one", "%(num)s earlier ones", more))
    return _("Available to the doctor: %(days)s.", days="; ".join(shown))


def _mrn(scan: Scan) -> str:
    """The patient's number; a scan that a merge has brought names the number of its first record, too."""
    origin = merged.origin_of(scan.id)
    if origin is None:
        return scan.patient.mrn
    return _("%(mrn)s (this scan was taken under %(earlier)s)", mrn=scan.patient.mrn, earlier=origin.mrn)


def _prediction(scan: Scan) -> context.PredictionSummary | context.NoPrediction | None:
    prediction = scan.prediction
    if prediction is None:
        return None  # silent: a scan that has been read has one
    if not prediction.available:
        return context.NoPrediction(reason=prediction.reason)
    heatmap = None
    if prediction.heatmap_key is not None:
        heatmap = storage().read(prediction.heatmap_key)
    named = findings_of(scan)
    return context.PredictionSummary(
        label=prediction.label,
        human_label=human_name(prediction.label),
        confidence=prediction.confidence or 0.0,
        probabilities=tuple(
            context.Probability(name=name, human=human_name(name), value=value)
            for name, value in prediction.probabilities.items()
        ),
        threshold=prediction.threshold_used or 0.0,
        model_version=prediction.model_version,
        uncertain=counts_as_uncertain(scan),
        uncertain_reason=prediction.reason or None,
        about_kind=kind_words(scan),
        explanation=explanation(prediction.label) if why(scan) is Why.WITHOUT_FINDING else None,
        heatmap=heatmap,
        findings=tuple(_finding(each) for each in named.likely) if named else None,
        no_finding=_finding(named.none) if named and named.none_likely else None,
    )


def _finding(named: NamedFinding) -> context.PrintedFinding:
    return context.PrintedFinding(
        human=finding_name(named.name), value=named.probability, threshold=named.threshold
    )


def _review(review: Review) -> context.PrintedReview:
    return context.PrintedReview(
        version=review.version,
        author=review.doctor.name,
        written_at=review.created_at,
        findings=review.findings,
        impression=review.impression,
        diagnosis=review.diagnosis,
        agreement=review.agreement.value if review.agreement else None,
    )


def _critical(scan: Scan, version: int) -> context.PrintedCritical | None:
    """The critical result that counts, unless a later addendum than those of this version has marked it."""
    result = critical_results.standing(scan.id)
    if result is None or (result.addendum_number or 0) >= version:
        return None
    taken = result.acknowledgement
    return context.PrintedCritical(
        action=result.action,
        marked_at=result.marked_at,
        taken_by=taken.person.name if taken and taken.person else None,
        role=taken.person_role.human if taken and taken.person_role else "",
        taken_at=taken.at if taken else None,
    )


def _prescription(prescription: Prescription) -> context.PrescriptionText:
    return context.PrescriptionText(
        version=prescription.version,
        author=prescription.pharmacist.name,
        written_at=prescription.created_at,
        none_needed=prescription.none_needed,
        notes=prescription.notes,
        items=tuple(
            context.PrintedMedicine(
                drug=item.drug,
                dose=item.dose,
                route=item.route.human,
                frequency=item.frequency,
                duration=item.duration,
            )
            for item in prescription.items
        ),
    )


def _signatures(scan: Scan, review: Review, prescription: Prescription) -> tuple[context.Signature, ...]:
    signed = [
        context.Signature(
            name=review.doctor.name,
            role=review.doctor.role.human,
            action=_("Read the scan and verified the findings"),
            signed_at=review.created_at,
            specialty=review.doctor.specialty,
            registration=review.doctor.registration_number,
        ),
        context.Signature(
            name=prescription.pharmacist.name,
            role=prescription.pharmacist.role.human,
            action=_("Completed the prescription"),
            signed_at=prescription.created_at,
            specialty=prescription.pharmacist.specialty,
            registration=prescription.pharmacist.registration_number,
        ),
    ]
    if approval := queries.approval(scan):
        signed.append(
            context.Signature(
                name=approval.admin.name,
                role=approval.admin.role.human,
                action=_("Approved the report for release"),
                signed_at=approval.approved_at,
            )
        )
    return tuple(signed)
