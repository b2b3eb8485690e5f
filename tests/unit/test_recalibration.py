"""A hospital fits the classifier to what its doctors have verified. The hospital is simulated, so the truth is known."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from csss.inference.scaling import calibrate, fit_temperature_and_bias
from csss.recalibration.figures import before_and_after, verdict
from csss.recalibration.fit import (
    LEAST_READINGS,
    NoThreshold,
    Sample,
    TooFewReadings,
    divided,
    fit,
    missing,
    threshold_for,
)
from csss.recalibration.readings import Says, VerifiedReading
from csss.scans.states import ScanKind
from csss.statistics.measures import calibration_error
from tests.hospital import INFO, NAMES, THRESHOLD, readings, scans

READINGS = 300
MANY = 20_000


@dataclass(frozen=True)
class Many:
    """So many further scans of the hospital that chance plays no part."""

    truth: np.ndarray
    before: np.ndarray

    def right(self, probabilities: np.ndarray) -> np.ndarray:
        return np.asarray(probabilities.argmax(axis=1) == self.truth)

    def error(self, probabilities: np.ndarray) -> float:
        return calibration_error(probabilities.max(axis=1), self.right(probabilities))


@pytest.fixture(scope="module")
def many() -> Many:
    found = scans(99, MANY)
    return Many(
        np.array([NAMES.index(scan.truth) for scan in found]),
        np.array([scan.probabilities for scan in found]),
    )


@pytest.mark.parametrize("named", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(1, 9))
def test_with_300_readings_a_calibration_error_of_over_10_percent_falls_to_4_or_less(
    many: Many, seed: int, named: float
) -> None:
    """Whether doctors name no class, some classes or all classes where they do not agree with the answer."""
    assert many.error(many.before) > 0.10
    to_fit, _held_back = divided(list(readings(seed, READINGS, named)))
    fitted = fit(Sample.of(INFO, to_fit), target=0.85)
    assert many.error(fitted.applied(many.before)) <= 0.04


def test_the_threshold_keeps_what_it_promises(many: Many) -> None:
    reached = []
    for seed in range(1, 9):
        fitted = fit(Sample.of(INFO, divided(list(readings(seed, READINGS, 1.0)))[0]), target=0.9)
        after = fitted.applied(many.before)
        reached.append(many.right(after)[after.max(axis=1) >= fitted.threshold].mean())
    assert abs(np.mean(reached) - 0.9) < 0.02
    assert min(reached) > 0.85


def test_the_intervals_tell_before_and_after_apart_and_hold_what_is_true(
    many: Many,
) -> None:
    to_fit, held_back = divided(list(readings(3, 900, 1.0)))
    fitted = fit(Sample.of(INFO, to_fit), target=0.9)
    figures = before_and_after(Sample.of(INFO, held_back), fitted, THRESHOLD)
    assert verdict(figures) == "better"
    for side, probabilities in (("before", many.before), ("after", fitted.applied(many.before))):
        low, high = figures[side]["right"]["interval"]
        assert low <= many.right(probabilities).mean() <= high
    after = figures["after"]
    assert after["calibration_error"]["value"] < figures["before"]["calibration_error"]["value"]
    assert after["calibration_error"]["value"] < after["calibration_error_by_chance"] + 0.04


def test_what_fits_already_is_not_called_better() -> None:
    """Readings that agree with the probabilities as they are."""
    random = np.random.default_rng(5)
    given = [
        replace(each, says=Says.LISTED, possible=frozenset({str(random.choice(NAMES, p=_shares(each)))}))
        for each in readings(5, 600)
    ]
    to_fit, held_back = divided(given)
    fitted = fit(Sample.of(INFO, to_fit), target=0.8)
    assert fitted.temperature == pytest.approx(1, abs=0.2)
    assert verdict(before_and_after(Sample.of(INFO, held_back), fitted, THRESHOLD)) != "better"


def _shares(reading: VerifiedReading) -> np.ndarray:
    shares = np.array([reading.probabilities[name] for name in NAMES])
    return shares / shares.sum()


def test_all_readings_of_a_patient_are_on_one_side_and_stay_there() -> None:
    given = list(readings(1, READINGS, of_a_patient=5))
    to_fit, held_back = divided(given)
    assert not {each.patient_id for each in to_fit} & {each.patient_id for each in held_back}
    assert len(to_fit) + len(held_back) == READINGS
    assert 0.2 < len(held_back) / READINGS < 0.5
    more = list(readings(1, 2 * READINGS, of_a_patient=5))
    assert {each.patient_id for each in divided(more)[1]} >= {each.patient_id for each in held_back}


def test_the_same_readings_give_the_same_version() -> None:
    given = list(readings(2, READINGS))
    assert fit(Sample.of(INFO, given), 0.85) == fit(Sample.of(INFO, given), 0.85)


def test_too_little_says_what_is_missing() -> None:
    lines = missing(INFO, list(readings(1, 60, 1.0)))
    assert any("60 of 200, 140 missing" in line for line in lines)
    assert any("patients with such a reading: 30 of 100, 70 missing" in line for line in lines)
    assert any("held back" in line for line in lines)
    assert missing(INFO, list(readings(1, READINGS, 1.0))) == []
    assert LEAST_READINGS <= READINGS


def test_doctors_who_always_agree_give_nothing_to_fit_to() -> None:
    given = [each for each in readings(1, 900) if each.says is Says.AGREED]
    lines = missing(INFO, given)
    assert lines == ["readings for which the most probable class was wrong: 0 of 10, 10 missing"]


def test_one_class_alone_gives_nothing_to_weigh() -> None:
    given = [each for each in readings(1, 3000, 1.0) if "Normal" in each.possible]
    (line,) = missing(INFO, given)
    assert line.startswith("two classes with 20 named readings each: COVID 0 (20 missing)")


def test_a_target_out_of_reach_says_what_can_be_reached() -> None:
    with pytest.raises(NoThreshold, match=r"the most is \d+\.\d%.*--right"):
        fit(Sample.of(INFO, list(readings(1, READINGS))), 0.9999)


def test_a_class_of_the_other_kind_is_never_accepted_nor_right() -> None:
    heart = replace(next(iter(readings(1, 1))), kind=ScanKind.CARDIAC_MRI, says=Says.LISTED)
    heart = replace(heart, possible=frozenset({"Sick"}))
    sample = Sample.of(INFO, [heart])
    covid = np.array([[0.98, 0.0, 0.0, 0.0, 0.02, 0.0]])
    assert not sample.accepted(covid, 0.5)[0]
    assert not sample.right(covid)[0]
    assert sample.accepted(covid[:, ::-1], 0.99)[0] == np.False_
    sick = np.array([[0.02, 0.0, 0.0, 0.0, 0.98, 0.0]])
    assert sample.accepted(sick, 0.5)[0] and sample.right(sick)[0]


def test_a_disagreement_counts_as_wrong_whatever_a_new_version_would_answer() -> None:
    given = next(
        each
        for each in readings(1, READINGS, 0.0)
        if each.says is Says.NOT_THIS and each.kind is ScanKind.CHEST_XRAY
    )
    assert not Sample.of(INFO, [given] * len(NAMES)).right(np.eye(len(NAMES))).any()


def test_readings_that_do_not_settle_the_temperature_are_refused() -> None:
    """The less sure the classifier is, the more often it is right here."""
    given = list(readings(1, READINGS, 1.0))
    sample = Sample.of(INFO, given)
    backwards = replace(sample, possible=np.eye(6, dtype=bool)[sample.probabilities.argmin(axis=1)])
    with pytest.raises(TooFewReadings, match="temperature"):
        fit(backwards, 0.85)


def test_known_truths_are_fitted_as_training_fits_them() -> None:
    """Where each truth is known, the two partial derivatives vanish: mean probability and frequency of a class agree."""
    given = Sample.of(INFO, list(readings(4, 600, 1.0)))
    temperature, bias = fit_temperature_and_bias(given.possible, given.probabilities)
    after = calibrate(given.probabilities, temperature, bias)
    assert np.allclose(after.mean(axis=0), given.possible.mean(axis=0), atol=1e-4)
    assert abs(bias.sum()) < 1e-9


def test_no_threshold_lies_where_nothing_is_known() -> None:
    """Uncertain answers without a class: how often they are right, nobody knows."""
    given = Sample.of(INFO, [each for each in readings(1, 900, 0.0) if each.says is not Says.UNNAMED])
    confidence = given.probabilities.max(axis=1)
    assert threshold_for(given, given.probabilities, 0.5) >= np.quantile(confidence, 0.05) - 1e-9
