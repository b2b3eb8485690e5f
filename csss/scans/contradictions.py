"""Refuse a reading whose diagnosis says the opposite of its agreement with the classifier: one of the two is a slip."""

import re

from csss.i18n import _
from csss.inference.classes import HEALTHY
from csss.scans.models import Scan
from csss.scans.own_reading import classifier_answered
from csss.scans.presenters import human_name
from csss.scans.review_text import ReviewText
from csss.scans.states import Agreement


def told(scan: Scan, reading: ReviewText) -> dict[str, str]:
    """A sentence for the field `diagnosis`, or nothing.

    Only a diagnosis that is a class by name is compared. Another class than the answer may be its cause, as viral
    pneumonia is of a lung opacity; that somebody is healthy is no cause of anything.
    """
    if scan.prediction is None or not classifier_answered(scan):
        return {}
    answer, written = scan.prediction.label, _plain(reading.diagnosis)
    named = next(
        (
            name
            for name in scan.prediction.probabilities
            if written in {_plain(name), _plain(human_name(name))}
        ),
        None,
    )
    if named == answer and reading.agreement == Agreement.DISAGREE:
        return {
            "diagnosis": _(
                "You disagree with the classifier, and this is its own answer: write what it is instead, or agree."
            )
        }
    if named not in {None, answer} and HEALTHY in {named, answer} and reading.agreement == Agreement.AGREE:
        return {
            "diagnosis": _(
                "You agree with the classifier, and its answer is “%(answer)s”: write another diagnosis, or disagree.",
                answer=human_name(answer),
            )
        }
    return {}


def _plain(text: str) -> str:
    """Apart from capitals and punctuation."""
    return " ".join(re.findall(r"\w+", text.casefold().replace("_", " ")))
