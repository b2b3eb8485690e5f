"""The navigation of each role."""

from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from flask_babel.speaklater import LazyString

from csss.i18n import _l
from csss.people.roles import Role


@dataclass(frozen=True)
class NavItem:
    """An entry; `current` is "page" on its own page, "true" on a page below it, else empty (as in aria-current)."""

    url: str
    label: str
    current: str


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
        ("admin.patients", _l("Patients")),
        ("admin.users", _l("Accounts")),
        ("admin.mail_log", _l("Mail")),
        ("admin.audit_log", _l("Audit log")),
        ("admin.statistics", _l("Statistics")),
        ("admin.hospital_settings", _l("Hospital")),
    ),
}
# Pages that belong to an entry although their address is not below its own.
_ALSO: dict[str, str] = {
    "admin.erasures": "admin.users",
    "admin.erase_form": "admin.users",
    "admin.invitations": "admin.users",
    "admin.invite": "admin.users",
    "admin.jobs": "admin.mail_log",
    "admin.watch": "admin.statistics",
}
_HELP = ("assistant.page", _l("Help"))


def home_url(role: Role) -> str:
    """The queue of a role."""
    return url_for(HOME[role])


def nav_items(user: Any) -> list[NavItem]:
    if not user.is_authenticated:
        return []
    entries = {url_for(endpoint): (endpoint, label) for endpoint, label in (*_ENTRIES[user.role], _HELP)}
    here = url_for(_ALSO[request.endpoint]) if request.endpoint in _ALSO else request.path
    nearest = max((url for url in entries if here.startswith(url)), key=len, default="")
    return [
        NavItem(url, str(label), current=_current(endpoint) if url == nearest else "")
        for url, (endpoint, label) in entries.items()
    ]


def _current(endpoint: str) -> str:
    return "page" if request.endpoint == endpoint else "true"
