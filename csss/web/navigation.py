"""What stands in the navigation of each role."""

from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from flask_babel.speaklater import LazyString

from csss.auth.roles import Role
from csss.i18n import _l


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
_ENTRIES: dict[Role, tuple[tuple[str, LazyString], ...]] = {
    Role.PATIENT: (("patient.home", _l("My scans")),),
    Role.DOCTOR: (("doctor.worklist", _l("Worklist")), ("doctor.templates", _l("Templates"))),
    Role.PHARMACIST: (("pharmacist.queue", _l("Prescriptions")),),
    Role.ADMIN: (
        ("admin.queue", _l("Approvals")),
        ("admin.users", _l("Accounts")),
        ("admin.mail_log", _l("Mail")),
        ("admin.audit_log", _l("Audit log")),
        ("admin.statistics", _l("Statistics")),
    ),
}


_HELP = ("assistant.page", _l("Help"))


def home_url(role: Role) -> str:
    """The queue of a role."""
    return url_for(HOME[role])


def nav_items(user: Any) -> list[NavItem]:
    if not user.is_authenticated:
        return []
    return [
        NavItem(url_for(endpoint), str(label), current=request.endpoint == endpoint)
        for endpoint, label in (*_ENTRIES[user.role], _HELP)
    ]
