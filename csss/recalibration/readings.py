"""What doctors' verified readings say of the true class of a scan, beside the probabilities that were kept for it.

A reading has no field for a class. What it says follows from the answer that the doctor saw, whether the doctor agreed, and
the diagnosis; where this names no class, a doctor may name it in a list (`csss recalibrate --classes`).
"""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import exists, func, select
from sqlalchemy.orm import aliased

from csss.database import db
from csss.inference.classes import belongs_to
from csss.inference.labels import REFUSALS, ModelInfo
from csss.scans.models import Prediction, Review, Scan, ScanClosure
from csss.scans.states import Agreement, ScanKind


class Says(StrEnum):
    """What a reading says of the true class. The first three name it."""

    LISTED = "the class stands in the list"
    DIAGNOSED = "the diagnosis is the name of a class"
    AGREED = "the doctor agreed with the answer"
    NOT_THIS = "the doctor disagreed: any class but the answer"
    PARTLY = "the doctor agreed in part"
    UNNAMED = "the answer was uncertain, or nothing was said of it"
    UNLIKE = "the picture was refused as unlike chest X-rays and cardiac MRI"


NAMING = frozenset({Says.LISTED, Says.DIAGNOSED, Says.AGREED})
USED = NAMING | {Says.NOT_THIS}


@dataclass(frozen=True)
class VerifiedReading:
    """A verified scan: the probabilities that one version of the model gave it, and which classes the truth may be.

    `possible` is one class where it is known, all of the kind of scan but the answer where only this is known, and empty
    where the reading says nothing.
    """

    scan_id: uuid.UUID
    patient_id: uuid.UUID
    kind: ScanKind
    answer: str
    probabilities: Mapping[str, float]
    says: Says
    possible: frozenset[str]


def verified_readings(info: ModelInfo, named: Mapping[uuid.UUID, str] | None = None) -> list[VerifiedReading]:
    """The newest version of each doctor's reading of a scan that this version of the model has read, oldest scan first.

    `named` are the classes of scans from a list. Closed scans do not count.
    """
    newer = aliased(Review)
    rows = db.session.execute(
        select(Scan.id, Scan.patient_id, Scan.kind, Prediction, Review.agreement, Review.diagnosis)
        .join(Prediction, Prediction.scan_id == Scan.id)
        .join(Review, Review.scan_id == Scan.id)
        .where(
            Prediction.available,
            Prediction.model_version == info.version,
            ~exists().where(newer.scan_id == Review.scan_id, newer.version > Review.version),
            ~exists().where(ScanClosure.scan_id == Scan.id),
        )
        .order_by(Scan.uploaded_at, Scan.id)
    )
    found = []
    for scan_id, patient_id, kind, prediction, agreement, diagnosis in rows:
        if set(prediction.probabilities) != set(info.names):
            continue  # another model of the same name
        own, listed = classes_of(info, kind), (named or {}).get(scan_id, "")
        says, possible = _meaning(own, prediction, agreement, listed, class_named(info, diagnosis))
        found.append(
            VerifiedReading(
                scan_id, patient_id, kind, prediction.label, prediction.probabilities, says, possible
            )
        )
    return found


def of_other_versions(version: str) -> dict[str, int]:
    """How many scans doctors have verified that other versions of the model have read."""
    rows = db.session.execute(
        select(Prediction.model_version, func.count(Review.scan_id.distinct()))
        .join(Review, Review.scan_id == Prediction.scan_id)
        .where(Prediction.available, Prediction.model_version != version)
        .group_by(Prediction.model_version)
        .order_by(Prediction.model_version)
    )
    return {other: count for other, count in rows}


def _meaning(
    own: frozenset[str], prediction: Prediction, agreement: Agreement | None, named: str, diagnosed: str
) -> tuple[Says, frozenset[str]]:
    """The doctor's own words stand above the agreement, and a list that was made for this (`named`) stands above both."""
    if any(refusal in prediction.reason for refusal in REFUSALS):
        return Says.UNLIKE, frozenset()
    if named or diagnosed in own:
        return (Says.LISTED if named else Says.DIAGNOSED), frozenset({named or diagnosed})
    if prediction.uncertain or prediction.label not in own or agreement is None:
        return Says.UNNAMED, frozenset()
    return {
        Agreement.AGREE: (Says.AGREED, frozenset({prediction.label})),
        Agreement.DISAGREE: (Says.NOT_THIS, own - {prediction.label}),
        Agreement.PARTLY: (Says.PARTLY, frozenset[str]()),
    }[agreement]


def classes_of(info: ModelInfo, kind: ScanKind) -> frozenset[str]:
    """The classes that a scan of this kind can be."""
    return frozenset(name for name in info.names if belongs_to(name, kind))


def class_named(info: ModelInfo, text: str) -> str:
    """The class whose name or title this text is, apart from capitals and punctuation; blank for every other text.

    A text that only holds a title says too little: "no COVID-19", "COVID-19 or influenza".
    """
    words = _plain(text)
    if not words:
        return ""
    return next((each.name for each in info.labels if words in {_plain(each.name), _plain(each.title)}), "")


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold().replace("_", " ")))


def counts(readings: Iterable[VerifiedReading]) -> dict[Says, int]:
    """How many readings say what."""
    found = dict.fromkeys(Says, 0)
    for each in readings:
        found[each.says] += 1
    return found
