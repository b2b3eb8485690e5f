"""The figures of a study, from its scans, the reference and the readings: plain values that can be written as JSON.

A scan is positive when the reference is one of the protocol's target classes, and is called positive when the class with
the highest probability is one of them. Its score is the sum of the targets' probabilities.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csss.statistics.measures import calibration_error, wilson
from csss.study import calibration, roc
from csss.study.cases import AGE_BANDS, UNKNOWN_AGE, Case
from csss.study.proportions import PredictiveValues, predictive_values
from csss.study.protocol import Protocol
from csss.study.reference import Reference

FEW = 10  # fewer positives, or negatives, tell next to nothing: a share of 9 of 10 may be anything from 60 to 98 %
PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class StudyShare:
    """`hits` of `of`, with Wilson's interval; without a value where there is nothing to share."""

    hits: int
    of: int
    value: float | None
    low: float | None
    high: float | None


def share(hits: int, of: int) -> StudyShare:
    if not of:
        return StudyShare(0, 0, None, None, None)
    limits = wilson(hits, of)
    return StudyShare(hits, of, hits / of, float(limits.low), float(limits.high))


@dataclass(frozen=True)
class Accuracy:
    """A table of two by two, and what follows from it."""

    scans: int
    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int
    sensitivity: StudyShare
    specificity: StudyShare
    ppv: StudyShare
    npv: StudyShare


def accuracy(positive: Bools, called: Bools) -> Accuracy:
    tp, fn = int((positive & called).sum()), int((positive & ~called).sum())
    fp, tn = int((~positive & called).sum()), int((~positive & ~called).sum())
    return Accuracy(
        len(positive),
        tp,
        fn,
        fp,
        tn,
        share(tp, tp + fn),
        share(tn, tn + fp),
        share(tp, tp + fp),
        share(tn, tn + fn),
    )


@dataclass(frozen=True)
class AtPrevalence:
    """Predictive values where this share of the scans is positive; None for one of which there is no answer at all."""

    prevalence: float
    ppv: float | None
    ppv_low: float
    ppv_high: float
    npv: float | None
    npv_low: float
    npv_high: float


def at_prevalence(table: Accuracy, prevalence: float) -> AtPrevalence | None:
    """None where there is no positive, or no negative, to tell from."""
    if not table.sensitivity.of or not table.specificity.of:
        return None
    found: PredictiveValues = predictive_values(
        table.true_positives, table.sensitivity.of, table.true_negatives, table.specificity.of, prevalence
    )
    return AtPrevalence(
        prevalence,
        _known(found.positive),
        float(found.positive_limits.low),
        float(found.positive_limits.high),
        _known(found.negative),
        float(found.negative_limits.low),
        float(found.negative_limits.high),
    )


def _known(value: NDArray[np.float64]) -> float | None:
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True)
class ClassResult:
    """One class against all others."""

    label: str
    scans: int  # of this class by the reference
    table: Accuracy
    area: roc.Area | None


@dataclass(frozen=True)
class Subgroup:
    """`about`: age, sex or kind; `few`: too few positives or negatives to judge."""

    about: str
    name: str
    table: Accuracy
    area: roc.Area | None
    few: bool


@dataclass(frozen=True)
class CalibrationResult:
    error: float
    by_chance: calibration.ByChance
    gap: calibration.Measured | None
    slope: calibration.Measured | None
    bins: list[calibration.Bin]


@dataclass(frozen=True)
class Results:
    """What the report says of the classifier. `main` counts an uncertain answer as the class that leads in it; `accepted`
    leaves uncertain answers out; `against` counts each of them as wrong."""

    scans: int
    prevalence: StudyShare
    uncertain: StudyShare
    main: Accuracy
    accepted: Accuracy
    against: Accuracy
    area: roc.Area | None
    curve: list[tuple[float, float]]
    at_stated_prevalence: AtPrevalence | None
    at_prevalences: list[AtPrevalence]
    confusion: dict[str, dict[str, int]]  # reference → answer → scans
    right: StudyShare
    missed: list[str]  # study numbers of positives that were not called so
    false_alarms: list[str]
    classes: list[ClassResult]
    calibration: CalibrationResult
    subgroups: list[Subgroup]
    reference_classes: dict[str, int]


def results(protocol: Protocol, sample: Sequence[Case], found: Reference) -> Results | None:
    """None while no scan has a reference."""
    judged = [case for case in sample if case.number in found.classes]
    if not judged:
        return None
    truth = [found.classes[case.number] for case in judged]
    said = [case.label for case in judged]
    target = set(protocol.target)
    positive = np.array([each in target for each in truth])
    called = np.array([each in target for each in said])
    uncertain = np.array([case.uncertain for case in judged])
    score = np.array([sum(case.probabilities.get(each, 0.0) for each in target) for case in judged])
    right = np.array([t == s for t, s in zip(truth, said, strict=True)])
    main = accuracy(positive, called)
    return Results(
        scans=len(judged),
        prevalence=share(int(positive.sum()), len(judged)),
        uncertain=share(int(uncertain.sum()), len(judged)),
        main=main,
        accepted=accuracy(positive[~uncertain], called[~uncertain]),
        against=accuracy(positive, np.where(uncertain, ~positive, called)),
        area=roc.area(positive, score),
        curve=roc.curve(positive, score),
        at_stated_prevalence=at_prevalence(main, protocol.prevalence) if protocol.prevalence else None,
        at_prevalences=[each for p in PREVALENCES if (each := at_prevalence(main, p))],
        confusion=_confusion(truth, said),
        right=share(int(right.sum()), len(judged)),
        missed=[case.number for case, wrong in zip(judged, positive & ~called, strict=True) if wrong],
        false_alarms=[case.number for case, wrong in zip(judged, called & ~positive, strict=True) if wrong],
        classes=[_class_result(name, judged, truth, said) for name in protocol.classes],
        calibration=_calibration(judged, right, score, positive),
        subgroups=_subgroups(judged, positive, called, score),
        reference_classes={name: truth.count(name) for name in protocol.classes},
    )


def _confusion(truth: Sequence[str], said: Sequence[str]) -> dict[str, dict[str, int]]:
    counts = Counter(zip(truth, said, strict=True))
    return {t: {s: counts[t, s] for s in sorted(set(said)) if counts[t, s]} for t in sorted(set(truth))}


def _class_result(
    name: str, judged: Sequence[Case], truth: Sequence[str], said: Sequence[str]
) -> ClassResult:
    positive = np.array([each == name for each in truth])
    score = np.array([case.probabilities.get(name, 0.0) for case in judged])
    table = accuracy(positive, np.array([each == name for each in said]))
    return ClassResult(name, int(positive.sum()), table, roc.area(positive, score))


def _calibration(
    judged: Sequence[Case], right: Bools, score: NDArray[np.float64], positive: Bools
) -> CalibrationResult:
    confidence = np.array([case.confidence for case in judged])
    return CalibrationResult(
        error=calibration_error(confidence, right),
        by_chance=calibration.error_by_chance(confidence),
        gap=calibration.gap(confidence, right),
        slope=calibration.slope(score, positive),
        bins=calibration.bins(confidence, right),
    )


_BANDS = [
    *(f"{first} to {last}" for first, last in AGE_BANDS[:-1]),
    f"{AGE_BANDS[-1][0]} and over",
    UNKNOWN_AGE,
]
_GROUPED: Mapping[str, tuple[Callable[[Case], str], Sequence[str]]] = {
    "age": (lambda case: case.age_band, _BANDS),
    "sex": (lambda case: case.sex, ("female", "male", "other", "unknown")),
    "kind": (lambda case: case.kind, ("chest_xray", "cardiac_mri")),
}


def _subgroups(
    judged: Sequence[Case], positive: Bools, called: Bools, score: NDArray[np.float64]
) -> list[Subgroup]:
    """Those that have a scan; a kind only where there are two."""
    rows = []
    for about, (of, names) in _GROUPED.items():
        belongs = np.array([of(case) for case in judged])
        there = [name for name in names if (belongs == name).any()]
        for name in there if about != "kind" or len(there) > 1 else ():
            chosen = belongs == name
            table = accuracy(positive[chosen], called[chosen])
            few = min(table.sensitivity.of, table.specificity.of) < FEW
            rows.append(Subgroup(about, name, table, roc.area(positive[chosen], score[chosen]), few))
    return rows
