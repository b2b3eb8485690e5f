"""Decide which changes are announced, and to whom: names of lists and ids of scans, by the changed table."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from csss.people.roles import STAFF, Role

CHANNEL = "csss:live"
QUEUE, ACCOUNTS, MAIL, CRITICAL = "queue", "accounts", "mail", "critical"
ERASED = "erased"  # only for processes: they clear their caches (`csss.caches`)

_DOCTOR = frozenset({Role.DOCTOR})
_ADMIN = frozenset({Role.ADMIN})
_EVERYBODY = STAFF | {Role.PATIENT}
_CRITICAL = ("critical_events", "critical_results")
# Rows with a `scan_id`: the roles whose lists or pages show them. A patient hears nothing about the classifier.
_OF_A_SCAN: dict[str, frozenset[Role]] = {
    "addenda": _EVERYBODY,
    "analysis_runs": _DOCTOR,
    "approvals": frozenset({Role.ADMIN, Role.DOCTOR}),
    **dict.fromkeys(_CRITICAL, STAFF),
    "doctor_openings": frozenset({Role.PATIENT}),  # whose button to withdraw the scan goes
    "kind_corrections": _EVERYBODY,
    "pharmacist_openings": _DOCTOR,
    "prescriptions": STAFF,
    "report_versions": _EVERYBODY,
    "reviews": STAFF,
    "scan_assignments": _DOCTOR,
    "scan_claims": _DOCTOR,
    "scan_closures": _EVERYBODY,
    "scan_holds": STAFF,
    "second_reading_requests": _DOCTOR,
    "second_readings": _DOCTOR,
}
# A step: the roles whose list the scan leaves or joins. A doctor's list counts every status; a patient hears of the
# first step through the new scan itself.
_STEPS: dict[str, frozenset[Role]] = {
    "PENDING_AI": _DOCTOR,
    "AI_ANALYZED": frozenset({Role.PATIENT, Role.DOCTOR}),
    "DOCTOR_VERIFIED": frozenset({Role.PATIENT, Role.DOCTOR, Role.PHARMACIST}),
    "PHARMACIST_COMPLETED": _EVERYBODY,
    "REPORT_READY": _EVERYBODY,
}
_LISTS: dict[str, tuple[tuple[str, ...], frozenset[Role]]] = {
    "users": ((ACCOUNTS,), _ADMIN),
    "mail_messages": ((MAIL,), _ADMIN),
    "patient_corrections": ((QUEUE,), STAFF),  # lists show the patient's name, age and sex
}


@dataclass(frozen=True)
class Change:
    """Names of what has changed, for the people of these roles (patients hear only of their own scans).

    `owner` is the patient to whom a new scan belongs.
    """

    names: tuple[str, ...]
    roles: frozenset[Role]
    owner: str = ""

    def encode(self) -> str:
        return json.dumps({"n": self.names, "r": sorted(self.roles), "o": self.owner})

    @classmethod
    def decode(cls, text: str | bytes) -> "Change":
        """Parse a message. Raises ValueError, KeyError or TypeError when this program did not write it."""
        read = json.loads(text)
        roles = frozenset(Role(role) for role in read["r"])
        return cls(tuple(str(name) for name in read["n"]), roles, str(read["o"]))


def change_of(row: Any, *, new: bool) -> Change | None:
    """What a written row means for the open pages; None for a row that no page shows."""
    table = row.__tablename__
    if table in _LISTS:
        return Change(*_LISTS[table])
    if table == "scans":
        # Staff hear of a new scan through its first step; otherwise its priority has changed.
        if new:
            return Change((QUEUE, str(row.id)), frozenset({Role.PATIENT}), owner=str(row.patient_id))
        return Change((QUEUE, str(row.id)), STAFF)
    if table == "scan_events":
        return Change((QUEUE, str(row.scan_id)), _STEPS[row.became.value])
    if table in _OF_A_SCAN:
        lists = (QUEUE, CRITICAL) if table in _CRITICAL else (QUEUE,)
        return Change((*lists, str(row.scan_id)), _OF_A_SCAN[table])
    return None


def merged(changes: Iterable[Change]) -> list[Change]:
    """One change per set of roles and owner, with each name once; new scans come first."""
    names: dict[tuple[frozenset[Role], str], dict[str, None]] = {}
    for change in sorted(changes, key=lambda each: not each.owner):
        names.setdefault((change.roles, change.owner), {}).update(dict.fromkeys(change.names))
    return [Change(tuple(found), roles, owner) for (roles, owner), found in names.items()]


@dataclass(frozen=True)
class Listener:
    """Who has opened a stream, and what they may know. `patient` and `scans`: a patient's own, None for staff."""

    session_id: uuid.UUID
    role: Role
    patient: str | None = None
    scans: set[str] | None = None

    def may_know(self, change: Change) -> tuple[str, ...]:
        """The names of this change that may be sent; none when it is about other people's scans."""
        if self.role not in change.roles:
            return ()
        if self.scans is None:
            return change.names
        if change.owner and change.owner == self.patient:
            self.scans.update(set(change.names) - {QUEUE})
        own = tuple(name for name in change.names if name in self.scans)
        return (QUEUE, *own) if own else ()
