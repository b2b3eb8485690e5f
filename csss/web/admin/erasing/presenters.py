"""The patient who is about to be erased, in an administrator's words."""

from csss.erasing import queries
from csss.i18n import _
from csss.people.models import Patient
from csss.web.filters import address, when


def facts_before(patient: Patient) -> list[tuple[str, str | None]]:
    """Facts that identify the patient, so that nobody erases the wrong one."""
    scans = queries.scans_of(patient)
    return [
        (_("Name"), patient.user.name),
        (_("MRN"), patient.mrn),
        (_("E-mail address"), address(patient.user.email)),
        (_("Registered"), when(patient.user.created_at)),
        (_("Scans"), str(scans)),
    ]
