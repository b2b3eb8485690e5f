"""The watch on the classifier: how often it is wrong where nothing changes, and what it finds where something does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.random import Generator

from csss.scans.states import ScanKind
from csss.statistics.measures import Floats
from csss.watch import rules
from csss.watch.figures import (
    FALSE_ALARMS,
    RECENT,
    REFERENCE,
    THREE_SIGMA,
    Figure,
    FigureComparison,
    ReadScans,
    WatchedKind,
    began,
    recent_part,
    watch,
    week,
)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ANSWERS = ("COVID", "Lung_Opacity", "NIH_MERGED", "Normal", "Viral_Pneumonia")
MIX = (0.05, 0.2, 0.35, 0.3, 0.1)


def hospital(
    seed: int | Generator, number: int, per_day: float = 5.0, mix: tuple[float, ...] = MIX
) -> ReadScans:
    """Scans of a hospital whose figures are drawn anew for each scan and never change."""
    draw = np.random.default_rng(seed) if isinstance(seed, int) else seed
    refused = draw.random(number) < 0.03
    uncertain = draw.random(number) < 0.25
    certain = ~refused & ~uncertain
    said = certain & (draw.random(number) < 0.8)
    return ReadScans(
        BEGIN.timestamp() + np.arange(number) * 86_400 / per_day,
        {
            Figure.REFUSED: refused.astype(float),
            Figure.UNCERTAIN: np.where(refused, np.nan, uncertain),
            Figure.AGREEMENT: np.where(said, draw.random(number) < 0.85, np.nan),
            Figure.JPEG: (draw.random(number) < 0.6).astype(float),
            Figure.SIXTEEN_BITS: np.zeros(number),
            Figure.MEAN_GREY: draw.normal(0.48, 0.08, number),
            Figure.CONTRAST: draw.normal(0.24, 0.03, number),
            Figure.SIZE: draw.choice([1.05, 2.1, 4.2], number, p=[0.5, 0.3, 0.2]),
            Figure.SHAPE: draw.choice([1.0, 0.82], number),
            Figure.OUTLIER_SCORE: draw.gamma(9, 0.1, number),
        },
        np.where(certain, draw.choice(ANSWERS, number, p=mix), ""),
    )


def changed(scans: ReadScans, since: int, **figures: Callable[[Floats], Floats]) -> ReadScans:
    """The same scans, but from number `since` on with other figures."""
    values = dict(scans.values)
    for name, change in figures.items():
        old = values[Figure(name)]
        values[Figure(name)] = np.concatenate([old[:since], change(old[since:])])
    return ReadScans(scans.at, values, scans.answers)


def seen(scans: ReadScans, until: int | None = None) -> WatchedKind:
    """The watch as it is the day after scan `until`."""
    scans = scans.part(slice(until))
    at = scans.moment(-1) + timedelta(hours=1)
    first, later = scans.part(slice(REFERENCE)), scans.part(slice(REFERENCE, None))
    return watch("test-1", ScanKind.CHEST_XRAY, at, first, later, ANSWERS)


def outside(found: WatchedKind) -> dict[tuple[Figure, str], FigureComparison]:
    return {(each.figure, each.answer): each for each in found.compared if each.is_outside}


@pytest.mark.parametrize(("per_day", "window", "step"), [(1.0, RECENT, 1), (10.0, 300, 10)])
def test_where_nothing_changes_few_windows_bring_an_alarm(per_day: float, window: int, step: int) -> None:
    """Two hundred hospitals, each looked at daily while one whole window passes."""
    alarmed = 0
    for seed in range(200):
        scans = hospital(seed, REFERENCE + 2 * window, per_day)
        looks = range(REFERENCE + window, REFERENCE + 2 * window, step)
        alarmed += any(outside(seen(scans, until)) for until in looks)
    assert alarmed / 200 <= FALSE_ALARMS


@pytest.mark.parametrize(
    ("hits", "total", "number"), [(6, 200, 50), (60, 200, 600), (0, 200, 50), (199, 200, 80)]
)
def test_the_limits_of_a_share_hold_their_chance(hits: int, total: int, number: int) -> None:
    """Both groups are drawn from one population, and its share is taken to be the reference's."""
    draw = np.random.default_rng(7)
    share = (hits + 0.5) / (total + 1)
    first, second = draw.binomial(total, share, 20_000), draw.binomial(number, share, 20_000)
    bands = [rules.share_band(int(each), total, number, 0.01) for each in first]
    out = [
        not band.low - 1e-9 <= each / number <= band.high + 1e-9
        for band, each in zip(bands, second, strict=True)
    ]
    assert np.mean(out) <= 0.01
    low, high = rules.share_band(hits, total, number, 0.01)
    assert low <= hits / total + 1 / number and high >= hits / total - 1 / number


def test_the_limit_of_a_distance_holds_its_chance() -> None:
    draw = np.random.default_rng(3)
    limit = rules.distance_limit(200, 80, 0.02)
    out = [rules.distance(draw.random(200), draw.random(80)).size > limit for _ in range(4000)]
    assert np.mean(out) <= 0.02
    assert np.mean(out) > 0.005  # and is not far wider than promised


def test_a_darker_scanner_is_named_with_its_day() -> None:
    scans = changed(hospital(1, 500), 400, mean_grey=lambda old: old - 0.17)
    found = seen(scans)
    ((key, grey),) = outside(found).items()
    assert key == (Figure.MEAN_GREY, "") and not grey.higher and grey.level is not None
    assert grey.was == pytest.approx(0.48, abs=0.02)
    assert abs(began(found.later, grey) - scans.moment(400)) < timedelta(days=2)


def test_a_darker_scanner_is_found_soon() -> None:
    """In a hospital with five scans a day it is found within two weeks."""
    scans = changed(hospital(2, 700), 500, mean_grey=lambda old: old - 0.17)
    assert not outside(seen(scans, 500))
    assert (Figure.MEAN_GREY, "") in outside(seen(scans, 570))


def test_one_scanner_of_several_that_becomes_darker_is_named() -> None:
    """A third of the pictures changes; the middle stays nearly where it was."""
    draw = np.random.default_rng(5)
    scans = changed(
        hospital(5, 800), 400, mean_grey=lambda old: np.where(draw.random(len(old)) < 0.35, old - 0.3, old)
    )
    found = outside(seen(scans))
    assert set(found) == {(Figure.MEAN_GREY, "")}
    level = found[Figure.MEAN_GREY, ""].level
    assert level is not None and level.share_now > level.share_was + 0.2


def test_a_new_source_with_other_sizes_is_named() -> None:
    draw = np.random.default_rng(8)
    half = draw.random(300) < 0.5
    scans = changed(
        hospital(8, 500),
        200,
        size=lambda old: np.where(half, 0.26, old),
        jpeg=lambda old: np.where(half, 1.0, old),
    )
    found = outside(seen(scans))
    assert (Figure.SIZE, "") in found and not found[Figure.SIZE, ""].higher
    assert set(found) <= {(Figure.SIZE, ""), (Figure.JPEG, "")}


def test_lateral_views_are_named() -> None:
    """A fifth of the pictures is now taken from the side: refused, and far from those it learned from."""
    draw = np.random.default_rng(9)
    side = draw.random(300) < 0.25
    scans = changed(
        hospital(9, 600),
        300,
        refused=lambda old: np.where(side, 1.0, old),
        uncertain=lambda old: np.where(side, np.nan, old),
        outlier_score=lambda old: np.where(side, old + 3, old),
    )
    found = outside(seen(scans))
    assert found[Figure.REFUSED, ""].higher and found[Figure.OUTLIER_SCORE, ""].higher
    assert set(found) == {(Figure.REFUSED, ""), (Figure.OUTLIER_SCORE, "")}


def test_a_shifted_mix_of_answers_is_named() -> None:
    """An epidemic: a third of the answers is COVID-19 instead of a twentieth."""
    before, after = hospital(11, 350), hospital(12, 250, mix=(0.35, 0.15, 0.25, 0.18, 0.07))
    scans = ReadScans(
        np.concatenate([before.at, after.at + before.at[-1] - BEGIN.timestamp() + 1]),
        {each: np.concatenate([before.values[each], after.values[each]]) for each in before.values},
        np.concatenate([before.answers, after.answers]),
    )
    found = seen(scans)
    covid = outside(found)[Figure.ANSWER, "COVID"]
    assert covid.higher and covid.was == pytest.approx(0.05, abs=0.04)
    assert {each for each, _answer in outside(found)} == {Figure.ANSWER}
    assert abs(began(found.later, covid) - scans.moment(350)) < timedelta(days=8)


def test_falling_agreement_is_named() -> None:
    draw = np.random.default_rng(13)
    scans = changed(
        hospital(13, 600),
        300,
        agreement=lambda old: np.where(np.isnan(old), old, (old > 0) & (draw.random(len(old)) < 0.5)),
    )
    ((key, found),) = outside(seen(scans)).items()
    assert key == (Figure.AGREEMENT, "") and not found.higher


def test_nothing_is_compared_before_the_reference_and_a_window_are_complete() -> None:
    scans = hospital(1, REFERENCE + RECENT)
    early = seen(scans, 150)
    assert not early.compared and early.missing_reference == 50
    almost = seen(scans, REFERENCE + RECENT - 3)
    assert not almost.compared and (almost.missing_reference, almost.missing_recent) == (0, 3)
    assert len(seen(scans).compared) == 10 + len(ANSWERS)


def test_a_window_is_thirty_days_or_fifty_scans_whichever_is_more() -> None:
    busy, quiet = hospital(1, 600, per_day=10), hospital(1, 600, per_day=0.5)
    assert len(recent_part(busy, busy.moment(-1))) in {300, 301}
    assert len(recent_part(quiet, quiet.moment(-1))) == RECENT


def test_a_figure_that_few_scans_have_is_not_compared() -> None:
    scans = changed(
        hospital(1, 400), 0, agreement=lambda old: np.where(np.arange(len(old)) < 40, old, np.nan)
    )
    found = {each.figure: each for each in seen(scans).compared}
    assert not found[Figure.AGREEMENT].is_compared and found[Figure.MEAN_GREY].is_compared


def test_a_week_is_marked_outside_three_sigmas() -> None:
    agreement = next(each for each in seen(hospital(1, 500)).compared if each.figure is Figure.AGREEMENT)
    bad, good, empty = (week(BEGIN, said, agreed, agreement) for said, agreed in ((30, 12), (30, 25), (0, 0)))
    assert bad.low is not None and bad.agreed / bad.said < bad.low
    assert good.low is not None and good.high is not None and good.low <= 25 / 30 <= good.high
    assert empty.low is None
    assert pytest.approx(0.0027) == THREE_SIGMA
