"""Show what a correction has changed, so that nobody has to compare two versions by eye."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from csss.i18n import _
from csss.prescriptions.presenters import PrescriptionView
from csss.scans.models import Review
from csss.scans.presenters import AGREEMENT_NAMES

MAX_WORDS = 2_000  # the time grows with the square of the length; longer texts are compared by lines


@dataclass(frozen=True)
class Piece:
    """A piece of text: `kind` is "same", "out" (only in the old version) or "in" (only in the new one)."""

    kind: str
    text: str


@dataclass(frozen=True)
class FieldChange:
    """One field that differs, with its old and its new text."""

    title: str
    before: tuple[Piece, ...]
    after: tuple[Piece, ...]


def compare(title: str, before: str, after: str) -> FieldChange | None:
    """The removed and the added words; None when both texts are the same."""
    if before == after:
        return None
    old, new = _pieces(before), _pieces(after)
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        same = kind == "equal"
        if b > a:
            left.append(Piece("same" if same else "out", "".join(old[a:b])))
        if d > c:
            right.append(Piece("same" if same else "in", "".join(new[c:d])))
    return FieldChange(title, tuple(left), tuple(right))


def _pieces(text: str) -> list[str]:
    # A space belongs to its word. Alone it would match every other space, and comparing a completely rewritten reading
    # would take seconds.
    words = re.findall(r"\s*\S+|\s+", text)
    return words if len(words) <= MAX_WORDS else text.splitlines(keepends=True)


def reading_changes(new: Review, old: Review) -> list[FieldChange]:
    """The differences between two versions of the doctor's reading."""
    parts = (
        (_("Diagnosis"), old.diagnosis, new.diagnosis),
        (_("Critical result"), old.critical_action, new.critical_action),
        (_("Impression"), old.impression, new.impression),
        (_("Findings"), old.findings, new.findings),
        (_("Agreement"), _agreement(old), _agreement(new)),
    )
    return [change for part in parts if (change := compare(*part)) is not None]


def _agreement(review: Review) -> str:
    return AGREEMENT_NAMES[review.agreement] if review.agreement else ""


def prescription_changes(new: PrescriptionView, old: PrescriptionView) -> list[FieldChange]:
    """The differences between two versions of the prescription, with one medicine on each line."""
    parts = (
        (_("Medicines"), "\n".join(_lines(old)), "\n".join(_lines(new))),
        (_("Notes"), old.notes, new.notes),
    )
    return [change for part in parts if (change := compare(*part)) is not None]


def _lines(written: PrescriptionView) -> Sequence[str]:
    if written.none_needed:
        return [_("None needed")]
    return [
        ", ".join(part for part in (each.drug, each.dose, each.route, each.frequency, each.duration) if part)
        for each in written.items
    ]
