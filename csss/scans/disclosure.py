"""Decide who may know the classifier's answer about a scan, as `CSSS_CLASSIFIER_SHOWN` says.

- at_once: all staff, as soon as there is one.
- after_reading: a doctor once the doctor's own first impression is kept, or once a reading of the scan is signed. Lists,
  which are the same for all doctors, say nothing of a scan that waits to be read.
- silent: nobody who reads, prescribes, approves or is the patient, and no report. An answer that was given in silence
  stays silent when the setting changes; statistics and studies read it from the database.

Pages get their scans from `scans.queries`, which hands them out as the person may know them: whoever may not know the
answer gets a scan without a prediction. So no page can tell it by mistake.
"""

from typing import Any, cast

from flask import current_app
from sqlalchemy import select

from csss.database import db
from csss.people.models import User
from csss.people.roles import Role
from csss.scans.models import FirstImpression, Scan
from csss.scans.states import Status


class _WithoutAnswer:
    """A scan of which everything is there but the classifier's answer."""

    prediction = None

    def __init__(self, scan: Scan) -> None:
        self.whole = scan

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)


def _setting() -> str:
    return str(current_app.config["CSSS"].classifier_shown)


def is_silent() -> bool:
    """Whether answers are given in silence now."""
    return _setting() == "silent"


def lists_are_blind() -> bool:
    """Whether lists say nothing of the answer about scans that wait to be read, not even by their order."""
    return _setting() != "at_once"


def hidden_in_lists(status: Status, *, available: bool, silent: bool) -> bool:
    """Whether a list shows a scan in this status without its answer."""
    if silent or is_silent():
        return True
    return available and status is Status.AI_ANALYZED and lists_are_blind()


def known(scan: Scan) -> Scan:
    """The scan as people may know it: without the prediction where that is silent."""
    found = scan.prediction
    return _without(scan) if found is not None and (found.silent or is_silent()) else scan


def seen_by(scan: Scan, person: User) -> Scan:
    """The scan as this person may know it now."""
    if person.role is Role.DOCTOR and must_reveal(scan, person):
        return _without(scan)
    return known(scan)


def must_reveal(scan: Scan, doctor: User) -> bool:
    """Whether the doctor has to write a first impression before the answer is revealed and the reading can be signed."""
    if _setting() != "after_reading":
        return False
    found = (scan.whole if isinstance(scan, _WithoutAnswer) else scan).prediction
    if found is None or not found.available or found.silent or scan.reviews:
        return False
    return first_impression(scan, doctor) is None


def first_impression(scan: Scan, doctor: User) -> FirstImpression | None:
    """What this doctor thought of the scan before the answer was revealed."""
    own = (FirstImpression.scan_id == scan.id, FirstImpression.doctor_id == doctor.id)
    return db.session.scalars(select(FirstImpression).where(*own)).one_or_none()


def _without(scan: Scan) -> Scan:
    return cast("Scan", _WithoutAnswer(scan))
