"""Fitting temperature, class biases and threshold to verified readings, and what must be there before. Plain numpy."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from csss.inference.classes import belongs_to
from csss.inference.labels import ModelInfo
from csss.inference.scaling import Floats, calibrate, fit_temperature_and_bias
from csss.recalibration.readings import NAMING, USED, VerifiedReading

Bools = NDArray[np.bool_]

LEAST_READINGS: Final = 200
LEAST_PATIENTS: Final = 100
LEAST_OF_A_CLASS: Final = 20  # of two classes at least: with one there is nothing to weigh
LEAST_WRONG: Final = 10  # who never disagrees says nothing of how sure the answers should be
LEAST_HELD_BACK: Final = 50
LEAST_ACCEPTED: Final = 20  # of the fitting part, for a threshold to be judged by them
HELD_BACK_IN: Final = 3  # every third patient
RIDGE: Final = 1.0
"""What a bias costs: as much as a normal distribution of it around nought with standard deviation 1 expects."""
_TEMPERATURES: Final = (0.2, 10.0)
_THRESHOLDS: Final = np.arange(0.30, 0.991, 0.01)


class TooFewReadings(Exception):
    """Too little to fit or to judge a fit by; the message says what is there and what is missing."""


class NoThreshold(Exception):
    """No threshold reaches the target; the message says what can be reached."""


@dataclass(frozen=True)
class Sample:
    """Readings as arrays. `possible`: the classes that the truth may be; `own`: those of the kind of scan. Where `used` is
    False the reading says nothing of the truth."""

    probabilities: Floats
    possible: Bools
    own: Bools
    used: Bools
    patients: tuple[str, ...]

    @classmethod
    def of(cls, info: ModelInfo, readings: Sequence[VerifiedReading]) -> "Sample":
        names = info.names
        return cls(
            np.array([[each.probabilities[name] for name in names] for each in readings], np.float64).reshape(
                -1, len(names)
            ),
            np.array([[name in each.possible for name in names] for each in readings], bool),
            np.array([[belongs_to(name, each.kind) for name in names] for each in readings], bool),
            np.array([each.says in USED for each in readings], bool),
            tuple(str(each.patient_id) for each in readings),
        )

    def right(self, probabilities: Floats) -> Bools:
        """Whether the most probable class is the true one. A reading that leaves more than one class open counts as wrong,
        whatever the answer: so no version looks better than it is."""
        top = probabilities.argmax(axis=1)
        known = self.possible.sum(axis=1) == 1
        return np.asarray(known & self.possible[np.arange(len(top)), top])

    def accepted(self, probabilities: Floats, threshold: float) -> Bools:
        """Whether the answer is given at this threshold: a class of the other kind of scan never is."""
        top = probabilities.argmax(axis=1)
        return np.asarray((probabilities.max(axis=1) >= threshold) & self.own[np.arange(len(top)), top])


@dataclass(frozen=True)
class Fitted:
    """What is applied to the probabilities of the version that was fitted."""

    temperature: float
    bias: tuple[float, ...]
    threshold: float

    def applied(self, probabilities: Floats) -> Floats:
        return calibrate(probabilities, self.temperature, self.bias)


def is_held_back(patient_id: uuid.UUID) -> bool:
    """Whether this patient's readings are for judging. It follows from the id, so it is the same in every fit."""
    drawn = hashlib.sha256(f"held back {patient_id}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") % HELD_BACK_IN == 0


def divided(
    readings: Sequence[VerifiedReading],
) -> tuple[list[VerifiedReading], list[VerifiedReading]]:
    """The readings to fit to, and those held back; all readings of a patient on one side."""
    held = [each for each in readings if is_held_back(each.patient_id)]
    return [each for each in readings if not is_held_back(each.patient_id)], held


def missing(info: ModelInfo, readings: Sequence[VerifiedReading]) -> list[str]:
    """What is too little, a line each; empty when there is enough."""
    used = [each for each in readings if each.says in USED]
    patients = {each.patient_id for each in used}
    by_class = Counter(next(iter(each.possible)) for each in used if each.says in NAMING)
    wrong = sum(
        max(each.probabilities, key=each.probabilities.__getitem__) not in each.possible for each in used
    )
    held_back = sum(is_held_back(each.patient_id) for each in used)
    lines = []
    for what, there, needed in (
        ("verified readings that say something of the class", len(used), LEAST_READINGS),
        ("patients with such a reading", len(patients), LEAST_PATIENTS),
        ("readings for which the most probable class was wrong", wrong, LEAST_WRONG),
        ("readings of patients who are held back for judging", held_back, LEAST_HELD_BACK),
    ):
        if there < needed:
            lines.append(f"{what}: {there} of {needed}, {needed - there} missing")
    if sum(by_class[name] >= LEAST_OF_A_CLASS for name in info.names) < 2:
        told = ", ".join(
            f"{name} {by_class[name]} ({max(0, LEAST_OF_A_CLASS - by_class[name])} missing)"
            for name in info.names
        )
        lines.append(f"two classes with {LEAST_OF_A_CLASS} named readings each: {told}")
    return lines


def fit(sample: Sample, target: float) -> Fitted:
    """Temperature and biases of greatest likelihood, and the threshold for `target`, the share of right answers among the
    accepted. The n readings of a patient count as much together as the square root of n. Raises TooFewReadings, NoThreshold.
    """
    rows = np.flatnonzero(sample.used)
    patients = [sample.patients[row] for row in rows]
    of_patient = Counter(patients)
    weights = np.array([of_patient[each] ** -0.5 for each in patients])
    temperature, bias = fit_temperature_and_bias(
        sample.possible[rows], sample.probabilities[rows], weights, RIDGE / len(rows)
    )
    if not _TEMPERATURES[0] <= temperature <= _TEMPERATURES[1]:
        raise TooFewReadings(
            f"The readings do not settle the temperature (it came out as {temperature:.3g}): they say too little of "
            "how sure the answers should be."
        )
    temperature, bias = round(temperature, 6), np.round(bias, 6)
    scaled = calibrate(sample.probabilities, temperature, bias)
    return Fitted(temperature, tuple(bias.tolist()), threshold_for(sample, scaled, target))


def threshold_for(sample: Sample, probabilities: Floats, target: float) -> float:
    """The lowest threshold in steps of 0.01 at which the accepted are right as often as `target`, both as counted and as
    their probabilities say. Not below all but a twentieth of the readings: nothing is known there. Raises NoThreshold."""
    probabilities, right = probabilities[sample.used], sample.right(probabilities)[sample.used]
    known = Sample(
        probabilities, sample.possible[sample.used], sample.own[sample.used], sample.used[sample.used], ()
    )
    confidence = probabilities.max(axis=1)
    lowest = float(np.quantile(confidence, 0.05))
    best = 0.0
    for threshold in _THRESHOLDS[min(lowest, _THRESHOLDS[-1]) <= _THRESHOLDS]:
        accepted = known.accepted(probabilities, threshold)
        if accepted.sum() < LEAST_ACCEPTED:
            break
        reached = float(min(right[accepted].mean(), confidence[accepted].mean()))
        if reached >= target:
            return round(float(threshold), 2)
        best = max(best, reached)
    raise NoThreshold(
        f"No threshold makes {target:.1%} of the accepted answers right here; the most is {best:.1%}. "
        "Ask for less with --right."
    )
