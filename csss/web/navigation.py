"""What stands in the navigation of each role."""

from dataclasses import dataclass
from typing import Any

from flask import request, url_for

from csss.auth.roles import Role


@dataclass(frozen=True)
class NavItem:
    url: str
    label: str
    current: bool
    count: int | None = None


HOME: dict[Role, str] = {
    Role.PATIENT: "patient.home",
    Role.DOCTOR: "doctor.worklist",
    Role.PHARMACIST: "pharmacist.queue",
    Role.ADMIN: "admin.queue",
}
_ENTRIES: dict[Role, tuple[tuple[str, str], ...]] = {
    Role.PATIENT: (("patient.home", "My scans"),),
    Role.DOCTOR: (("doctor.worklist", "Worklist"),),
    Role.PHARMACIST: (("pharmacist.queue", "Prescriptions"),),
    Role.ADMIN: (
        ("admin.queue", "Approvals"),
        ("admin.users", "Accounts"),
        ("admin.mail_log", "Mail"),
        ("admin.audit_log", "Audit log"),
    ),
}


def home_url(role: Role) -> str:
    """The queue of a role."""
    return url_for(HOME[role])


def nav_items(user: Any) -> list[NavItem]:
    if not user.is_authenticated:
        return []
    return [
        NavItem(url_for(endpoint), label, current=request.endpoint == endpoint)
        for endpoint, label in _ENTRIES[user.role]
    ]
