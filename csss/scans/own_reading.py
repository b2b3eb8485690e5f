"""Decide when the classifier's answer is not enough, what the doctor must add, and why."""

from enum import Enum, auto

from flask_babel.speaklater import LazyString

from csss.i18n import _l
from csss.inference.classes import WITHOUT_FINDING, belongs_to
from csss.scans.models import Scan
from csss.scans.states import ScanKind, Status


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


def kind_when_read(scan: Scan) -> ScanKind:
    """The scan's kind when the classifier read it; a doctor may have corrected the kind since."""
    later = (each for each in scan.kind_corrections if each.status is not Status.PENDING_AI)
    first = next(later, None)
    return scan.kind if first is None else first.was
