"""The four roles of CSSS."""

from enum import StrEnum


class Role(StrEnum):
    ADMIN = "admin"
    DOCTOR = "doctor"
    PHARMACIST = "pharmacist"
    PATIENT = "patient"

    @property
    def human(self) -> str:
        """The word people read."""
        return "Administrator" if self is Role.ADMIN else self.value.capitalize()


STAFF = frozenset({Role.ADMIN, Role.DOCTOR, Role.PHARMACIST})
