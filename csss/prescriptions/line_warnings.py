"""Warn about a line before it is signed: the patient's allergies, the same medicine twice, an unusual dose.

A warning forbids nothing. The pharmacist removes the line or writes why it is right (`override_reason`), and both
are stored with the line.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from flask import current_app
from flask_babel import format_date
from sqlalchemy import select

from csss import clock
from csss.database import db
from csss.i18n import gettext as _
from csss.prescriptions import allergies, dose_checks
from csss.prescriptions.formulary import Formulary, Medicine, alike, words
from csss.prescriptions.formulary_in_use import hospital_formulary
from csss.prescriptions.lines import Line
from csss.prescriptions.models import Prescription, Route
from csss.scans.models import Scan

# How long a medicine may still be in use when its line has no readable duration.
UNKNOWN_DURATION = timedelta(days=90)
LOOKED_BACK = timedelta(days=3 * 366)
_DAYS = {"d": 1, "w": 7, "m": 31, "y": 366}
_DURATION = re.compile(
    r"(\d{1,3})\s*(?:(?:-|–|to)\s*(\d{1,3})\s*)?(d|days?|w|wks?|weeks?|months?|yrs?|years?)\b"
)
_FOR_GOOD = re.compile(r"\b(long[- ]?term|life[- ]?long|for life|ongoing|permanent(?:ly)?|indefinitely)\b")


class WarningKind(StrEnum):
    ALLERGY = "allergy"
    DUPLICATE = "duplicate"
    DOSE = "dose"


@dataclass(frozen=True)
class LineWarning:
    """Why a line needs a second look, in a sentence for the pharmacist."""

    kind: WarningKind
    sentence: str


@dataclass(frozen=True)
class Taken:
    """A medicine that the patient may still be taking from an earlier prescription."""

    drug: str
    since: datetime


def formulary() -> Formulary:
    """The hospital's formulary."""
    return hospital_formulary()


def warnings(scan: Scan, lines: Sequence[tuple[int, Line]]) -> dict[int, list[LineWarning]]:
    """The warnings of each line that has any. `lines` are the filled lines, each with its position."""
    book = formulary()
    known = allergies.read(scan.patient.allergies, book)
    taken = still_taken(scan) if lines else []
    found: dict[int, list[LineWarning]] = {}
    for number, (place, line) in enumerate(lines):
        drug, told = line.drug, []
        if sentence := allergies.warning(drug, known, book):
            told.append(LineWarning(WarningKind.ALLERGY, sentence))
        if sentence := _twice(drug, [earlier.drug for _place, earlier in lines[:number]], taken, book):
            told.append(LineWarning(WarningKind.DUPLICATE, sentence))
        if sentence := dose_warning(line):
            told.append(LineWarning(WarningKind.DOSE, sentence))
        if told:
            found[place] = told
    return found


def dose_warning(line: Line) -> str | None:
    """A sentence when a line exceeds the maximum daily dose in the formulary, whoever the patient is."""
    route = Route(line.route) if line.route in set(Route) else Route.OTHER
    return dose_checks.warning(line.drug, line.dose, route, line.frequency, formulary())


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
        Taken(item.drug, written.created_at)
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


def _twice(drug: str, earlier: Sequence[str], taken: Sequence[Taken], book: Formulary) -> str | None:
    """A sentence when a medicine, ingredient or class is on an earlier line or may still be in use."""
    medicines = book.find(drug)
    for other in earlier:
        if _same(drug, medicines, other, book):
            return _("The same medicine is on another line: %(other)s.", other=other)
    for each in taken:
        if _same(drug, medicines, each.drug, book):
            return _(
                "The patient may still be taking this: %(other)s was prescribed on %(day)s.",
                other=each.drug,
                day=_day(each.since),
            )
    for other in earlier:
        if _same_class(medicines, other, book):
            return _("A medicine of the same class is on another line: %(other)s.", other=other)
    for each in taken:
        if _same_class(medicines, each.drug, book):
            return _(
                "The patient may still be taking a medicine of the same class: %(other)s, prescribed on %(day)s.",
                other=each.drug,
                day=_day(each.since),
            )
    return None


def _same(drug: str, medicines: Sequence[Medicine], other: str, book: Formulary) -> bool:
    others = book.find(other)
    if medicines and others:
        return any(one.ingredients & two.ingredients for one in medicines for two in others)
    if medicines or others:
        return False
    first, second = next(words(drug), ""), next(words(other), "")
    return bool(first) and alike(first, second)  # not in the formulary: take the first word as the name


def _same_class(medicines: Sequence[Medicine], other: str, book: Formulary) -> bool:
    return any(one.drug_class == two.drug_class for one in medicines for two in book.find(other))


def _day(moment: datetime) -> str:
    """Format a date in the hospital's time zone: 3 May 2026."""
    return str(format_date(moment.astimezone(current_app.config["CSSS"].zone).date(), "d MMMM y"))
