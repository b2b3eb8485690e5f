"""Corrections of a patient's details in an administrator's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import url_for

from csss.auth.patient_corrections import FIELD_NAMES
from csss.dates import day
from csss.people.models import Patient, PatientCorrection, Sex
from csss.scans.presenters import SEX_NAMES


@dataclass(frozen=True)
class CorrectionRow:
    """One correction: what became what, by whom and why."""

    at: datetime
    by: str
    reason: str
    changes: tuple[tuple[str, str, str], ...]  # field, before, after


def person_url(patient: Patient) -> str:
    """The page of a patient: the account's, or the record's where there is none."""
    if patient.user_id is not None:
        return url_for("admin.user", user_id=patient.user_id)
    return url_for("admin.patient", patient_id=patient.id)


def correction_rows(corrections: Sequence[PatientCorrection]) -> list[CorrectionRow]:
    return [
        CorrectionRow(each.corrected_at, each.corrected_by.name, each.reason, changes_of(each))
        for each in corrections
    ]


def changes_of(correction: PatientCorrection) -> tuple[tuple[str, str, str], ...]:
    """Each changed field with its old and its new value, as people read them."""
    return tuple(
        (str(words), _shown(name, correction.old[name]), _shown(name, correction.new[name]))
        for name, words in FIELD_NAMES.items()
        if name in correction.new
    )


def _shown(name: str, value: str) -> str:
    if name == "date_of_birth":
        return day(date.fromisoformat(value))
    return SEX_NAMES[Sex(value)] if name == "sex" else value or "–"
