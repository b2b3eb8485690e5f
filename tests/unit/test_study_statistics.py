"""The statistics of a validation study: published examples, brute force, and a simulated hospital whose truth is known."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from csss.statistics.measures import calibration_error, wilson
from csss.study import agreement, calibration, roc, sample_size
from csss.study.proportions import paired_difference, predictive_values
from training.measuring.metrics import calibration_error as error_of_the_card

REPETITIONS = 500
COVERED = (0.93, 0.97)


# Published examples


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_shares_have_the_intervals_of_newcombes_table(hits: int, total: int, low: float, high: float) -> None:
    """Newcombe, Stat. Med. 17:857, 1998, table I, method 3."""
    assert [float(each) for each in wilson(hits, total)] == pytest.approx([low, high], abs=5e-5)


def test_cohens_kappa_of_a_textbook_table() -> None:
    """Twenty times both yes, fifteen times both no, five and ten times apart: 0.4."""
    first = np.repeat([1, 1, 0, 0], [20, 5, 10, 15])
    second = np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    found = agreement.cohen(first, second, 2)
    assert found is not None and found.value == pytest.approx(0.4) and found.observed == pytest.approx(0.7)


def test_fleiss_kappa_of_a_textbook_table() -> None:
    """Fourteen readers, ten things, five classes: 0.210."""
    counts = np.array(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ]
    )
    found = agreement.fleiss(counts)
    assert found is not None and found.value == pytest.approx(0.210, abs=5e-4)


# Brute force


# Whatever else the machine is doing.
PATIENT = trying(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCORES = st.lists(st.integers(0, 6), min_size=2, max_size=12)


@PATIENT
@given(SCORES, SCORES)
def test_the_area_is_how_often_a_positive_has_the_higher_score(ill: list[int], well: list[int]) -> None:
    pairs = np.array([[(a > b) + (a == b) / 2 for b in well] for a in ill])
    positive = np.repeat([True, False], [len(ill), len(well)])
    found = roc.area(positive, np.array([*ill, *well], float))
    assert found is not None and found.value == pytest.approx(pairs.mean())
    above, below = roc.placements(np.array(ill, float), np.array(well, float))
    assert above == pytest.approx(pairs.mean(axis=1)) and below == pytest.approx(pairs.mean(axis=0))


@PATIENT
@given(SCORES, SCORES)
def test_the_area_is_the_one_under_the_curve(ill: list[int], well: list[int]) -> None:
    positive = np.repeat([True, False], [len(ill), len(well)])
    score = np.array([*ill, *well], float)
    x, y = np.array(roc.curve(positive, score)).T
    found = roc.area(positive, score)
    assert found is not None and float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum()) == pytest.approx(
        found.value
    )


def test_the_intervals_of_kappa_are_those_of_leaving_out_one_scan_after_the_other() -> None:
    """The jackknife is another way to the same variance."""
    random = np.random.default_rng(5)
    first = random.integers(0, 3, 400)
    second = np.where(random.random(400) < 0.7, first, random.integers(0, 3, 400))
    both = np.stack([np.bincount(pair, minlength=3) for pair in zip(first, second, strict=True)])

    def width(of: Callable[[np.ndarray], agreement.Kappa | None]) -> tuple[float, float]:
        found = of(np.arange(400))
        left = np.array([kept.value for out in range(400) if (kept := of(np.delete(np.arange(400), out)))])
        assert found is not None and found.low is not None and found.high is not None
        return found.high - found.low, 2 * 1.96 * float(((left - left.mean()) ** 2).sum() * 399 / 400) ** 0.5

    for of in (
        lambda rows: agreement.cohen(first[rows], second[rows], 3),
        lambda rows: agreement.fleiss(both[rows]),
    ):
        ours, jackknife = width(of)
        assert ours == pytest.approx(jackknife, rel=0.02)


def test_the_calibration_error_is_the_one_of_the_model_card() -> None:
    random = np.random.default_rng(2)
    probabilities = random.dirichlet(np.ones(6) / 3, 317)
    truth = random.integers(0, 6, 317)
    right = probabilities.argmax(axis=1) == truth
    ours = calibration_error(probabilities.max(axis=1), right)
    assert ours == pytest.approx(error_of_the_card(truth, probabilities))
    found = calibration.bins(probabilities.max(axis=1), right)
    assert sum(each.scans for each in found) == 317 and len(found) == 15
    assert sum(abs(each.confidence * each.scans - each.right) for each in found) / 317 == pytest.approx(ours)


def test_predictive_values_follow_bayes() -> None:
    found = predictive_values(90, 100, 160, 200, 0.1)
    assert float(found.positive) == pytest.approx(0.9 * 0.1 / (0.9 * 0.1 + 0.2 * 0.9))
    assert float(found.negative) == pytest.approx(0.8 * 0.9 / (0.8 * 0.9 + 0.1 * 0.1))
    assert found.positive_limits.low < found.positive < found.positive_limits.high
    whole = predictive_values(100, 100, 200, 200, 0.1)  # no error at all: still an interval
    assert 0 < float(whole.positive_limits.low) < 1 and float(whole.positive) == 1


# Sample sizes


@PATIENT
@given(st.floats(0.5, 0.99), st.floats(0.03, 0.4))
def test_the_planned_number_is_the_smallest_that_suffices(share: float, width: float) -> None:
    number = sample_size.number_for(share, width)
    assert sample_size.score_width(share, number) <= width
    assert number == 1 or sample_size.score_width(share, number - 1) > width
    low, high = wilson(share * number, number)
    assert float(high - low) <= width + 1e-9


def test_a_planned_sample_holds_enough_positives_in_nine_of_ten_studies() -> None:
    planned = sample_size.sample_size(sensitivity=0.9, specificity=0.9, width=0.1, prevalence=0.2)
    assert planned == sample_size.SampleSize(positives=141, negatives=141, total=774)
    drawn = np.random.default_rng(1).binomial(planned.total, 0.2, 20_000)
    assert 0.89 < (drawn >= planned.positives).mean() < 0.93


def test_a_study_that_nobody_can_do_is_refused_in_a_sentence() -> None:
    with pytest.raises(sample_size.TooLarge, match="No study of a possible size"):
        sample_size.number_for(0.5, 0.0001)


# The simulated hospital: 500 studies whose truth is known


def covered(low: np.ndarray, truth: float, high: np.ndarray) -> float:
    return float(((low <= truth) & (truth <= high)).mean())


class Hospital:
    """A quarter of the scans are positive; the score is normal in both groups, one standard deviation and a half apart."""

    PREVALENCE, APART, CUT, SCANS = 0.25, 1.5, 0.75, 600

    def __init__(self) -> None:
        random = np.random.default_rng(2026)
        shape = (REPETITIONS, self.SCANS)
        self.positive = random.random(shape) < self.PREVALENCE
        self.score = random.standard_normal(shape) + self.APART * self.positive
        self.called = self.score > self.CUT
        self.random = random

    def sensitivity(self) -> float:
        return normal(self.APART - self.CUT)

    def specificity(self) -> float:
        return normal(self.CUT)


def normal(x: float) -> float:
    from statistics import NormalDist

    return NormalDist().cdf(x)


@pytest.fixture(scope="module")
def hospital() -> Hospital:
    return Hospital()


def test_intervals_of_sensitivity_and_specificity_cover_the_truth(hospital: Hospital) -> None:
    positive, called = hospital.positive, hospital.called
    for hits, of, truth in (
        ((positive & called).sum(axis=1), positive.sum(axis=1), hospital.sensitivity()),
        ((~positive & ~called).sum(axis=1), (~positive).sum(axis=1), hospital.specificity()),
    ):
        low, high = wilson(hits, of)
        assert COVERED[0] <= covered(low, truth, high) <= COVERED[1]


def test_intervals_of_predictive_values_cover_the_truth(hospital: Hospital) -> None:
    """Counted in the sample, and worked out for another prevalence."""
    positive, called = hospital.positive, hospital.called
    se, sp = hospital.sensitivity(), hospital.specificity()

    def bayes(p: float) -> tuple[float, float]:
        return se * p / (se * p + (1 - sp) * (1 - p)), sp * (1 - p) / (sp * (1 - p) + (1 - se) * p)

    ppv, npv = bayes(hospital.PREVALENCE)
    low, high = wilson((positive & called).sum(axis=1), called.sum(axis=1))
    assert COVERED[0] <= covered(low, ppv, high) <= COVERED[1]
    low, high = wilson((~positive & ~called).sum(axis=1), (~called).sum(axis=1))
    assert COVERED[0] <= covered(low, npv, high) <= COVERED[1]
    found = predictive_values(
        (positive & called).sum(axis=1),
        positive.sum(axis=1),
        (~positive & ~called).sum(axis=1),
        (~positive).sum(axis=1),
        0.08,
    )
    ppv, npv = bayes(0.08)
    assert COVERED[0] <= covered(found.positive_limits.low, ppv, found.positive_limits.high) <= COVERED[1]
    assert COVERED[0] <= covered(found.negative_limits.low, npv, found.negative_limits.high) <= COVERED[1]


def test_intervals_of_the_area_cover_the_truth(hospital: Hospital) -> None:
    truth = normal(hospital.APART / 2**0.5)
    found = [roc.area(p, s) for p, s in zip(hospital.positive, hospital.score, strict=True)]
    low, high = (np.array([getattr(each, end) for each in found], float) for end in ("low", "high"))
    assert COVERED[0] <= covered(low, truth, high) <= COVERED[1]


def test_intervals_of_the_gap_and_the_slope_cover_the_truth(hospital: Hospital) -> None:
    """A classifier whose logits are a quarter too large: the slope is 0.8."""
    random = np.random.default_rng(77)
    logit = random.normal(-0.5, 1.5, (REPETITIONS, 500))
    truth = random.random(logit.shape) < 1 / (1 + np.exp(-logit))
    said = 1 / (1 + np.exp(-logit * 1.25))
    slopes = [calibration.slope(p, t) for p, t in zip(said, truth, strict=True)]
    ends = np.array([(each.low, each.high) for each in slopes if each is not None])
    assert len(ends) == REPETITIONS and COVERED[0] <= covered(ends[:, 0], 0.8, ends[:, 1]) <= COVERED[1]

    many = random.normal(-0.5, 1.5, 4_000_000)
    chance, confident = 1 / (1 + np.exp(-many)), 1 / (1 + np.exp(-many * 1.25))
    gap_of = np.maximum(confident, 1 - confident) - np.where(confident > 0.5, chance, 1 - chance)
    right = np.where(said > 0.5, truth, ~truth)
    gaps = [calibration.gap(c, r) for c, r in zip(np.maximum(said, 1 - said), right, strict=True)]
    ends = np.array([(each.low, each.high) for each in gaps if each is not None])
    assert COVERED[0] <= covered(ends[:, 0], float(gap_of.mean()), ends[:, 1]) <= COVERED[1]


def test_a_well_calibrated_classifier_stays_below_the_error_by_chance_in_95_of_100_studies() -> None:
    random = np.random.default_rng(9)
    below = []
    for _ in range(REPETITIONS // 5):
        confidence = random.beta(6, 1.5, 400)
        right = random.random(400) < confidence
        below.append(calibration_error(confidence, right) <= calibration.error_by_chance(confidence).largest)
    assert 0.9 <= np.mean(below) <= 1


def test_intervals_of_kappa_cover_the_truth() -> None:
    """Readers who see the truth with probability 0.8 and else guess: the chance of agreeing follows by counting."""
    random = np.random.default_rng(31)
    shares, sure, readers, scans = np.array([0.5, 0.3, 0.2]), 0.8, 3, 300
    truth = random.choice(3, (REPETITIONS, scans), p=shares)
    said = np.where(
        random.random((readers, REPETITIONS, scans)) < sure,
        truth,
        random.choice(3, (readers, REPETITIONS, scans)),
    )
    given_truth = sure * np.eye(3) + (1 - sure) / 3
    margin = shares @ given_truth
    observed = sum(shares[t] * given_truth[t] @ given_truth[t] for t in range(3))
    kappa = (observed - margin @ margin) / (1 - margin @ margin)
    pairs = [agreement.cohen(a, b, 3) for a, b in zip(said[0], said[1], strict=True)]
    counts = np.stack([(said == each).sum(axis=0) for each in range(3)], axis=-1)
    for found in (pairs, [agreement.fleiss(each) for each in counts]):
        ends = np.array([(each.low, each.high) for each in found if each is not None], float)
        assert COVERED[0] <= covered(ends[:, 0], kappa, ends[:, 1]) <= COVERED[1]


def test_intervals_of_a_change_within_the_same_scans_cover_the_truth() -> None:
    random = np.random.default_rng(63)
    drawn = random.multinomial(250, [0.12, 0.05, 0.83], REPETITIONS)
    low, high = paired_difference(drawn[:, 0], drawn[:, 1], 250)
    assert COVERED[0] <= covered(low, 0.07, high) <= COVERED[1]


def test_figures_that_cannot_be_told_are_left_out_and_not_invented() -> None:
    nobody = np.zeros(9, bool)
    assert roc.area(nobody, np.arange(9.0)) is None
    assert calibration.slope(np.linspace(0.1, 0.9, 9), nobody) is None
    assert calibration.gap(np.array([0.5]), np.array([True])) is None
    parted = roc.area(np.arange(9) > 4, np.arange(9.0))
    assert parted is not None and (parted.value, parted.low) == (1.0, None)
    same = np.zeros(5, np.int64)
    always = agreement.cohen(same, same, 2)
    assert always is not None and always.value is None and always.observed == 1
    assert agreement.fleiss(np.zeros((1, 2), np.int64)) is None
    assert all(np.isnan(each) for each in wilson(0, 0))
    for positives, negatives in itertools.product((0, 1), repeat=2):
        assert calibration.slope(np.full(2, 0.5), np.array([positives, negatives], bool)) is None
