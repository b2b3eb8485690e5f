"""Decide what a reading needs beside its findings: a conclusion, and more when the classifier's answer is not enough."""

from enum import Enum, auto

from flask_babel.speaklater import LazyString

from csss.i18n import _l
from csss.inference.classes import WITHOUT_FINDING, belongs_to
from csss.scans.models import Scan
from csss.scans.review_text import ReviewText
from csss.scans.states import Agreement, ScanKind, Status


class Why(Enum):
    """Why the doctor must give a diagnosis."""

    NOT_READ = auto()
    UNCERTAIN = auto()
    OTHER_KIND = auto()
    WITHOUT_FINDING = auto()


DIAGNOSIS_MISSING: dict[Why, LazyString] = {
    Why.NOT_READ: _l("The classifier has not read this scan: give your own diagnosis."),
    Why.UNCERTAIN: _l("The classifier is uncertain about this scan: give your own diagnosis."),
    Why.OTHER_KIND: _l("The classifier’s answer belongs to another kind of scan: give your own diagnosis."),
    Why.WITHOUT_FINDING: _l(
        "The classifier’s answer says neither ill nor healthy: give your own diagnosis, also when you find nothing."
    ),
}
STATEMENT_MISSING: dict[Why, LazyString] = {
    Why.NOT_READ: _l("The classifier has not read this scan: state that you have read it yourself."),
    Why.UNCERTAIN: _l("The classifier is uncertain about this scan: state that you have read it yourself."),
    Why.OTHER_KIND: _l(
        "The classifier’s answer belongs to another kind of scan: state that you have read it yourself."
    ),
}
INSTEAD: dict[Agreement | str, LazyString] = {
    Agreement.PARTLY: _l("You agree only in part: write the diagnosis as you see it."),
    Agreement.DISAGREE: _l("You disagree with the classifier: write what it is instead."),
}
CONCLUSION_MISSING = _l("Write a diagnosis or an impression: a reading needs a conclusion.")
AGREEMENT_MISSING = _l("Say whether you agree with the classifier’s reading.")


def why(scan: Scan) -> Why | None:
    """Why the doctor must give a diagnosis; None when the classifier's answer counts, and before there is one."""
    found = scan.prediction
    if found is None:
        return None
    if not found.available:
        return Why.NOT_READ
    if found.uncertain:
        return Why.UNCERTAIN
    if not belongs_to(found.label, scan.kind):
        return Why.OTHER_KIND
    return Why.WITHOUT_FINDING if found.label in WITHOUT_FINDING else None


def counts_as_uncertain(scan: Scan) -> bool:
    """Whether the answer is shown as uncertain: it was stored as uncertain, or its class does not belong to the
    scan's current kind."""
    return why(scan) in {Why.NOT_READ, Why.UNCERTAIN, Why.OTHER_KIND}


def classifier_answered(scan: Scan) -> bool:
    """Whether there is an answer to agree or disagree with; one that counts as uncertain is none."""
    return scan.prediction is not None and not counts_as_uncertain(scan)


def missing(scan: Scan, reading: ReviewText) -> dict[str, str]:
    """What the conclusion of this reading lacks, by field: what it is, whether the doctor agrees, the statement."""
    lacks: dict[str, str] = {}
    reason = why(scan)
    if reason is not None and not reading.diagnosis.strip():
        lacks["diagnosis"] = str(DIAGNOSIS_MISSING[reason])
    elif reading.agreement in INSTEAD and not reading.diagnosis.strip() and classifier_answered(scan):
        lacks["diagnosis"] = str(INSTEAD[Agreement(reading.agreement)])
    elif not reading.diagnosis.strip() and not reading.impression.strip():
        lacks["diagnosis"] = str(CONCLUSION_MISSING)
    if reading.agreement is None and classifier_answered(scan):
        lacks["agreement"] = str(AGREEMENT_MISSING)
    if reason in STATEMENT_MISSING and not reading.read_myself:
        lacks["read_myself"] = str(STATEMENT_MISSING[reason])
    return lacks


def kind_when_read(scan: Scan) -> ScanKind:
    """The scan's kind when the classifier read it; a doctor may have corrected the kind since."""
    later = (each for each in scan.kind_corrections if each.status is not Status.PENDING_AI)
    first = next(later, None)
    return scan.kind if first is None else first.was
