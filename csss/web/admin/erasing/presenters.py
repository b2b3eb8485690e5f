"""Whose data is due, and who has been erased, in an administrator's words."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from csss.clock import now
from csss.erasing import queries
from csss.erasing.models import Erasure
from csss.erasing.queries import Due
from csss.i18n import _, _n
from csss.people.models import Patient
from csss.scans.presenters import Tag
from csss.web.admin.accounts.keeping_presenters import counts_words, erased_by
from csss.web.filters import address, when


@dataclass(frozen=True)
class DueRow:
    """One patient who is due."""

    user_id: uuid.UUID
    name: str
    mrn: str
    last: datetime
    since: str
    tag: Tag


@dataclass(frozen=True)
class ErasureRow:
    """One erasure. Nothing here says who it was."""

    id: uuid.UUID
    user_id: uuid.UUID
    at: datetime
    by: str
    reason: str
    counts: str


def due_row(due: Due) -> DueRow:
    days = (now() - due.last).days
    return DueRow(
        due.patient.user_id,
        due.patient.user.name,
        due.patient.mrn,
        due.last,
        _n("%(num)s day ago", "%(num)s days ago", days),
        Tag(_("Legal hold"), "warn", "lock") if due.held else Tag(_("Due"), "wait", "hourglass"),
    )


def erasure_row(erasure: Erasure) -> ErasureRow:
    return ErasureRow(
        erasure.id,
        erasure.patient.user_id,
        erasure.at,
        erased_by(erasure),
        erasure.reason,
        counts_words(erasure),
    )


def facts_before(patient: Patient) -> list[tuple[str, str | None]]:
    """Who is meant, so that nobody erases the wrong one."""
    scans = queries.scans_of(patient)
    return [
        (_("Name"), patient.user.name),
        (_("MRN"), patient.mrn),
        (_("E-mail address"), address(patient.user.email)),
        (_("Registered"), when(patient.user.created_at)),
        (_("Scans"), str(scans)),
    ]
