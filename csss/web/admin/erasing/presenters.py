"""The patient who is about to be erased, in an administrator's words."""

from csss.erasing import queries
from csss.i18n import _
from csss.people.models import Patient
from csss.web.filters import address, when


def facts_before(patient: Patient) -> list[tuple[str, str | None]]:
    """Facts that identify the patient, so that nobody erases the wrong one."""
    scans = queries.scans_of(patient)
    return [
        (_("Name"), patient.name),
        (_("MRN"), patient.mrn),
        (_("E-mail address"), address(patient.contact_email) if patient.contact_email else None),
        (_("Registered"), when(patient.user.created_at))
        if patient.user is not None
        else (_("Record made"), when(patient.created_at) if patient.created_at is not None else None),
        (_("Scans"), str(scans)),
    ]
