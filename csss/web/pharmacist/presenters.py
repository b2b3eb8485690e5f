"""A scan as the pharmacist sees it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from flask import url_for

from csss import clock
from csss.i18n import gettext as _
from csss.prescriptions import allergies, dose_checks, line_warnings
from csss.prescriptions.allergies import AllergiesAsked
from csss.prescriptions.formulary import Medicine
from csss.prescriptions.lines import Line
from csss.prescriptions.models import Prescription, PrescriptionTemplate, Route
from csss.prescriptions.queries import scans_of
from csss.prescriptions.safety import doses
from csss.prescriptions.safety.facts import of_formulary
from csss.prescriptions.templates import lines_of
from csss.scans import critical_results, policies, queries
from csss.scans.list_rows import ListedScan
from csss.scans.models import Scan, ScanHold
from csss.scans.presenters import Tag, critical_tag, status_for_staff
from csss.scans.states import HoldFor, Priority, Status
from csss.web.filters import ago, shorten, when
from csss.web.scan_view import age_at


@dataclass(frozen=True)
class QueueRow:
    """One line of the queue: templates/pharmacist/_queue_row.html."""

    id: str
    url: str
    name: str
    mrn: str
    age: str
    allergies: str
    allergies_state: AllergiesAsked
    diagnosis: str
    since: str
    waiting: str
    urgent: bool
    critical: Tag | None
    tag: Tag


def queue_rows(scans: Sequence[ListedScan]) -> list[QueueRow]:
    ids = [scan.id for scan in scans]
    diagnoses, base = queries.diagnoses(ids), url_for("pharmacist.queue")
    critical = critical_results.among(ids)
    return [
        QueueRow(
            id=str(scan.id),
            url=f"{base}scans/{scan.id}",
            name=scan.patient,
            mrn=scan.mrn,
            age=age_at(scan.date_of_birth, clock.now()).short,
            allergies=shorten(scan.allergies, 60),
            allergies_state=allergies.state(scan.allergies),
            diagnosis=shorten(diagnoses.get(scan.id, ""), 90),
            since=scan.uploaded_at.isoformat(),
            waiting=ago(scan.uploaded_at),
            urgent=scan.priority is Priority.URGENT,
            critical=critical_tag(critical.get(scan.id)),
            tag=tag(cast("Scan", scan)),  # the statuses that presenters and policies need
        )
        for scan in scans
    ]


@dataclass(frozen=True)
class CompletedRow:
    """One line of the list of completed prescriptions."""

    id: str
    url: str
    name: str
    mrn: str
    completed: str
    author: str
    medicines: str
    tag: Tag


def completed_rows(prescriptions: Sequence[Prescription]) -> list[CompletedRow]:
    scans = scans_of(prescriptions)
    return [
        CompletedRow(
            id=str(each.scan_id),
            url=url_for("pharmacist.scan", scan_id=each.scan_id),
            name=scans[each.scan_id].patient.name,
            mrn=scans[each.scan_id].patient.mrn,
            completed=when(each.created_at),
            author=each.pharmacist.name,
            medicines=shorten(", ".join(item.drug for item in each.items), 80) or _("None needed"),
            tag=tag(scans[each.scan_id]),
        )
        for each in prescriptions
    ]


def asked_for(scan: Scan) -> ScanHold | None:
    """The administrator's open question to the pharmacist."""
    hold = scan.open_hold
    return hold if hold is not None and hold.to is HoldFor.PHARMACIST else None


def tag(scan: Scan) -> Tag:
    """The status in the pharmacist's words."""
    hold = asked_for(scan)
    if hold is not None:
        if hold.answered_at:
            return Tag(_("Corrected, with the administrator"), "info", "check")
        return Tag(_("Correction asked for"), "warn", "edit")
    if policies.may(policies.check_can_complete, scan):
        return Tag(_("To prescribe"), "info", "pill")
    return status_for_staff(scan)


def waits_because(scan: Scan) -> str | None:
    """Why nothing can be prescribed now, if the scan does not wait for the pharmacist; None when the prescription is
    complete.
    """
    hold = scan.open_hold
    if scan.closure is not None:
        return _("The scan has been closed. Nothing is prescribed for it.")
    if hold is not None and hold.taken_back is not None:
        return _(
            "The doctor has taken the signature back and will sign the reading again. "
            "The prescription can be written after that."
        )
    if hold is not None and scan.status is Status.DOCTOR_VERIFIED:
        # Only the doctor: policies.check_can_hold does not ask a pharmacist before there is a prescription.
        return _(
            "An administrator has asked the doctor for a correction. "
            "The prescription can be written once that is settled."
        )
    if scan.status in {Status.PENDING_AI, Status.AI_ANALYZED}:
        return _("A doctor has to read and verify this scan first.")
    return None


def medicine_names() -> list[str]:
    """The medicine names that the browser suggests while somebody types."""
    return [each.name for each in line_warnings.formulary().medicines]


def what_is_known(line: Line) -> list[str]:
    """What the formulary says of a line's medicine, a sentence for each."""
    if not line.drug.strip():
        return []
    route = Route(line.route) if line.route in set(Route) else None
    return [_of_medicine(each, route) for each in line_warnings.formulary().find(line.drug)]


def _of_medicine(medicine: Medicine, route: Route | None) -> str:
    name = f"{medicine.name}: {medicine.strengths}" if medicine.strengths else medicine.name
    if most := dose_checks.greatest_a_day(medicine, route):
        told = _("%(medicine)s. Maximum daily dose: %(most)s.", medicine=name, most=most)
    else:
        told = _("%(medicine)s. No maximum daily dose is listed.", medicine=name)
    if route and (usual := doses.usual_dose(medicine, route)):
        source = of_formulary(medicine.source)
        told = f"{told} {_('Usual single dose of an adult: %(usual)s (%(source)s).', usual=usual, source=source)}"
    return told


def recognised_allergies(scan: Scan) -> tuple[str, ...]:
    """The allergies that the warnings recognise in the patient's own words."""
    return allergies.read(scan.patient.allergies, line_warnings.formulary()).recognised


@dataclass(frozen=True)
class TemplateRow:
    """One template as the list shows it."""

    id: uuid.UUID
    name: str
    lines: tuple[str, ...]
    doubts: tuple[str, ...]  # the lines that need a reason each time, and why


def template_groups(found: Sequence[PrescriptionTemplate]) -> list[tuple[str, list[TemplateRow]]]:
    """The groups of templates: one's own (if there are any) and the hospital's."""
    own = [_template_row(each) for each in found if each.owner_id]
    shared = [_template_row(each) for each in found if not each.owner_id]
    return [(_("Mine"), own)] * bool(own) + [(_("The hospital’s"), shared)] * bool(shared)


def _template_row(template: PrescriptionTemplate) -> TemplateRow:
    lines = tuple(
        ", ".join(filter(None, (line.drug, line.dose, line.frequency, line.duration)))
        for line in (each.as_written for each in lines_of(template))
    )
    doubts = tuple(
        f"{line.drug}: {sentence}"
        for line in lines_of(template)
        if (sentence := line_warnings.dose_warning(line))
    )
    return TemplateRow(template.id, template.name, lines, doubts)
