"""The plots of a study's report as places in plain SVG; the words beside them say the same.

A square plot is 200 units wide; its left lower corner is (0, 0) per cent. A length or a place tells something, never a
colour alone.
"""

from dataclasses import dataclass

from csss.statistics.measures import wilson
from csss.study.calibration import Bin
from csss.study.results import Results, StudyShare

SIDE = 200.0
WIDE = 100.0  # of a line with one interval


@dataclass(frozen=True)
class Whisker:
    """A point with the ends of its interval, in the units of the plot."""

    x: float
    y: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float


@dataclass(frozen=True)
class SquarePlot:
    """`line` is the `points` attribute of a polyline."""

    line: str
    whiskers: tuple[Whisker, ...]


@dataclass(frozen=True)
class IntervalMark:
    """An interval on a line from 0 to 100 %."""

    place: float
    low: float
    high: float


def _x(share: float) -> float:
    return round(SIDE * share, 2)


def _y(share: float) -> float:
    return round(SIDE * (1 - share), 2)


def roc_plot(found: Results) -> SquarePlot:
    """The curve, and the classifier's own answers as a point with the intervals of both shares."""
    line = " ".join(f"{_x(x)},{_y(y)}" for x, y in found.curve)
    sensitivity, specificity = found.main.sensitivity, found.main.specificity
    whiskers = []
    if sensitivity.value is not None and specificity.value is not None:
        s_low, s_high = sensitivity.low or 0.0, sensitivity.high or 0.0
        c_low, c_high = specificity.low or 0.0, specificity.high or 0.0
        whiskers.append(
            Whisker(
                _x(1 - specificity.value),
                _y(sensitivity.value),
                _x(1 - c_high),
                _x(1 - c_low),
                _y(s_low),
                _y(s_high),
            )
        )
    return SquarePlot(line, tuple(whiskers))


def reliability_plot(bins: list[Bin]) -> SquarePlot:
    """For each bin the confidence and the share of right answers with its interval."""
    whiskers = []
    for each in bins:
        limits = wilson(each.right, each.scans)
        x, y = _x(each.confidence), _y(each.right / each.scans)
        whiskers.append(Whisker(x, y, x, x, _y(float(limits.low)), _y(float(limits.high))))
    return SquarePlot(" ".join(f"{each.x},{each.y}" for each in whiskers), tuple(whiskers))


def interval_mark(share: StudyShare) -> IntervalMark | None:
    if share.value is None or share.low is None or share.high is None:
        return None
    return IntervalMark(*(round(WIDE * each, 2) for each in (share.value, share.low, share.high)))
