"""Define the four roles of CSSS."""

from enum import StrEnum

from csss.i18n import _l


class Role(StrEnum):
    ADMIN = "admin"
    DOCTOR = "doctor"
    PHARMACIST = "pharmacist"
    PATIENT = "patient"

    @property
    def human(self) -> str:
        """The display name."""
        return str(_NAMES[self])


_NAMES = {
    Role.ADMIN: _l("Administrator"),
    Role.DOCTOR: _l("Doctor"),
    Role.PHARMACIST: _l("Pharmacist"),
    Role.PATIENT: _l("Patient"),
}
STAFF = frozenset({Role.ADMIN, Role.DOCTOR, Role.PHARMACIST})
