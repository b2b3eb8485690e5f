"""Define who may do what: one enum, one table; nothing is allowed by default.

A permission says what a role may do at all. The query decides on which rows (`scans.queries.scan_visible_to`), and
the policies decide when.
"""

from enum import StrEnum

from csss.people.roles import Role


class Permission(StrEnum):
    """Named by subject and action."""

    PUBLIC = "public"  # everybody, signed in or not
    OWN_ACCOUNT = "account.own"  # everybody who is signed in

    SCAN_UPLOAD = "scan.upload"
    SCAN_REVIEW = "scan.review"
    SCAN_PRESCRIBE = "scan.prescribe"
    SCAN_SEE = "scan.see"
    CRITICAL_SEE = "critical.see"
    CRITICAL_ACKNOWLEDGE = "critical.acknowledge"
    ASSISTANT_ASK = "assistant.ask"
    REPORT_APPROVE = "report.approve"
    REPORT_DOWNLOAD = "report.download"
    MODEL_READ = "model.read"
    MODEL_CHOOSE = "model.choose"
    MODEL_WATCH = "model.watch"
    ACCOUNT_MANAGE = "account.manage"
    AUDIT_READ = "audit.read"
    PATIENT_ERASE = "patient.erase"
    PATIENT_MANAGE = "patient.manage"
    HOSPITAL_CHANGE = "hospital.change"


PUBLIC = Permission.PUBLIC

ALLOWED: dict[Permission, frozenset[Role]] = {
    Permission.OWN_ACCOUNT: frozenset(Role),
    Permission.SCAN_UPLOAD: frozenset({Role.PATIENT}),
    Permission.SCAN_REVIEW: frozenset({Role.DOCTOR}),
    Permission.SCAN_PRESCRIBE: frozenset({Role.PHARMACIST}),
    Permission.SCAN_SEE: frozenset(Role),
    Permission.CRITICAL_SEE: frozenset({Role.DOCTOR, Role.PHARMACIST, Role.ADMIN}),
    Permission.CRITICAL_ACKNOWLEDGE: frozenset({Role.PHARMACIST, Role.ADMIN}),
    Permission.ASSISTANT_ASK: frozenset(Role),
    Permission.REPORT_APPROVE: frozenset({Role.ADMIN}),
    Permission.REPORT_DOWNLOAD: frozenset(Role),
    Permission.MODEL_READ: frozenset({Role.DOCTOR, Role.PHARMACIST, Role.ADMIN}),
    Permission.MODEL_CHOOSE: frozenset({Role.ADMIN}),
    Permission.MODEL_WATCH: frozenset({Role.ADMIN}),
    Permission.ACCOUNT_MANAGE: frozenset({Role.ADMIN}),
    Permission.AUDIT_READ: frozenset({Role.ADMIN}),
    Permission.PATIENT_ERASE: frozenset({Role.ADMIN}),
    Permission.PATIENT_MANAGE: frozenset({Role.ADMIN}),
    Permission.HOSPITAL_CHANGE: frozenset({Role.ADMIN}),
}


def role_may(role: Role, permission: Permission) -> bool:
    """Whether a signed-in person of this role has the permission. A permission without a row is denied."""
    return permission is Permission.PUBLIC or role in ALLOWED.get(permission, frozenset())
