"""Find text that the report's fonts cannot print, before the release, and say who can change it.

People who write findings, a prescription or an indication are told at once. So this check is mainly for names and
addresses, which may use other scripts, and for texts from before that check existed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple, TypeVar

from csss import report_fonts
from csss.config import environment_name
from csss.errors import StateConflict
from csss.hospital.current import from_environment, hospital
from csss.i18n import _
from csss.people.models import User
from csss.prescriptions import services as prescriptions
from csss.prescriptions.models import Prescription
from csss.reports.context import ReportContext
from csss.scans import critical_results, disclosure
from csss.scans.models import Scan

T = TypeVar("T")


class Text(NamedTuple):
    """A text of the report, with a phrase for its place and a sentence that says who can change it."""

    where: str
    text: str
    way_out: str


def check_can_print(scan: Scan, by: User) -> None:
    """Raise StateConflict when the fonts lack a letter of the report that `by` would release."""
    if found := obstacles(scan, by):
        raise StateConflict(" ".join(found))


def obstacles(scan: Scan, by: User, prescription: Prescription | None = None) -> list[str]:
    """For each text that the report cannot print: its place, the words, and who can change it.

    `by` signs the release, so that name is printed, too. `prescription` is the current one, if it is already
    loaded.
    """
    if prescription is None:
        prescription = next(reversed(prescriptions.versions(scan)), None)
    return [
        f"{each.where}: {sentence} {each.way_out}"
        for each in _texts(scan, by, prescription)
        if (sentence := report_fonts.problem(each.text))
    ]


def _texts(scan: Scan, by: User, prescription: Prescription | None) -> Iterator[Text]:
    """All texts written by people that can still be changed before the first version is made."""
    patient, review, prediction = scan.patient, scan.review, disclosure.known(scan).prediction
    shown = hospital()
    for what, text, setting in (
        (_("Name of the hospital"), shown.name, "hospital_name"),
        (_("Address of the hospital"), "\n".join(shown.address), "hospital_address"),
        (_("Telephone of the hospital"), shown.telephone, ""),
        (_("Line of the letterhead"), shown.letterhead, ""),
    ):
        yield Text(what, text, _who_changes(setting))
    patients = (
        _("The patient can change the spelling on their own account page.")
        if patient.user is not None
        else _("An administrator can change it under “Patients”.")
    )
    yield Text(_("Name of the patient"), patient.name, patients)
    yield Text(_("Address of the patient"), patient.address, patients)
    yield Text(_("Phone number of the patient"), patient.phone, patients)
    yield Text(_("Allergies of the patient"), patient.allergies, patients)
    again = _("It cannot be changed: a doctor can close the scan, and the patient then sends it again.")
    yield Text(_("Indication"), scan.indication, again)
    if prediction is not None and not prediction.available:
        yield Text(_("Reason for reading without the classifier"), prediction.reason, again)
    correction = _("Put the scan on hold and ask the doctor for a correction.")
    if review is not None:
        yield Text(_("Diagnosis"), review.diagnosis, correction)
        yield Text(_("Impression"), review.impression, correction)
        yield Text(_("Findings"), review.findings, correction)
        result = critical_results.standing(scan.id)
        if result is not None:
            yield Text(_("Critical result"), result.action, correction)
            if result.acknowledgement is not None and result.acknowledgement.person is not None:
                yield _signer(result.acknowledgement.person)
        yield _signer(review.doctor)
    if prescription is not None:
        correction = _("Put the scan on hold and ask the pharmacist for a correction.")
        for item in prescription.items:
            line = "\n".join((item.drug, item.dose, item.frequency, item.duration))
            yield Text(_("Medicine %(number)s", number=item.position), line, correction)
        yield Text(_("Notes of the prescription"), prescription.notes, correction)
        yield _signer(prescription.pharmacist)
    yield _signer(by)


def _who_changes(setting: str) -> str:
    if setting and from_environment(setting):
        return _(
            "The person who runs CSSS can change it in the settings (%(name)s).",
            name=environment_name(setting),
        )
    return _("An administrator can change it under “Hospital”.")


def _signer(person: User) -> Text:
    return Text(
        _("Name, specialty or registration number of %(name)s, who signs", name=person.name),
        "\n".join((person.name, person.specialty, person.registration_number)),
        _("That person can change the spelling on their own account page."),
    )


def settled(context: ReportContext) -> ReportContext:
    """Replace letters that the fonts lack by their code points, wherever nobody can change the text any more.

    This concerns texts corrected before the release, the e-mail address, and in a later version everything that the
    first one said. An addendum must reach the patient even when the report that it corrects was printed with boxes.
    """
    context = replace(
        context,
        patient=replace(context.patient, email=_by_number(context.patient.email)),
        earlier_reviews=_by_number(context.earlier_reviews),
        earlier_prescriptions=_by_number(context.earlier_prescriptions),
    )
    if context.version == 1:
        return context
    newest: Sequence[Any] = context.addenda[-1:]
    return replace(_by_number(context), addenda=(*_by_number(context.addenda[:-1]), *newest))


def _by_number(value: T) -> T:
    """The same value with every text in it made printable (`report_fonts.by_number`)."""
    made: Any = value
    if isinstance(value, str):
        made = report_fonts.by_number(value)
    elif isinstance(value, tuple):
        made = tuple(_by_number(each) for each in value)
    elif is_dataclass(value) and not isinstance(value, type):
        made = replace(value, **{f.name: _by_number(getattr(value, f.name)) for f in fields(value) if f.init})
    return made
