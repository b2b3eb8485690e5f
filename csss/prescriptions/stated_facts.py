"""Keep what a patient states for the pharmacist: weight, pregnancy, kidneys, medicines and allergies.

Nothing of it is required. The patient answers after the upload, and the pharmacist completes it. `state` belongs
inside transaction(). Allergies stay with the patient, where all pages read them; a version says what they were.
"""

import re
import uuid
from dataclasses import dataclass, fields
from fractions import Fraction

from sqlalchemy import select

from csss import report_fonts
from csss.audit.record import record
from csss.database import db
from csss.errors import Invalid, StateConflict
from csss.i18n import gettext as _
from csss.lengths import at_most
from csss.people.models import Patient, User
from csss.prescriptions.amounts import normal, number_of
from csss.prescriptions.fact_models import StatedFacts
from csss.prescriptions.safety import Kidney, Pregnancy, Taken
from csss.scans import policies, workflow
from csss.scans.models import Scan
from csss.scans.states import HoldFor, Status

MAX_TEXT = 2_000
LIGHTEST, HEAVIEST = Fraction(3, 10), 400  # kg
MOST_EGFR = 200
_NUMBER = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:kg|kgs|kilos?|kilograms?)?")
_APART = re.compile(r"[,;\n•]|\band\b")
_NO_MEDICINE = frozenset(("", "none", "no", "nothing", "nil", "-"))


@dataclass(frozen=True)
class Stated:
    """The answers as typed; an empty one says nothing. `shown` is what the form had shown before, where it says so."""

    weight: str = ""
    pregnancy: str = ""
    kidney: str = ""
    egfr: str = ""
    medicines: str = ""
    allergies: str = ""
    shown: "Stated | None" = None


ANSWERS = tuple(each.name for each in fields(Stated) if each.name != "shown")


@dataclass(frozen=True)
class KnownFacts:
    """The answers as they are kept."""

    weight_grams: int | None
    pregnancy: Pregnancy | None
    kidney: Kidney | None
    egfr: int | None
    medicines: str
    allergies: str

    @property
    def weight_kg(self) -> Fraction | None:
        return Fraction(self.weight_grams, 1000) if self.weight_grams else None


def newest(scan_id: uuid.UUID) -> StatedFacts | None:
    """What counts for this scan."""
    query = select(StatedFacts).where(StatedFacts.scan_id == scan_id).order_by(StatedFacts.version.desc())
    return db.session.scalars(query.limit(1)).first()


def known(scan: Scan) -> KnownFacts:
    """What is known for a scan; all None when nobody has said anything."""
    row = newest(scan.id)
    allergies = scan.patient.allergies
    if row is None:
        return KnownFacts(None, None, None, None, "", allergies)
    return KnownFacts(row.weight_grams, row.pregnancy, row.kidney, row.egfr, row.medicines, allergies)


def as_typed(facts: KnownFacts) -> Stated:
    """For a form."""
    kg = facts.weight_kg
    return Stated(
        weight=f"{float(kg):.3f}".rstrip("0").rstrip(".") if kg else "",
        pregnancy=facts.pregnancy or "",
        kidney=facts.kidney or "",
        egfr=str(facts.egfr) if facts.egfr is not None else "",
        medicines=facts.medicines,
        allergies=facts.allergies,
    )


def taking(medicines: str) -> tuple[Taken, ...]:
    """What the patient's words name, one medicine for each line, comma or “and”."""
    names = (part.strip() for part in _APART.split(medicines))
    return tuple(Taken(name[:200]) for name in names if name.lower().rstrip(".") not in _NO_MEDICINE)


def caught_up(stated: Stated, scan: Scan) -> Stated:
    """The answers, where they were changed in the form, and else what is known now: a form that was open for an hour must
    not take back what the patient has said meanwhile. Raises Invalid for an answer that both have changed.
    """
    there = as_typed(known(scan))
    if stated.shown is None:
        return stated
    values, errors = {}, {}
    for name in ANSWERS:
        typed, was, now = (getattr(each, name).strip() for each in (stated, stated.shown, there))
        values[name] = now if typed == was else typed
        if was not in {typed, now} and typed != now:
            errors[name] = (
                _(
                    "While your form was open, somebody else wrote here: “%(words)s”. Say which is right.",
                    words=now,
                )
                if now
                else _("While your form was open, somebody else emptied this. Say which is right.")
            )
    if errors:
        raise Invalid(**errors)
    return Stated(**values)


def read(stated: Stated) -> KnownFacts:
    """The answers, checked. Raises Invalid, which names the field."""
    errors: dict[str, str] = {}
    grams = _grams(stated.weight, errors)
    egfr = _egfr(stated.egfr, errors)
    pregnancy = Pregnancy(stated.pregnancy) if stated.pregnancy in set(Pregnancy) else None
    kidney = Kidney(stated.kidney) if stated.kidney in set(Kidney) else None
    if stated.pregnancy and pregnancy is None:
        errors["pregnancy"] = _("Choose one of the answers.")
    if stated.kidney and kidney is None:
        errors["kidney"] = _("Choose one of the answers.")
    for name, text in (("medicines", stated.medicines), ("allergies", stated.allergies)):
        if len(text) > MAX_TEXT:
            errors[name] = at_most(MAX_TEXT)
        elif sentence := report_fonts.problem(text):
            errors[name] = sentence
    if errors:
        raise Invalid(**errors)
    return KnownFacts(grams, pregnancy, kidney, egfr, stated.medicines.strip(), stated.allergies.strip())


def may_state(scan: Scan, by: User) -> bool:
    """Whether this person may still say something: the patient until a prescription is complete, the pharmacist
    while it can be written or corrected."""
    if scan.closure is not None:
        return False
    if by.patient is not None:
        return scan.patient_id == by.patient.id and scan.status not in (
            Status.PHARMACIST_COMPLETED,
            Status.REPORT_READY,
        )
    return policies.may(policies.check_can_complete, scan) or policies.may(
        policies.check_can_correct, scan, HoldFor.PHARMACIST
    )


def state(scan_id: uuid.UUID, stated: Stated, *, by: User) -> StatedFacts | None:
    """Add a version when something is new; None when nothing is. Raises StateConflict, Invalid."""
    scan = workflow.lock(scan_id)
    if not may_state(scan, by):
        raise StateConflict(
            _("The pharmacist has completed this scan already: nothing can be added any more.")
        )
    said = read(caught_up(stated, scan))
    if said == known(scan):
        return None
    before = newest(scan.id)
    row = StatedFacts(
        id=uuid.uuid4(),
        scan_id=scan.id,
        version=before.version + 1 if before else 1,
        stated_by_id=by.id,
        weight_grams=said.weight_grams,
        pregnancy=said.pregnancy,
        kidney=said.kidney,
        egfr=said.egfr,
        medicines=said.medicines,
        allergies=said.allergies,
    )
    db.session.add(row)
    if said.allergies != scan.patient.allergies:
        patient = db.session.get_one(Patient, scan.patient_id, with_for_update={"of": Patient})
        patient.allergies = said.allergies
    record("prescription.facts_stated", scan, by=by, version=row.version)
    return row


def _grams(text: str, errors: dict[str, str]) -> int | None:
    if not text.strip():
        return None
    found = _NUMBER.fullmatch(normal(text))
    kg = number_of(found[1].replace(",", ".")) if found else None
    if kg is None or not LIGHTEST <= kg <= HEAVIEST:
        errors["weight"] = _("Write the weight in kilograms, for instance 72 or 8.5; or leave it empty.")
        return None
    return round(kg * 1000)


def _egfr(text: str, errors: dict[str, str]) -> int | None:
    if not text.strip():
        return None
    plain = normal(text)
    if not re.fullmatch(r"\d{1,3}", plain) or not 1 <= int(plain) <= MOST_EGFR:
        errors["egfr"] = _("Write the eGFR as a whole number from 1 to 200, or leave it empty.")
        return None
    return int(plain)
