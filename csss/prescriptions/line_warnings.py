"""Gather what the records know of a patient, and let `safety.check` warn about the lines before they are signed.

A warning forbids nothing. The pharmacist removes the line or writes why it is right (`override_reason`), and both
are stored with the line.
"""

import re
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from flask import current_app
from flask_babel import format_date
from sqlalchemy import select

from csss import clock
from csss.ages import months_between
from csss.database import db
from csss.people.models import Sex
from csss.prescriptions import dose_checks, safety, stated_facts
from csss.prescriptions.formulary import Formulary
from csss.prescriptions.formulary_in_use import hospital_formulary
from csss.prescriptions.lines import Line
from csss.prescriptions.models import Prescription, Route
from csss.prescriptions.safety import PatientFacts, SafetyWarning, Taken
from csss.prescriptions.safety import interactions as interaction_list
from csss.prescriptions.safety.interactions import Interactions
from csss.prescriptions.stated_facts import KnownFacts
from csss.scans.models import Scan

# How long a medicine may still be in use when its line has no readable duration.
UNKNOWN_DURATION = timedelta(days=90)
LOOKED_BACK = timedelta(days=3 * 366)
_DAYS = {"d": 1, "w": 7, "m": 31, "y": 366}
_DURATION = re.compile(
    r"(\d{1,3})\s*(?:(?:-|–|to)\s*(\d{1,3})\s*)?(d|days?|w|wks?|weeks?|months?|yrs?|years?)\b"
)
_FOR_GOOD = re.compile(r"\b(long[- ]?term|life[- ]?long|for life|ongoing|permanent(?:ly)?|indefinitely)\b")


def formulary() -> Formulary:
    """The hospital's formulary."""
    return hospital_formulary()


def interactions() -> Interactions:
    """The hospital's list of interactions."""
    return interaction_list.load(current_app.config["CSSS"].interactions)


def warnings(
    scan: Scan, lines: Sequence[tuple[int, Line]], said: KnownFacts | None = None
) -> dict[int, tuple[SafetyWarning, ...]]:
    """The warnings of each line that has any. `lines` are the filled lines, each with its position; `said` is what
    a form says of the patient, instead of what is kept."""
    if not lines:
        return {}
    told = safety.check(facts_of(scan, said), [line for _place, line in lines], formulary(), interactions())
    return {place: found for (place, _line), found in zip(lines, told, strict=True) if found}


def facts_of(scan: Scan, said: KnownFacts | None = None) -> PatientFacts:
    """What is known of the scan's patient today."""
    patient = scan.patient
    said = said or stated_facts.known(scan)
    today = clock.now().astimezone(current_app.config["CSSS"].zone).date()
    return PatientFacts(
        months=months_between(patient.date_of_birth, today) if patient.date_of_birth <= today else None,
        female={Sex.FEMALE: True, Sex.MALE: False}.get(patient.sex),
        weight_kg=said.weight_kg,
        pregnancy=said.pregnancy,
        kidney=said.kidney,
        egfr=said.egfr,
        allergies=said.allergies,
        taking=(*still_taken(scan), *stated_facts.taking(said.medicines)),
    )


def dose_warning(line: Line) -> str | None:
    """A sentence when a line exceeds the maximum daily dose in the formulary, whoever the patient is."""
    route = Route(line.route) if line.route in set(Route) else Route.OTHER
    written = line.as_written
    return dose_checks.warning(written.drug, written.dose, route, written.frequency, formulary())


def still_taken(scan: Scan) -> list[Taken]:
    """What the patient's other scans of the last three years prescribed and what may still be in use."""
    now = clock.now()
    rows = db.session.scalars(
        select(Prescription)
        .join(Scan, Scan.id == Prescription.scan_id)
        .where(
            Scan.patient_id == scan.patient_id,
            Scan.id != scan.id,
            Prescription.created_at >= now - LOOKED_BACK,
        )
        .order_by(Prescription.created_at)
    )
    newest: dict[uuid.UUID, Prescription] = {row.scan_id: row for row in rows}  # a later version replaces
    return [
        Taken(item.drug, _day(written.created_at))
        for written in newest.values()
        for item in written.items
        if written.created_at + lasts(item.duration) >= now
    ]


def lasts(duration: str) -> timedelta:
    """How long "5 days", "1–2 weeks" or "a month" is. Of several alternatives the longest counts; consecutive ones
    are added ("10 days, then 6 months"). "Long-term" is as long as we look back; an unknown duration is 90 days."""
    text = re.sub(r"\b(an?|one)\b", "1", duration.lower())
    if _FOR_GOOD.search(text):
        return LOOKED_BACK
    spans = [int(last or first) * _DAYS[unit[0]] for first, last, unit in _DURATION.findall(text)]
    if not spans:
        return UNKNOWN_DURATION
    return min(timedelta(days=sum(spans) if "then" in text else max(spans)), LOOKED_BACK)


def _day(moment: datetime) -> str:
    """Format a date in the hospital's time zone: 3 May 2026."""
    return str(format_date(moment.astimezone(current_app.config["CSSS"].zone).date(), "d MMMM y"))
