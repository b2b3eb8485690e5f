"""Keep what a doctor thinks of a scan before the classifier's answer is revealed, and tell whether the mind changed.

`keep` belongs inside transaction().
"""

import re
import uuid
from typing import Protocol

from csss.audit.record import record
from csss.database import db
from csss.errors import Invalid, StateConflict
from csss.i18n import _
from csss.people.models import User
from csss.scans import disclosure, policies, review_drafts, workflow
from csss.scans.models import FirstImpression, Scan
from csss.scans.review_text import ReviewText, text_problems
from csss.scans.states import Sureness


def keep(scan_id: uuid.UUID, written: ReviewText, *, sureness: str, by: User) -> FirstImpression:
    """Keep the first impression, which reveals the classifier's answer to this doctor. It cannot be changed.

    Findings, a diagnosis and `sureness` (a value of Sureness) are required. What was written becomes the doctor's
    draft, too, from which the reading is signed. Raises StateConflict, Invalid (by field; `sureness`).
    """
    scan = workflow.lock(scan_id)
    policies.check_can_verify(scan)
    if not disclosure.must_reveal(scan, by):
        raise StateConflict(_("There is nothing to reveal to you: the reading can be signed as it is."))
    errors = text_problems(written)
    if not written.findings.strip():
        errors["findings"] = _("Write what you see in the scan.")
    if not written.diagnosis.strip():
        errors["diagnosis"] = _("Write the diagnosis as you see it now, before the classifier’s answer.")
    if sureness not in set(Sureness):
        errors["sureness"] = _("Say how sure you are.")
    if errors:
        raise Invalid(**errors)
    kept = FirstImpression(
        id=uuid.uuid4(),
        scan_id=scan.id,
        doctor_id=by.id,
        findings=written.findings.strip(),
        impression=written.impression.strip(),
        diagnosis=written.diagnosis.strip(),
        sureness=Sureness(sureness),
    )
    db.session.add(kept)
    review_drafts.save(scan_id, written, by=by)
    record("scan.answer_revealed", scan, by=by, sureness=sureness)
    return kept


def keep_if_asked(scan_id: uuid.UUID, written: ReviewText, *, by: User) -> None:
    """The same for a story that is told by a program, where a first impression is asked for."""
    if disclosure.must_reveal(workflow.lock(scan_id), by):
        keep(scan_id, written, sureness=Sureness.FAIRLY, by=by)


def changed_mind(scan: Scan, signed: ReviewText, *, by: User) -> bool | None:
    """Whether the signed conclusion differs from the doctor's first impression; None without one.

    The conclusion is the diagnosis, or without one the impression. Capitals and punctuation do not count; another
    wording does, because nobody but the doctor could say that it means the same.
    """
    first = disclosure.first_impression(scan, by)
    if first is None:
        return None
    return not same_conclusion(first, signed)


class Concluded(Protocol):
    """A text that ends in a conclusion: a reading, a first impression, a request for a second reading."""

    @property
    def impression(self) -> str: ...

    @property
    def diagnosis(self) -> str: ...


def same_conclusion(one: Concluded, other: Concluded) -> bool:
    """Whether the diagnoses are the same, or without one the impressions; but for capitals and punctuation."""
    return _plain(one.diagnosis.strip() or one.impression) == _plain(
        other.diagnosis.strip() or other.impression
    )


def _plain(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
